/**
 * Weights of 8 bits, activations as they are.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { finfo, float32, int8 } from "../../numbers/dtype.ts";
import { PerGroup, PerRow } from "../affine/granularity.ts";
import { MappingType } from "../affine/mapping.ts";
import { AOBaseConfig } from "./quantize.ts";
import { floatLinear, quantizeWeight, type WeightScheme } from "./quantize_weight.ts";
import { linearWith } from "../layers/weight_linear.ts";

/** Options of {@linkcode Int8WeightOnlyConfig}. */
export interface Int8WeightOnlyOptions {
  /** Neighbours in a row that share a scale, a multiple of 16; the whole row by default. */
  groupSize?: number;
}

/** int8, symmetric, as torchao 0.18 quantizes the weights of its int8 configs. */
export function int8WeightScheme(groupSize?: number): WeightScheme {
  return {
    mappingType: MappingType.SYMMETRIC,
    targetDtype: int8,
    granularity: groupSize === undefined ? new PerRow() : new PerGroup(groupSize),
    eps: finfo(float32).eps,
    scaleDtype: float32,
    zeroPointDtype: null,
  };
}

/**
 * Quantizes weights to int8, symmetric, with a scale for each row (or group of a row); activations
 * stay float. The layer stays a `Linear`; its product reads the bytes and makes floats of them in
 * registers, so memory holds a byte an element and the scales:
 *
 * `y[m, n] = sw[n]·Σ x[m, k]·qw[n, k] + b[n]`, with `sw = max(max|w| / 127.5, eps)`
 *
 * Inputs are float32, float16 or bfloat16, of the dtype that the weight had.
 *
 * @example
 * ```ts
 * import { Int8WeightOnlyConfig, Linear, quantize_, randn, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(64, 32) });
 * await quantize_(m, new Int8WeightOnlyConfig());
 * console.log(m.forward(randn([2, 64])).shape); // [ 2, 32 ]
 * ```
 */
export class Int8WeightOnlyConfig extends AOBaseConfig {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Int8WeightOnlyConfig";

  /** Neighbours in a row that share a scale; undefined for the whole row. */
  readonly groupSize: number | undefined;
  /**
   * Takes the size of the groups.
   *
   * @param options the group size.
   * @throws {RangeError} if the group size is not a multiple of 16.
   */
  constructor(options: Int8WeightOnlyOptions = {}) {
    super();
    checkOptions("Int8WeightOnlyConfig", options, ["groupSize"]);
    const { groupSize } = options;
    if (groupSize !== undefined && !(groupSize > 0 && groupSize % 16 === 0)) {
      throw new RangeError(
        `Int8WeightOnlyConfig: groupSize must be a multiple of 16, got ${groupSize}`,
      );
    }
    this.groupSize = groupSize;
  }

  /** What `quantize_` puts in a module's place. */
  override async replacement(module: Module): Promise<Module> {
    const linear = floatLinear(module, this);
    const weight = await quantizeWeight(linear, int8WeightScheme(this.groupSize), this);
    return linearWith(weight, linear.bias);
  }
}
