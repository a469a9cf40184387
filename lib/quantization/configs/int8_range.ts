/**
 * The integers of int8 inputs and weights, and how inputs are laid onto them.
 *
 * @module
 */
import { int8 } from "../../numbers/dtype.ts";
import { checkMappingType, MappingType } from "../affine/mapping.ts";

/** Options that int8 configs share. */
export interface Int8RangeOptions {
  /** How inputs are laid onto integers, `SYMMETRIC` (by default) or `ASYMMETRIC`. */
  actMappingType?: MappingType;
  /**
   * Whether inputs and weights use the integers −64…63 alone, so that sums of two products fit 16 bits, which
   * processors without VNNI add up in; false by default. Here no sum overflows either way.
   */
  reduceRange?: boolean;
}

/** The least and the greatest of some integers. */
export interface Integers {
  readonly quantMin: number;
  readonly quantMax: number;
}

/** The integers that are used: all, or half of them. */
export function int8Integers(reduceRange: boolean): Integers {
  const { min, max } = int8;
  if (!reduceRange) return { quantMin: min, quantMax: max };
  return { quantMin: Math.floor(min / 2), quantMax: Math.floor(max / 2) };
}

/** The options, checked. Throws a TypeError if inputs have no such mapping. */
export function checkInt8Range(
  where: string,
  { actMappingType = MappingType.SYMMETRIC, reduceRange = false }: Int8RangeOptions,
): Required<Int8RangeOptions> {
  if (checkMappingType(where, actMappingType) === MappingType.SYMMETRIC_NO_CLIPPING_ERR) {
    throw new TypeError(`${where}: actMappingType must be SYMMETRIC or ASYMMETRIC`);
  }
  return { actMappingType, reduceRange: Boolean(reduceRange) };
}
