/**
 * What the configs share: taking the float weight of a layer and quantizing it by its own range.
 *
 * @module
 */
import { Linear } from "../../nn/linear.ts";
import type { Module } from "../../nn/module.ts";
import type { DType } from "../../numbers/dtype.ts";
import { type FloatLinear, isFloatLinear } from "../layers/float_linear.ts";
import { type Granularity, PerGroup } from "../affine/granularity.ts";
import type { MappingType } from "../affine/mapping.ts";
import { chooseQParamsOf } from "../affine/primitives.ts";
import type { AOBaseConfig } from "./quantize.ts";
import {
  type AffineQuantizedTensor,
  toAffineQuantizedIntxStatic,
} from "../tensors/quantized_tensor.ts";

/** The module as a `Linear` with a float weight, or an error that names it and the config. */
export function floatLinear(module: Module, config: AOBaseConfig): FloatLinear {
  const name = config.constructor.name;
  if (!(module instanceof Linear)) {
    throw new TypeError(
      `quantize_: ${name} takes Linear layers, but ${module.displayName} is not one; narrow filterFn`,
    );
  }
  if (!isFloatLinear(module)) {
    throw new TypeError(
      `quantize_: the weight of ${module.displayName} is quantized already; give ${name} the float model`,
    );
  }
  return module;
}

/** How a weight is quantized. */
export interface WeightScheme {
  readonly mappingType: MappingType;
  readonly targetDtype: DType;
  readonly granularity: Granularity;
  /** The least scale. */
  readonly eps: number;
  /** Dtype of the scales; the weight's by default. */
  readonly scaleDtype?: DType;
  /** Dtype of the zero points; null for a symmetric mapping, which has them at 0. */
  readonly zeroPointDtype: DType | null;
  /** The integers to use; the dtype's by default. */
  readonly range?: { readonly quantMin: number; readonly quantMax: number };
}

/** Throws unless `groupSize` is one of `choices`. */
export function checkGroupSize(where: string, groupSize: number, choices: readonly number[]): void {
  if (!choices.includes(groupSize)) {
    throw new RangeError(
      `${where}: groupSize must be one of ${choices.join(", ")}, got ${groupSize}`,
    );
  }
}

/** Throws unless groups divide the rows of a layer's weight. */
export function checkGroups(
  { weight, displayName }: Pick<FloatLinear, "weight" | "displayName">,
  granularity: Granularity,
  config: AOBaseConfig,
): void {
  const inFeatures = weight.shape[1];
  if (granularity instanceof PerGroup && inFeatures % granularity.groupSize !== 0) {
    throw new RangeError(
      `quantize_: ${config.constructor.name} has groupSize ${granularity.groupSize}, which does not ` +
        `divide inFeatures = ${inFeatures} of ${displayName}; choose one that does, or leave the layer ` +
        `out with filterFn or FqnToConfig`,
    );
  }
}

/** The layer's weight quantized by its own range, in the layout of the kernels. Waits for the range. */
export async function quantizeWeight(
  { weight, displayName }: FloatLinear,
  scheme: WeightScheme,
  config: AOBaseConfig,
): Promise<AffineQuantizedTensor> {
  const { mappingType, targetDtype, granularity, eps, scaleDtype, zeroPointDtype, range } = scheme;
  checkGroups({ weight, displayName }, granularity, config);
  const block = granularity.blockSize(weight.shape);
  const [scale, zeroPoint] = await chooseQParamsOf(
    { where: "quantize_", what: `the weight of ${displayName}` },
    ...[weight, mappingType, block, targetDtype] as const,
    { eps, scaleDtype, zeroPointDtype: zeroPointDtype ?? targetDtype, ...range },
  );
  if (!zeroPointDtype) zeroPoint?.dispose();
  const quantized = toAffineQuantizedIntxStatic(
    weight,
    scale,
    zeroPointDtype && zeroPoint,
    block,
    targetDtype,
    range,
  );
  quantized.packedRows({ sums: false });
  return quantized;
}
