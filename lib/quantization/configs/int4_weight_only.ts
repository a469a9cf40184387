/**
 * Weights of 4 bits, activations as they are.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { int8, uint4 } from "../../numbers/dtype.ts";
import { PerGroup } from "../affine/granularity.ts";
import { MappingType } from "../affine/mapping.ts";
import { AOBaseConfig } from "./quantize.ts";
import {
  checkGroupSize,
  floatLinear,
  quantizeWeight,
  type WeightScheme,
} from "./quantize_weight.ts";
import { linearWith } from "../layers/weight_linear.ts";

/** Options of {@linkcode Int4WeightOnlyConfig}. */
export interface Int4WeightOnlyOptions {
  /** Neighbours in a row that share a scale and a zero point: 32, 64, 128 (the default) or 256. */
  groupSize?: number;
}

/** The group sizes of 4-bit weights. */
export const INT4_GROUP_SIZES: readonly number[] = [32, 64, 128, 256];

/** uint4, asymmetric, a scale and a zero point a group. */
export function uint4WeightScheme(groupSize: number): WeightScheme {
  return {
    mappingType: MappingType.ASYMMETRIC,
    targetDtype: uint4,
    granularity: new PerGroup(groupSize),
    eps: 1e-6,
    zeroPointDtype: int8,
  };
}

/**
 * Quantizes weights to uint4, asymmetric, with a scale and a zero point for each group of a row;
 * activations stay float. The layer stays a `Linear`; two elements share a byte on the device, and
 * the product makes floats of them in registers:
 *
 * `y[m, n] = Σ_g sw[n, g]·Σ x[m, k]·(qw[n, k] − zw[n, g]) + b[n]`
 *
 * Zero points are integers of the quantized range, as in torchao's `ZeroPointDomain.INT`, so that a
 * weight of 0 stays 0. Inputs are float32, float16 or bfloat16, of the dtype that the weight had.
 *
 * @example
 * ```ts
 * import { Int4WeightOnlyConfig, Linear, quantize_, randn, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(256, 32) });
 * await quantize_(m, new Int4WeightOnlyConfig({ groupSize: 64 }));
 * console.log(m.forward(randn([2, 256])).shape); // [ 2, 32 ]
 * ```
 */
export class Int4WeightOnlyConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Int4WeightOnlyConfig";

  /** Neighbours in a row that share a scale and a zero point. */
  readonly groupSize: number;
  /**
   * Takes the size of the groups.
   *
   * @param options the group size.
   * @throws {RangeError} if it is none of 32, 64, 128 and 256.
   */
  constructor(options: Int4WeightOnlyOptions = {}) {
    super();
    checkOptions("Int4WeightOnlyConfig", options, ["groupSize"]);
    this.groupSize = options.groupSize ?? 128;
    checkGroupSize("Int4WeightOnlyConfig", this.groupSize, INT4_GROUP_SIZES);
  }

  /** What `quantize_` puts in a module's place. */
  override async replacement(module: Module): Promise<Module> {
    const linear = floatLinear(module, this);
    const weight = await quantizeWeight(linear, uint4WeightScheme(this.groupSize), this);
    return linearWith(weight, linear.bias);
  }
}
