/**
 * How a float range is laid onto integers.
 *
 * @module
 */

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
 * What a zero point is: an integer of the quantized range (`INT`), or absent (`NONE`) where a
 * symmetric mapping has it at zero.
 */
export type ZeroPointDomain = "INT" | "NONE";

/** The {@linkcode ZeroPointDomain}s by name. */
export const ZeroPointDomain: { readonly INT: "INT"; readonly NONE: "NONE" } = Object.freeze({
  INT: "INT",
  NONE: "NONE",
});
