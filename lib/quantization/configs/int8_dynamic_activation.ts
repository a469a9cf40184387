/**
 * Activations quantized as they come, weights of 8 bits.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { type Granularity, PerRow, PerTensor } from "../affine/granularity.ts";
import { MappingType } from "../affine/mapping.ts";
import { int8WeightScheme } from "./int8_weight_only.ts";
import { toLinearActivationQuantized } from "../tensors/linear_activation_quantized_tensor.ts";
import { dynamicInputQuantizer } from "../tensors/input_quantizer.ts";
import { type GranularityPair, granularityPair } from "./granularity_pair.ts";
import { checkInt8Range, int8Integers, type Int8RangeOptions } from "./int8_range.ts";
import { AOBaseConfig } from "./quantize.ts";
import { floatLinear, quantizeWeight } from "./quantize_weight.ts";
import { linearWith } from "../layers/weight_linear.ts";
import { checkAccumulator } from "../tensors/quantized_tensor.ts";

/** Options of {@linkcode Int8DynamicActivationInt8WeightConfig}. */
export interface Int8DynamicActivationInt8WeightOptions extends Int8RangeOptions {
  /**
   * Which elements share a scale, `PerTensor` or `PerRow`: one for both, or a pair of activations' and
   * weights'; `PerRow` by default.
   */
  granularity?: GranularityPair | null;
}

/**
 * Quantizes weights to int8, symmetric, with a scale for each row, and activations to int8 at run
 * time, symmetric, with a scale for each token that the kernel finds as it quantizes. No calibration
 * is needed, and the product is one of integers:
 *
 * `y[m, n] = sx[m]·sw[n]·Σ qx[m, k]·qw[n, k] + b[n]`
 *
 * with `sx = max(max|x| / 127.5, eps)` (see `toAffineQuantizedPerToken`), `sw = max(max|w| / 127.5, eps)` and
 * float32's eps, as torchao 0.18 chooses them. The layer stays a `Linear`. Options are those of torchao 0.18; one
 * scale for a whole input and zero points are found on the device too, in a few kernels more.
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

  /** Which elements share a scale, of activations and of weights. */
  readonly granularity: readonly [activation: Granularity, weight: Granularity];
  /** How inputs are laid onto integers. */
  readonly actMappingType: MappingType;
  /** Whether inputs and weights use −64…63 alone. */
  readonly reduceRange: boolean;

  /**
   * Takes granularity, mapping and range.
   *
   * @param options all of them.
   * @throws {RangeError} if a granularity is neither `PerTensor` nor `PerRow`.
   * @throws {TypeError} if inputs have no such mapping.
   */
  constructor(options: Int8DynamicActivationInt8WeightOptions = {}) {
    super();
    const where = new.target.name;
    checkOptions(where, options, ["granularity", "actMappingType", "reduceRange"]);
    const { actMappingType, reduceRange } = checkInt8Range(where, options);
    this.granularity = granularityPair(where, options.granularity, new PerRow());
    this.actMappingType = actMappingType;
    this.reduceRange = reduceRange;
  }

  /** What `quantize_` puts in a module's place. */
  override async replacement(module: Module): Promise<Module> {
    const { granularity: [activation, granularity], actMappingType, reduceRange } = this;
    const linear = floatLinear(module, this);
    const range = int8Integers(reduceRange);
    const asymmetric = actMappingType === MappingType.ASYMMETRIC;
    const symmetric = { ...range, zeroPoints: [0, 0] } as const;
    checkAccumulator("quantize_", linear.inFeatures, asymmetric ? range : symmetric, symmetric);
    const weight = await quantizeWeight(
      linear,
      { ...int8WeightScheme(), granularity, range },
      this,
    );
    const perTensor = activation instanceof PerTensor;
    const input = dynamicInputQuantizer({ ...range, perTensor, asymmetric });
    return linearWith(toLinearActivationQuantized(weight, input), linear.bias);
  }
}
