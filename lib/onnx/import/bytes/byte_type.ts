/**
 * Bytes that stand for floats, `x = (q − zeroPoint)·scale`, with the parameters of a file.
 *
 * @module
 */
import { type DType, int8, uint8 } from "../../../numbers/dtype.ts";
import { quote } from "../../../numbers/printable.ts";

/** How bytes of one scale are read. */
export interface ByteType {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly dtype: DType;
}

/** Throws unless a zero point is one of the integers of a type of 8 bits. */
export function checkByteType(what: string, { scale, zeroPoint, dtype }: ByteType): void {
  if (dtype !== int8 && dtype !== uint8) {
    throw new TypeError(`${what} is of ${dtype.name}, and only int8 and uint8 are computed here`);
  }
  if (!Number.isInteger(zeroPoint) || zeroPoint < dtype.min || zeroPoint > dtype.max) {
    throw new RangeError(
      `${what} has the zero point ${zeroPoint}, which is no ${dtype.name} (${dtype.min} to ${dtype.max})`,
    );
  }
  if (!(scale > 0) || scale === Infinity) {
    throw new RangeError(`${what} has the scale ${quote(String(scale))}; scales are above 0`);
  }
}

/** The parameters alone, as operations on bytes take them. */
export function parametersOf({ scale, zeroPoint }: ByteType): Omit<ByteType, "dtype"> {
  return { scale, zeroPoint };
}

/** The range of a type whose zero point is known or not, as the check of sums takes it. */
export function rangeOf({ min, max }: DType, zero: number | undefined) {
  const zeroPoints = zero === undefined ? undefined : [zero, zero] as const;
  return { quantMin: min, quantMax: max, zeroPoints };
}
