/**
 * Scales and zero points.
 *
 * @module
 */
import { chooseRange } from "../../quantization/affine/range.ts";
import { dtypes, float32 } from "../../numbers/dtype.ts";

/** The integers that activations and weights can become. */
export type QuantType = "int8" | "uint8" | "int4" | "uint4";

/** The least and the greatest value of a tensor. */
export interface TensorRange {
  /** The least value. */
  readonly min: number;
  /** The greatest value. */
  readonly max: number;
}

/** Where the integers of a tensor lie: `x ≈ (q − zeroPoint) · scale`. */
export interface QuantParams {
  /** The integer type. */
  readonly type: QuantType;
  /** The step between neighbours. */
  readonly scale: number;
  /** The integer that stands for 0. */
  readonly zeroPoint: number;
}

/** How a range becomes integers. */
export interface QuantSpec {
  readonly type: QuantType;
  /** Whether 0 lies in the middle. */
  readonly symmetric: boolean;
  /** Whether one bit is left out, so that no sum of two products leaves 16 bits. */
  readonly reduceRange?: boolean;
}

/** The least and the greatest integer that are used. */
export function quantLimits({ type, symmetric, reduceRange }: QuantSpec): [number, number] {
  const steps = 2 ** ((type.endsWith("4") ? 4 : 8) - (reduceRange ? 1 : 0));
  if (type.startsWith("u")) return [0, steps - 1];
  // Symmetric ranges have as many steps below 0 as above.
  return [symmetric ? 1 - steps / 2 : -steps / 2, steps / 2 - 1];
}

/** Scale and zero point for a range, which is widened to hold 0. */
export function quantParams({ min, max }: TensorRange, spec: QuantSpec): QuantParams {
  const [quantMin, quantMax] = quantLimits(spec);
  const mappingType = spec.symmetric ? "SYMMETRIC" : "ASYMMETRIC";
  const { scale, zeroPoint } = chooseRange(min, max, {
    mappingType,
    quantMin,
    quantMax,
    dtype: float32,
  });
  // A tensor of nothing but zeros fits any scale; the least one would make products of scales vanish.
  const used = scale < LEAST_SCALE ? (min < 0 || max > 0 ? LEAST_SCALE : 1) : scale;
  return { type: spec.type, scale: Math.fround(used), zeroPoint };
}

/** The least scale: products of two such are normal numbers. */
export const LEAST_SCALE = 2 ** -60;

/** The numbers that can be told from one another end here. */
export function representable({ type, scale, zeroPoint }: QuantParams): TensorRange {
  const { min, max } = dtypes[type];
  return { min: (min - zeroPoint) * scale, max: (max - zeroPoint) * scale };
}
