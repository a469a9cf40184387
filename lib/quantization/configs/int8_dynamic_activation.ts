/**
 * Activations quantized as they come, weights of 8 bits.
 *
 * @module
 */
import { int8 } from "../../numbers/dtype.ts";
import { int8WeightScheme } from "./int8_weight_only.ts";
import { toLinearActivationQuantized } from "../tensors/linear_activation_quantized_tensor.ts";
import { dynamicInputQuantizer } from "../tensors/input_quantizer.ts";
import { AOBaseConfig, registerQuantizeModuleHandler } from "./quantize.ts";
import { floatLinear, quantizeWeight } from "./quantize_weight.ts";
import { linearWith } from "../layers/weight_linear.ts";
import { checkAccumulator } from "../tensors/quantized_tensor.ts";

/**
 * Quantizes weights to int8, symmetric, with a scale for each row, and activations to int8 at run
 * time, symmetric, with a scale for each token that the kernel finds as it quantizes. No calibration
 * is needed, and the product is one of integers:
 *
 * `y[m, n] = sx[m]·sw[n]·Σ qx[m, k]·qw[n, k] + b[n]`
 *
 * with `sx = max(max|x| / 127.5, eps)` (see `toAffineQuantizedPerToken`), `sw = max(max|w| / 127.5, eps)` and
 * float32's eps, as torchao 0.18 chooses them. The layer stays a `Linear`.
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
export class Int8DynamicActivationInt8WeightConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Int8DynamicActivationInt8WeightConfig";
}

const SYMMETRIC_INT8 = { quantMin: int8.min, quantMax: int8.max, zeroPoints: [0, 0] } as const;

registerQuantizeModuleHandler(Int8DynamicActivationInt8WeightConfig, async (module, config) => {
  const linear = floatLinear(module, config);
  checkAccumulator("quantize_", linear.inFeatures, SYMMETRIC_INT8, SYMMETRIC_INT8);
  const weight = await quantizeWeight(linear, int8WeightScheme(), config);
  return linearWith(toLinearActivationQuantized(weight, dynamicInputQuantizer()), linear.bias);
});
