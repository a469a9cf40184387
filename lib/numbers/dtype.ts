/**
 * Element types, as values: `float32`, `bfloat16`, `uint8`, … Integer types narrower than a byte are
 * stored one element a byte; what makes them narrow is their range.
 *
 * @module
 */

/** The names that a {@linkcode DType} can have. */
export type DTypeName =
  | "float32"
  | "float16"
  | "bfloat16"
  | "float8_e4m3fn"
  | "float8_e5m2"
  | "int32"
  | "int16"
  | "int8"
  | "uint8"
  | "bool"
  | `int${1 | 2 | 3 | 4 | 5 | 6 | 7}`
  | `uint${1 | 2 | 3 | 4 | 5 | 6 | 7}`;

/**
 * An element type. There is one frozen object a type, so `===` compares them.
 *
 * @example
 * ```ts
 * import { uint8 } from "@staticquant/staticquant";
 * console.log(uint8.name, uint8.min, uint8.max, uint8.itemSize); // uint8 0 255 1
 * ```
 */
export interface DType {
  /** The type's name, as PyTorch spells it. */
  readonly name: DTypeName;
  /** Whether values are floating point. */
  readonly isFloat: boolean;
  /** Bytes that one element takes in memory. */
  readonly itemSize: 1 | 2 | 4;
  /** The smallest finite value. */
  readonly min: number;
  /** The largest finite value. */
  readonly max: number;
}

function float(name: DTypeName, itemSize: 1 | 2 | 4, max: number): DType {
  return Object.freeze({ name, isFloat: true, itemSize, min: -max, max, toString: () => name });
}

function integer(name: DTypeName, itemSize: 1 | 2 | 4, min: number, max: number): DType {
  return Object.freeze({ name, isFloat: false, itemSize, min, max, toString: () => name });
}

function signed(bits: number): DType {
  return integer(`int${bits}` as DTypeName, 1, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1);
}

function unsigned(bits: number): DType {
  return integer(`uint${bits}` as DTypeName, 1, 0, 2 ** bits - 1);
}

/** IEEE 754 single precision. */
export const float32: DType = float("float32", 4, 3.4028234663852886e38);
/** IEEE 754 half precision. */
export const float16: DType = float("float16", 2, 65504);
/** The upper half of a float32: eight exponent bits, seven mantissa bits. */
export const bfloat16: DType = float("bfloat16", 2, 3.3895313892515355e38);
/** 8-bit float with four exponent and three mantissa bits, and no infinity; ±448 at most. */
export const float8_e4m3fn: DType = float("float8_e4m3fn", 1, 448);
/** 8-bit float with five exponent and two mantissa bits; ±57344 at most. */
export const float8_e5m2: DType = float("float8_e5m2", 1, 57344);
/** 32-bit signed integer. */
export const int32: DType = integer("int32", 4, -(2 ** 31), 2 ** 31 - 1);
/** 16-bit signed integer. */
export const int16: DType = integer("int16", 2, -(2 ** 15), 2 ** 15 - 1);
/** 8-bit signed integer. */
export const int8: DType = signed(8);
/** 8-bit unsigned integer. */
export const uint8: DType = unsigned(8);
/** Truth values, 0 and 1, a byte each; what comparisons give. */
export const bool: DType = integer("bool", 1, 0, 1);
/** 1-bit signed integer (−1, 0), a byte each. */
export const int1: DType = signed(1);
/** 2-bit signed integer, a byte each. */
export const int2: DType = signed(2);
/** 3-bit signed integer, a byte each. */
export const int3: DType = signed(3);
/** 4-bit signed integer, a byte each. */
export const int4: DType = signed(4);
/** 5-bit signed integer, a byte each. */
export const int5: DType = signed(5);
/** 6-bit signed integer, a byte each. */
export const int6: DType = signed(6);
/** 7-bit signed integer, a byte each. */
export const int7: DType = signed(7);
/** 1-bit unsigned integer, a byte each. */
export const uint1: DType = unsigned(1);
/** 2-bit unsigned integer, a byte each. */
export const uint2: DType = unsigned(2);
/** 3-bit unsigned integer, a byte each. */
export const uint3: DType = unsigned(3);
/** 4-bit unsigned integer, a byte each. */
export const uint4: DType = unsigned(4);
/** 5-bit unsigned integer, a byte each. */
export const uint5: DType = unsigned(5);
/** 6-bit unsigned integer, a byte each. */
export const uint6: DType = unsigned(6);
/** 7-bit unsigned integer, a byte each. */
export const uint7: DType = unsigned(7);

/** Every type by its name. */
export const dtypes: Readonly<Record<DTypeName, DType>> = Object.freeze({
  float32,
  float16,
  bfloat16,
  float8_e4m3fn,
  float8_e5m2,
  int32,
  int16,
  int8,
  uint8,
  int1,
  int2,
  int3,
  int4,
  int5,
  int6,
  int7,
  uint1,
  uint2,
  uint3,
  uint4,
  uint5,
  uint6,
  uint7,
  bool,
});

/**
 * The type that an operation on `a` and `b` works in, by PyTorch's promotion: of two float types the
 * wider one, and float32 for float16 with bfloat16; an integer type does not promote a float one. Of
 * two integer types the one that holds both, or the narrowest wider one that does; bool promotes
 * nothing.
 *
 * @example
 * ```ts
 * import { bfloat16, float32, promoteTypes } from "@staticquant/staticquant";
 * console.log(promoteTypes(bfloat16, float32) === float32); // true
 * ```
 */
export function promoteTypes(a: DType, b: DType): DType {
  if (a === b || (a.isFloat && !b.isFloat)) return a;
  if (b.isFloat && !a.isFloat) return b;
  if (a.isFloat) return float32;
  const holds = (c: DType) => c.min <= Math.min(a.min, b.min) && c.max >= Math.max(a.max, b.max);
  if (a === bool || b === bool) return a === bool ? b : a;
  return [a, b, int8, int16].find(holds) ?? int32;
}

/** Mantissa bits and the exponent of the smallest normal number, of each float type. */
const FLOAT_BITS: Partial<Record<DTypeName, [mantissa: number, exponent: number]>> = {
  float32: [23, -126],
  float16: [10, -14],
  bfloat16: [7, -126],
  float8_e4m3fn: [3, -6],
  float8_e5m2: [2, -14],
};

/** What {@linkcode finfo} tells of a float type. */
export interface FloatInfo {
  /** The distance from 1 to the next larger value. */
  readonly eps: number;
  /** The smallest positive normal value. */
  readonly tiny: number;
  /** The smallest finite value. */
  readonly min: number;
  /** The largest finite value. */
  readonly max: number;
  /** Bits an element takes. */
  readonly bits: number;
}

/**
 * The numeric limits of a float type, as `torch.finfo`.
 *
 * @param dtype a float type.
 * @throws {TypeError} if `dtype` is an integer type.
 *
 * @example
 * ```ts
 * import { finfo, float32 } from "@staticquant/staticquant";
 * console.log(finfo(float32).eps); // 1.1920928955078125e-7
 * ```
 */
export function finfo(dtype: DType): FloatInfo {
  if (!dtype.isFloat) {
    throw new TypeError(`finfo: ${dtype.name} is not a float type; use iinfo for integer types`);
  }
  const [mantissa, exponent] = FLOAT_BITS[dtype.name]!;
  return {
    eps: 2 ** -mantissa,
    tiny: 2 ** exponent,
    min: dtype.min,
    max: dtype.max,
    bits: dtype.itemSize * 8,
  };
}

/**
 * The range of an integer type, as `torch.iinfo`.
 *
 * @param dtype an integer type.
 * @throws {TypeError} if `dtype` is a float type.
 *
 * @example
 * ```ts
 * import { iinfo, int8 } from "@staticquant/staticquant";
 * console.log(iinfo(int8)); // { min: -128, max: 127 }
 * ```
 */
export function iinfo(dtype: DType): { min: number; max: number } {
  if (dtype.isFloat) {
    throw new TypeError(`iinfo: ${dtype.name} is not an integer type; use finfo for float types`);
  }
  return { min: dtype.min, max: dtype.max };
}
