/**
 * How layers take rows out of their inputs, for what is learnt of these.
 *
 * @module
 */
import { Convolution } from "../../nn/convolution.ts";
import { Linear } from "../../nn/linear.ts";
import { familyOf } from "../layers/layer_family.ts";
import { groupsOf, outputFirstShape } from "../layers/output_first.ts";
import type { WeightedLayer } from "../layers/weighted_layer.ts";
import type { Channels } from "../statistics/channels.ts";
import type { ReadRows } from "../statistics/rows.ts";

/** Where the channels of what a layer reads lie. */
export function readChannels(layer: WeightedLayer): Channels {
  const axis = familyOf(layer)!.channelDim;
  return { axis, count: outputFirstShape(layer)[1] * groupsOf(layer) };
}

/** The rows that a layer's weight is multiplied with; nothing of classes that are not known here. */
export function readRows(layer: WeightedLayer): ReadRows | undefined {
  if (layer instanceof Linear) return { channels: readChannels(layer), groups: 1 };
  if (!(layer instanceof Convolution)) return undefined;
  const { groups, kernelSize: kernel, stride: strides, dilation: dilations, padding } = layer;
  const pads = padding === "same"
    ? "SAME_UPPER"
    : kernel.map((_, i): [number, number] =>
      padding === "valid" ? [0, 0] : [padding[i], padding[i]]
    );
  const channels = { axis: 1, count: readChannels(layer).count };
  return { channels, groups, window: { kernel, strides, dilations, pads } };
}

/** The sizes of an input as {@linkcode readRows} has them: what a convolution reads without a batch is one of one. */
export function readDims(layer: WeightedLayer, dims: readonly number[]): readonly number[] {
  const single = layer instanceof Convolution && dims.length === layer.kernelSize.length + 1;
  return single ? [1, ...dims] : dims;
}
