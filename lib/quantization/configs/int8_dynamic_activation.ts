/**
 * Activations quantized as they come, weights of 8 bits.
 *
 * @module
 */
import { int8WeightScheme } from "./int8_weight_only.ts";
import { toLinearActivationQuantized } from "../tensors/linear_activation_quantized_tensor.ts";
import { dynamicInputQuantizer } from "../tensors/input_quantizer.ts";
import { AOBaseConfig, registerQuantizeModuleHandler } from "./quantize.ts";
import { floatLinear, quantizeWeight } from "./quantize_weight.ts";
import { linearWith } from "../layers/weight_linear.ts";

/**
 * Quantizes weights to int8, symmetric, with a scale for each row, and activations to int8 at run
 * time, symmetric, with a scale for each token that the kernel finds as it quantizes. No calibration
 * is needed, and the product is one of integers:
 *
 * `y[m, n] = sx[m]·sw[n]·Σ qx[m, k]·qw[n, k] + b[n]`
 *
 * with `sx = max(max|x| / 127, 1e-5)` and `qx` in −127…127 (see `toAffineQuantizedPerToken`) and
 * `sw = max(max|w| / 127.5, eps)`, as torchao chooses them. The layer stays a `Linear`.
 *
 * @example
 * ```ts
 * import {
 *   Int8DynamicActivationInt8WeightConfig, Linear, quantize_, randn, Sequential,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(64, 32) });
 * await quantize_(m, new Int8DynamicActivationInt8WeightConfig());
 * console.log(m.forward(randn([2, 64])).shape); // [ 2, 32 ]
 * ```
 */
export class Int8DynamicActivationInt8WeightConfig extends AOBaseConfig {}

registerQuantizeModuleHandler(Int8DynamicActivationInt8WeightConfig, async (module, config) => {
  const linear = floatLinear(module, config);
  const weight = await quantizeWeight(linear, int8WeightScheme(), config);
  return linearWith(toLinearActivationQuantized(weight, dynamicInputQuantizer()), linear.bias);
});
