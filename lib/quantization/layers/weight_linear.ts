/**
 * Layers that stay a `Linear`, with a quantized tensor as their weight.
 *
 * @module
 */
import { Linear } from "../../nn/linear.ts";
import type { LinearWeight } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { LinearActivationQuantizedTensor } from "../tensors/linear_activation_quantized_tensor.ts";
import { AffineQuantizedTensor } from "../tensors/quantized_tensor.ts";
import { type LayerParts, registerLayerKind } from "./layer_kind.ts";

/** A plain `Linear` that holds a quantized weight. */
export function linearWith(weight: LinearWeight, bias: Tensor | null): Linear {
  const [outFeatures, inFeatures] = weight.shape;
  return new Linear(inFeatures, outFeatures, { weight, bias });
}

function partsOf({ weight, bias }: Linear): LayerParts | undefined {
  if (weight instanceof AffineQuantizedTensor) return { weight, input: null, bias };
  if (!(weight instanceof LinearActivationQuantizedTensor)) return;
  return { weight: weight.originalWeight, input: weight.inputQuantizer, bias };
}

for (
  const [name, input] of [
    ["WeightOnlyLinear", null],
    ["StaticInputLinear", "static"],
    ["DynamicInputLinear", "dynamic"],
    ["CustomInputLinear", "custom"],
  ] as const
) {
  registerLayerKind({
    name,
    type: Linear,
    input,
    preScale: input === "static" || input === "dynamic",
    weightName: "weight",
    parts: partsOf,
    build: ({ weight, input, bias }) =>
      linearWith(input ? new LinearActivationQuantizedTensor(weight, input) : weight, bias),
  });
}
