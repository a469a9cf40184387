/**
 * How a float range is laid onto integers.
 *
 * @module
 */
import { checkChoice } from "../../numbers/arguments.ts";

/**
 * How a float range is laid onto integers.
 *
 * - `SYMMETRIC`: zero in the middle, the scale from the largest magnitude.
 * - `SYMMETRIC_NO_CLIPPING_ERR`: zero in the middle, the scale such that neither end is clipped.
 * - `ASYMMETRIC`: the range's ends on the integers' ends, zero exactly on one of the integers.
 */
export type MappingType = "SYMMETRIC" | "SYMMETRIC_NO_CLIPPING_ERR" | "ASYMMETRIC";

/** The {@linkcode MappingType}s by name, as `MappingType.ASYMMETRIC`. */
export const MappingType: {
  readonly SYMMETRIC: "SYMMETRIC";
  readonly SYMMETRIC_NO_CLIPPING_ERR: "SYMMETRIC_NO_CLIPPING_ERR";
  readonly ASYMMETRIC: "ASYMMETRIC";
} = Object.freeze({
  SYMMETRIC: "SYMMETRIC",
  SYMMETRIC_NO_CLIPPING_ERR: "SYMMETRIC_NO_CLIPPING_ERR",
  ASYMMETRIC: "ASYMMETRIC",
});

/**
 * What a zero point is.
 *
 * - `INT`: an integer of the quantized range: `x ≈ (q − zeroPoint)·scale`.
 * - `FLOAT`: the float that the middle of the quantized range stands for, as the tinygemm kernels have it:
 *   `x ≈ (q − mid)·scale + zeroPoint` with `mid = (quantMax + quantMin + 1) / 2`. Zero itself need not be
 *   one of the values.
 * - `NONE`: absent: `x ≈ q·scale`.
 */
export type ZeroPointDomain = "INT" | "FLOAT" | "NONE";

/** The {@linkcode ZeroPointDomain}s by name. */
export const ZeroPointDomain: {
  readonly INT: "INT";
  readonly FLOAT: "FLOAT";
  readonly NONE: "NONE";
} = Object.freeze({ INT: "INT", FLOAT: "FLOAT", NONE: "NONE" });

/** Throws a TypeError unless `value` is a {@linkcode MappingType}. */
export function checkMappingType(where: string, value: unknown): MappingType {
  const known = Object.values(MappingType);
  return checkChoice(where, "mappingType", value, known, "MappingType");
}

/** The domain that is meant, `INT` by default. Throws a TypeError if it is none. */
export function checkDomain(where: string, value: unknown): ZeroPointDomain {
  if (value === undefined) return "INT";
  const known = Object.values(ZeroPointDomain);
  return checkChoice(where, "zeroPointDomain", value, known, "ZeroPointDomain");
}
