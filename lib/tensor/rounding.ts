/**
 * Rounding as IEEE 754 and PyTorch do it: to nearest, ties to even, in the dtype asked for.
 *
 * @module
 */
import type { DType } from "./dtype.ts";

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** The bits of the bfloat16 nearest to the float32 nearest to `x`. */
export function bfloat16Bits(x: number): number {
  f32[0] = x;
  const bits = u32[0];
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // stays a NaN
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The value of a bfloat16 given by its bits. */
export function bfloat16Value(bits: number): number {
  u32[0] = bits << 16;
  return f32[0];
}

/**
 * `x` rounded to a value of `dtype`. The 16-bit types are rounded to float32 first, since that is
 * what PyTorch computes in. Integer types are returned unrounded.
 */
export function roundTo(dtype: DType, x: number): number {
  switch (dtype.name) {
    case "float32":
      return Math.fround(x);
    case "float16":
      return Math.f16round(Math.fround(x));
    case "bfloat16":
      return bfloat16Value(bfloat16Bits(x));
    default:
      return x;
  }
}

/** `x` rounded to an integer, ties to even. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const diff = x - floor;
  if (diff < 0.5) return floor;
  if (diff > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
