/**
 * What observed layers have in common: they show their weight to an observer, once.
 *
 * @module
 */
import { Tensor } from "../../tensor/tensor.ts";
import { outputFirst } from "./output_first.ts";
import type { FloatLayer, ObservedLayer } from "./weighted_layer.ts";

/** The weight that a layer has shown to its observer: it does not change from batch to batch. */
const shown = new WeakMap<ObservedLayer, Tensor>();

/**
 * Shows a layer's weight to its observer, output channels first, unless that saw it before.
 *
 * @returns the weight.
 * @throws {TypeError} if it is quantized already.
 */
export function showWeight(layer: ObservedLayer): Tensor {
  const { weight } = layer;
  if (!(weight instanceof Tensor)) {
    throw new TypeError(
      `${layer.displayName}: the weight is quantized already; observe the float model instead`,
    );
  }
  if (shown.get(layer) !== weight) {
    using first = outputFirst(layer as ObservedLayer & FloatLayer);
    layer.weightObs.forward(first);
    shown.set(layer, weight);
  }
  return weight;
}
