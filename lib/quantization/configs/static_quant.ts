/**
 * Static quantization of observed layers, in both ways of the tutorial.
 *
 * @module
 */
import { Linear } from "../../nn/linear.ts";
import type { Module } from "../../nn/module.ts";
import type { DType } from "../../numbers/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { toLinearActivationQuantized } from "../tensors/linear_activation_quantized_tensor.ts";
import { ObservedLinear } from "../layers/observed_linear.ts";
import { AOBaseConfig, registerQuantizeModuleHandler } from "./quantize.ts";
import { QuantizedLinear, quantizeObserved } from "../layers/quantized_linear.ts";
import { toAffineQuantizedIntxStatic } from "../tensors/quantized_tensor.ts";

/** Options of the static configs. */
export interface StaticQuantOptions {
  /** The 8-bit dtype of inputs and weights: the one that the observers were made for. */
  targetDtype: DType;
}

function observedLinear(module: Module, config: AOBaseConfig): ObservedLinear {
  if (module instanceof ObservedLinear) return module;
  throw new TypeError(
    `quantize_: ${config.constructor.name} takes observed layers, but ${module.displayName} is not one; ` +
      `call insertObservers_, calibrate, and pass isObservedLinear as the filter`,
  );
}

/**
 * Turns each `ObservedLinear` into a `QuantizedLinear`, with the input range and the weight fixed
 * to what its observers saw.
 *
 * @example
 * ```ts
 * import { StaticQuantConfig, uint8 } from "@staticquant/staticquant";
 * console.log(new StaticQuantConfig({ targetDtype: uint8 }).targetDtype.name); // uint8
 * ```
 */
export class StaticQuantConfig extends AOBaseConfig {
  /** The 8-bit dtype of inputs and weights. */
  readonly targetDtype: DType;
  /**
   * Takes the dtype to quantize to.
   *
   * @param options the target dtype.
   */
  constructor(options: StaticQuantOptions) {
    super();
    this.targetDtype = options.targetDtype;
  }
}

registerQuantizeModuleHandler(
  StaticQuantConfig,
  (module, config) =>
    QuantizedLinear.fromObserved(observedLinear(module, config), config.targetDtype),
);

/**
 * Turns each `ObservedLinear` back into a plain `Linear`, whose weight is a quantized tensor with
 * static input quantization attached: the tutorial's other way, with the same numbers.
 *
 * @example
 * ```ts
 * import { StaticQuantTensorConfig, uint8 } from "@staticquant/staticquant";
 * console.log(new StaticQuantTensorConfig({ targetDtype: uint8 }).targetDtype.name); // uint8
 * ```
 */
export class StaticQuantTensorConfig extends AOBaseConfig {
  /** The 8-bit dtype of inputs and weights. */
  readonly targetDtype: DType;
  /**
   * Takes the dtype to quantize to.
   *
   * @param options the target dtype.
   */
  constructor(options: StaticQuantOptions) {
    super();
    this.targetDtype = options.targetDtype;
  }
}

registerQuantizeModuleHandler(StaticQuantTensorConfig, async (module, { targetDtype }) => {
  const observed = observedLinear(module, new StaticQuantTensorConfig({ targetDtype }));
  const parts = await quantizeObserved(observed, targetDtype);
  const { actScale, actZeroPoint, qweight, bias, actQuantMin, actQuantMax } = parts;
  const range = { quantMin: actQuantMin, quantMax: actQuantMax };
  const staticInputQuant = (x: Tensor) =>
    toAffineQuantizedIntxStatic(x, actScale, actZeroPoint, x.shape, targetDtype, range);
  const linear: Linear = Object.create(Linear.prototype);
  const { inFeatures, outFeatures } = observed;
  const weight = toLinearActivationQuantized(qweight, staticInputQuant);
  return Object.assign(linear, { fullName: "", inFeatures, outFeatures, weight, bias });
});
