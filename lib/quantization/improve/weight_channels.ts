/**
 * Which channels the elements of weights belong to.
 *
 * @module
 */
import { numelOf } from "../../numbers/shape.ts";
import { familyOf } from "../layers/layer_family.ts";
import { groupsOf, isInputFirst, outputFirstShape } from "../layers/output_first.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import type { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** A normalization: it multiplies each channel by a weight and may add a bias. */
export type Norm = Module & { weight: Tensor; bias?: Tensor | null };

/** How many channels a layer's input has; the weight tells those of one group. */
export const inputChannels = (layer: FloatLayer) => outputFirstShape(layer)[1] * groupsOf(layer);

/** The channels of an element of a layer's weight: of the side that it has first, and of the other. */
function weightSides(layer: FloatLayer): { first: Channel; second: Channel } {
  const [count, inside, ...kernel] = layer.weight.shape;
  const inner = numelOf(kernel);
  const ofGroup = count / groupsOf(layer) * inside * inner;
  return {
    first: (i) => Math.floor(i / (inside * inner)),
    second: (i) => Math.floor(i / ofGroup) * inside + Math.floor(i / inner) % inside,
  };
}

/** Which channel an element is of. */
type Channel = (i: number) => number;

/** Which input channel an element of a layer's weight multiplies. */
export function weightChannels(layer: FloatLayer): Channel {
  const { first, second } = weightSides(layer);
  return isInputFirst(layer) ? first : second;
}

/** Which channel of its output an element of a weight adds to, or scales. */
export function outputChannels(layer: FloatLayer | Norm): Channel {
  if (!familyOf(layer)) return (i) => i;
  const { first, second } = weightSides(layer as FloatLayer);
  return isInputFirst(layer as FloatLayer) ? second : first;
}

/** Which input channel an element of a weight multiplies, by its row and column once output channels are first. */
export function columnChannels(
  layer: FloatLayer,
  rows: number,
  columns: number,
): (row: number, column: number) => number {
  const groups = groupsOf(layer);
  const perGroup = inputChannels(layer) / groups;
  const taps = columns / perGroup;
  return (row, column) => Math.floor(row * groups / rows) * perGroup + Math.floor(column / taps);
}
