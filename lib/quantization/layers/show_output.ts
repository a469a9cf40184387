/**
 * What observed layers have in common that give bytes once they are quantized: they show their output to an
 * observer.
 *
 * @module
 */
import { relu } from "../../tensor/ops.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ObservedOutput } from "./weighted_layer.ts";

/** Shows a layer's output to its observer, if it has one, and gives it back. Enqueued. */
export function showOutput(layer: Partial<ObservedOutput>, y: Tensor): Tensor {
  const { activationPostProcess, reluAfter } = layer;
  if (!activationPostProcess) return y;
  if (!reluAfter) return activationPostProcess.forward(y);
  using positive = relu(y);
  activationPostProcess.forward(positive);
  return y;
}
