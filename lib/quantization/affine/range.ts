/**
 * Range arithmetic: from minimum and maximum to scale and zero point. It runs on the host, with
 * IEEE rounding after every step in the dtype of the observed values, so that every device gets
 * the same bits.
 *
 * @module
 */
import { type DType, finfo } from "../../numbers/dtype.ts";
import { roundHalfEven, roundTo } from "../../numbers/rounding.ts";
import type { MappingType } from "./mapping.ts";

/** What {@linkcode chooseRange} needs to know. */
export interface RangeSpec {
  readonly mappingType: MappingType;
  readonly quantMin: number;
  readonly quantMax: number;
  /** The dtype of the observed values, which the arithmetic is done in. */
  readonly dtype: DType;
  /** The least scale; the dtype's smallest normal number by default. */
  readonly eps?: number;
}

/** The range of quantized numbers to use: the dtype's own, or a narrower one inside it. */
export function quantRange(
  where: string,
  dtype: DType,
  quantMin: number = dtype.min,
  quantMax: number = dtype.max,
): { quantMin: number; quantMax: number } {
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

/** Scale and zero point for one range `[min, max]`, widened to hold zero. */
export function chooseRange(
  min: number,
  max: number,
  spec: RangeSpec,
): { scale: number; zeroPoint: number } {
  const { mappingType, quantMin, quantMax, dtype } = spec;
  const round = (x: number) => roundTo(dtype, x);
  const eps = round(spec.eps ?? finfo(dtype).tiny);
  const minNeg = Math.min(min, 0);
  const maxPos = Math.max(max, 0);
  const steps = quantMax - quantMin;
  if (mappingType === "ASYMMETRIC") {
    const scale = Math.max(round(round(maxPos - minNeg) / steps), eps);
    const atZero = round(quantMin - roundHalfEven(round(minNeg / scale)));
    return { scale, zeroPoint: Math.min(Math.max(atZero, quantMin), quantMax) };
  }
  const zeroPoint = Math.trunc((quantMax + quantMin + 1) / 2);
  if (mappingType === "SYMMETRIC") {
    const scale = round(Math.max(-minNeg, maxPos) / (steps / 2));
    return { scale: Math.max(scale, eps), zeroPoint };
  }
  const below = round(minNeg / quantMin);
  const above = round(maxPos / quantMax);
  return { scale: Math.max(below > above ? below : above, eps), zeroPoint };
}
