/**
 * Between numbers and the bytes that a backend stores, for every dtype.
 *
 * @module
 */
import type { DType } from "./dtype.ts";
import { floatsOfHalves, halvesOfFloats } from "./float16.ts";
import { bfloat16Bits, float8Bits, float8Value } from "./rounding.ts";

/** Numbers as they are handed to the user: floats as float32 (which holds every narrower one). */
export type TypedArray = Float32Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** What a tensor can be made from. */
export type NumberArray = ArrayLike<number>;

/** An array of `length` zeros of the kind that {@linkcode decode} gives for `dtype`. */
export function emptyArray(dtype: DType, length: number): TypedArray {
  if (dtype.isFloat) return new Float32Array(length);
  if (dtype.itemSize === 4) return new Int32Array(length);
  if (dtype.itemSize === 2) return new Int16Array(length);
  return dtype.min < 0 ? new Int8Array(length) : new Uint8Array(length);
}

/** The numbers in `bytes`; a copy. */
export function decode(bytes: Uint8Array, dtype: DType): TypedArray {
  const aligned = new Uint8Array(bytes).buffer; // a copy, whatever class it is of
  switch (dtype.name) {
    case "float32":
      return new Float32Array(aligned);
    case "float16":
      return floatsOfHalves(aligned);
    case "bfloat16":
      return new Float32Array(new Uint32Array(new Uint16Array(aligned)).map((b) => b << 16).buffer);
    case "float8_e4m3fn":
    case "float8_e5m2":
      return Float32Array.from(new Uint8Array(aligned), (bits) => float8Value(bits, dtype));
    case "int32":
      return new Int32Array(aligned);
    case "int16":
      return new Int16Array(aligned);
    default:
      return dtype.min < 0 ? new Int8Array(aligned) : new Uint8Array(aligned);
  }
}

/**
 * The bytes that hold `values` in `dtype`; floats are rounded to nearest, ties to even. An array that
 * is laid out so already is viewed, not copied.
 */
export function encode(values: NumberArray, dtype: DType): Uint8Array {
  const array = isLaidOut(values, dtype) ? values : encodeArray(values, dtype);
  return new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}

/** Whether `values` is the typed array whose bytes are those of `dtype`. */
function isLaidOut(values: NumberArray, dtype: DType): values is TypedArray {
  return (!dtype.isFloat || dtype.itemSize === 4) &&
    values.constructor === emptyArray(dtype, 0).constructor;
}

function encodeArray(values: NumberArray, dtype: DType): ArrayBufferView {
  switch (dtype.name) {
    case "float32":
      return Float32Array.from(values);
    case "float16":
      // Through float32, as PyTorch rounds.
      return halvesOfFloats(values instanceof Float32Array ? values : Float32Array.from(values));
    case "bfloat16":
      return Uint16Array.from(values, bfloat16Bits);
    case "float8_e4m3fn":
    case "float8_e5m2":
      return Uint8Array.from(values, (x) => float8Bits(Math.fround(x), dtype));
    case "int32":
      return Int32Array.from(values);
    case "int16":
      return Int16Array.from(values);
    default:
      return dtype.min < 0 ? Int8Array.from(values) : Uint8Array.from(values);
  }
}
