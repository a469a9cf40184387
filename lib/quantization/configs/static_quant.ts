/**
 * Static quantization of observed layers, in both ways of the tutorial.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { checkDType, checkOptions } from "../../numbers/arguments.ts";
import { type DType, dtypes } from "../../numbers/dtype.ts";
import { MappingType } from "../affine/mapping.ts";
import { familyOf, isObservedLayer } from "../layers/layer_family.ts";
import type { ObservedLayer } from "../layers/weighted_layer.ts";
import { ObservedFunction, quantizeFunction } from "../layers/observed_function.ts";
import { ObservedLinear } from "../layers/observed_linear.ts";
import { quantizeObserved } from "../layers/quantize_observed.ts";
import "../layers/layer_kinds.ts";
import { linearWith } from "../layers/weight_linear.ts";
import { staticInputQuantizer } from "../tensors/input_quantizer.ts";
import { toLinearActivationQuantized } from "../tensors/linear_activation_quantized_tensor.ts";
import { AOBaseConfig, type ObservedAs } from "./quantize.ts";
import { quantRange } from "../affine/range.ts";
import { accumulated, checkAccumulator } from "../tensors/quantized_tensor.ts";

/** Options of the static configs. */
export interface StaticQuantOptions {
  /** The 8-bit dtype of inputs: the one that their observers were made for. */
  targetDtype: DType;
  /**
   * The 8-bit dtype of weights, likewise; the same by default. uint8 inputs with int8 weights are
   * PyTorch's usual pair.
   */
  weightDtype?: DType;
}

function observedLayer(module: Module, config: AOBaseConfig): ObservedLayer {
  if (isObservedLayer(module)) return module;
  throw new TypeError(
    `quantize_: ${config.constructor.name} takes observed layers, but ${module.displayName} is not one; ` +
      `call insertObservers_, calibrate, and pass isObserved or isObservedLinear as the filter`,
  );
}

/**
 * Turns each observed layer into an integer one, such as `ObservedLinear` into `QuantizedLinear`, with the
 * input range and the weight fixed to what its observers saw.
 *
 * @example
 * ```ts
 * import { int8, StaticQuantConfig, uint8 } from "@staticquant/staticquant";
 * console.log(new StaticQuantConfig(uint8).targetDtype.name); // uint8
 * const pair = new StaticQuantConfig({ targetDtype: uint8, weightDtype: int8 });
 * console.log(pair.weightDtype?.name); // int8
 * ```
 */
export class StaticQuantConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "StaticQuantConfig";

  /** The 8-bit dtype of inputs. */
  readonly targetDtype: DType;
  /** The 8-bit dtype of weights; undefined for that of inputs. */
  readonly weightDtype: DType | undefined;
  /**
   * Takes the dtypes to quantize to.
   *
   * @param options the dtypes; a dtype alone is that of inputs and weights.
   * @throws {TypeError} if a dtype is none, or an option is unknown.
   */
  constructor(options: StaticQuantOptions | DType) {
    super();
    const where = new.target.name;
    const dtype = Object.values(dtypes).find((dtype) => dtype === options);
    if (!dtype) checkOptions(where, options, ["targetDtype", "weightDtype"]);
    const { targetDtype = dtype, weightDtype } = (options ?? {}) as Partial<StaticQuantOptions>;
    checkDType(where, "targetDtype", targetDtype);
    if (weightDtype !== undefined) checkDType(where, "weightDtype", weightDtype);
    this.targetDtype = targetDtype;
    this.weightDtype = weightDtype;
  }

  /** Asymmetric, in the dtypes of this config. */
  override observedAs(): ObservedAs {
    const { targetDtype, weightDtype = targetDtype } = this;
    return { mappingType: MappingType.ASYMMETRIC, activation: targetDtype, weight: weightDtype };
  }

  /** What `quantize_` puts in a module's place. */
  override async replacement(module: Module): Promise<Module> {
    const { targetDtype, weightDtype = targetDtype } = this;
    if (module instanceof ObservedFunction) return quantizeFunction(module, targetDtype);
    const observed = observedLayer(module, this);
    const parts = await quantizeObserved(observed, targetDtype, weightDtype);
    return familyOf(module)!.quantize(observed, parts);
  }
}

/**
 * Turns each `ObservedLinear` back into a plain `Linear`, whose weight is a quantized tensor with
 * static input quantization attached: the tutorial's other way, with the same numbers.
 *
 * @example
 * ```ts
 * import { StaticQuantTensorConfig, uint8 } from "@staticquant/staticquant";
 * console.log(new StaticQuantTensorConfig(uint8).targetDtype.name); // uint8
 * ```
 */
export class StaticQuantTensorConfig extends StaticQuantConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "StaticQuantTensorConfig";

  /** What `quantize_` puts in a module's place. */
  override async replacement(module: Module): Promise<Module> {
    const { targetDtype, weightDtype = targetDtype } = this;
    const observed = observedLayer(module, this);
    if (!(observed instanceof ObservedLinear)) {
      throw new TypeError(
        `quantize_: ${this.constructor.name} makes a Linear with a quantized weight, which ` +
          `${module.displayName} has no place for; use StaticQuantConfig, or pass isObservedLinear as the filter`,
      );
    }
    const parts = await quantizeObserved(observed, targetDtype, weightDtype);
    const { actScale, actZeroPoint, qweight, bias, actQuantMin, actQuantMax, actZeroPoints } =
      parts;
    const range = quantRange("quantize_", targetDtype, actQuantMin, actQuantMax);
    const integers = { ...range, zeroPoints: actZeroPoints };
    checkAccumulator("quantize_", accumulated(qweight), integers, qweight);
    const input = staticInputQuantizer(actScale, actZeroPoint, targetDtype, integers);
    return linearWith(toLinearActivationQuantized(qweight, input), bias);
  }
}
