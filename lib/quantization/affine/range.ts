/**
 * Range arithmetic: from minimum and maximum to scale and zero point. It runs on the host, with
 * IEEE rounding after every step in the dtype of the observed values, so that every device gets
 * the same bits.
 *
 * @module
 */
import { type DType, finfo } from "../../numbers/dtype.ts";
import { roundHalfEven, roundTo } from "../../numbers/rounding.ts";
import { checkDType } from "../../numbers/arguments.ts";
import type { MappingType, ZeroPointDomain } from "./mapping.ts";

/** What {@linkcode chooseRange} needs to know. */
export interface RangeSpec {
  readonly mappingType: MappingType;
  readonly quantMin: number;
  readonly quantMax: number;
  /** The dtype of the observed values, which the arithmetic is done in. */
  readonly dtype: DType;
  /** The least scale; the dtype's smallest normal number by default. */
  readonly eps?: number;
  /** What the zero point is; `INT` by default. `FLOAT` does not preserve zero. */
  readonly domain?: ZeroPointDomain;
  /** Whether zero is one of the values that integers stand for; true by default. */
  readonly preserveZero?: boolean;
}

/** The number in the middle of a quantized range, which a float zero point stands for. */
export function midPoint(quantMin: number, quantMax: number): number {
  return (quantMax + quantMin + 1) / 2;
}

/** The range of quantized numbers to use: the dtype's own, or a narrower one inside it. */
export function quantRange(
  where: string,
  dtype: DType,
  quantMin: number = dtype?.min,
  quantMax: number = dtype?.max,
): { quantMin: number; quantMax: number } {
  checkDType(where, "the target dtype", dtype);
  if (dtype.isFloat && dtype.itemSize > 1) {
    throw new TypeError(
      `${where}: ${dtype.name} is not a dtype to quantize to; use one of int1…int8, uint1…uint8, int16, ` +
        `int32, float8_e4m3fn, float8_e5m2`,
    );
  }
  const whole = dtype.isFloat || (Number.isInteger(quantMin) && Number.isInteger(quantMax));
  const inside = dtype.min <= quantMin && quantMin < quantMax && quantMax <= dtype.max;
  if (!whole || !inside) {
    throw new RangeError(
      `${where}: quantMin ${quantMin} and quantMax ${quantMax} must be ${
        dtype.isFloat ? "numbers" : "integers"
      } with ` +
        `${dtype.min} ≤ quantMin < quantMax ≤ ${dtype.max}, the range of ${dtype.name}`,
    );
  }
  return { quantMin, quantMax };
}

/**
 * Scale and zero point for one range `[min, max]`, widened to hold zero where that is preserved; the zero
 * point is 0 where the domain has none.
 */
export function chooseRange(
  min: number,
  max: number,
  spec: RangeSpec,
): { scale: number; zeroPoint: number } {
  const { scale, zeroPoint } = chooseInDomain(min, max, spec);
  return { scale, zeroPoint: spec.domain === "NONE" ? 0 : zeroPoint };
}

function chooseInDomain(
  min: number,
  max: number,
  spec: RangeSpec,
): { scale: number; zeroPoint: number } {
  const { mappingType, quantMin, quantMax, dtype, domain, preserveZero = domain !== "FLOAT" } =
    spec;
  const round = (x: number) => roundTo(dtype, x);
  const eps = round(spec.eps ?? finfo(dtype).tiny);
  const minNeg = preserveZero ? Math.min(min, 0) : min;
  const maxPos = preserveZero ? Math.max(max, 0) : max;
  const steps = quantMax - quantMin;
  if (mappingType === "ASYMMETRIC") {
    const scale = Math.max(round(round(maxPos - minNeg) / steps), eps);
    if (domain === "FLOAT") {
      return { scale, zeroPoint: round(minNeg + round(scale * midPoint(quantMin, quantMax))) };
    }
    const atZero = round(quantMin - roundHalfEven(round(minNeg / scale)));
    return { scale, zeroPoint: Math.min(Math.max(atZero, quantMin), quantMax) + 0 };
  }
  const zeroPoint = Math.trunc(midPoint(quantMin, quantMax)) + 0; // no negative zero
  if (mappingType === "SYMMETRIC") {
    const scale = round(Math.max(-minNeg, maxPos) / (steps / 2));
    return { scale: Math.max(scale, eps), zeroPoint };
  }
  const below = round(minNeg / quantMin);
  const above = round(maxPos / quantMax);
  return { scale: Math.max(below > above ? below : above, eps), zeroPoint };
}
