/**
 * Weights with their output channels first, as those who quantize them have it. Most float layers hold theirs
 * so; a transposed convolution has its input channels first: (in, out / groups, …).
 *
 * @module
 */
import { transpose } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { FloatLayer, WeightedLayer } from "./weighted_layer.ts";

/** What tells how a layer's weight lies. */
type Layout = { readonly transposed?: boolean; readonly groups?: number };

/** Whether a layer's weight has its input channels first. */
export function isInputFirst(layer: WeightedLayer): boolean {
  return (layer as Layout).transposed ?? false;
}

/** Parts that the channels of a layer fall into. */
export function groupsOf(layer: WeightedLayer): number {
  return (layer as Layout).groups ?? 1;
}

/** The first two sizes of a weight the other way round: of (in, out / groups, …) (out, in / groups, …), and back. */
function swapped([first, second, ...kernel]: readonly number[], groups: number): number[] {
  return [second * groups, first / groups, ...kernel];
}

/** A weight (in, out / groups, …) as (out, in / groups, …), and back. A tensor of its own. */
export function swapChannels(weight: Tensor, groups: number): Tensor {
  const [first, ...rest] = weight.shape;
  using grouped = weight.reshape(groups, first / groups, ...rest);
  using turned = transpose(grouped, 1, 2);
  return turned.reshape(swapped(weight.shape, groups));
}

/** The shape of {@linkcode outputFirst}. */
export function outputFirstShape(layer: WeightedLayer): readonly number[] {
  const { shape } = layer.weight;
  return isInputFirst(layer) ? swapped(shape, groupsOf(layer)) : shape;
}

/** A layer's weight with its output channels first; the caller's, which frees nothing of the layer's. */
export function outputFirst(layer: FloatLayer): Tensor {
  const { weight } = layer;
  return isInputFirst(layer) ? swapChannels(weight, groupsOf(layer)) : weight.reshape(weight.shape);
}
