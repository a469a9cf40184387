/**
 * Rounding as IEEE 754 and PyTorch do it: to nearest, ties to even, in the dtype asked for.
 *
 * @module
 */
import { type DType, finfo } from "./dtype.ts";
import { roundToFloat16 } from "./float16.ts";

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
 * The bits of the 8-bit float nearest to `x`, ties to even, as PyTorch casts: what rounds beyond the
 * largest number becomes infinity in float8_e5m2 and the largest number in float8_e4m3fn, which has
 * no infinity; a NaN stays one.
 */
export function float8Bits(x: number, dtype: DType): number {
  const { eps, tiny, max } = finfo(dtype);
  const sign = x < 0 || Object.is(x, -0) ? 0x80 : 0;
  if (Number.isNaN(x)) return sign | 0x7f;
  // The step beyond the largest number is infinity where the dtype has one.
  const beyond = dtype.name === "float8_e5m2" ? 2 ** 16 : max;
  const magnitude = Math.min(Math.abs(x), beyond);
  f32[0] = Math.max(magnitude, tiny);
  const exponent = (u32[0] >>> 23) - 127; // of the leading bit, or the least that there is
  const steps = roundHalfEven(magnitude / (2 ** exponent * eps));
  // A carry out of the mantissa runs into the exponent, as it should.
  const field = exponent - Math.log2(tiny);
  return sign | (field / eps + steps);
}

/** The value of an 8-bit float given by its bits. */
export function float8Value(bits: number, dtype: DType): number {
  const { eps, tiny, max } = finfo(dtype);
  const sign = bits & 0x80 ? -1 : 1;
  const field = Math.floor((bits & 0x7f) * eps);
  const mantissa = (bits & 0x7f) - field / eps;
  const value = field === 0
    ? mantissa * eps * tiny
    : (1 + mantissa * eps) * tiny * 2 ** (field - 1);
  if (value <= max) return sign * value;
  return dtype.name === "float8_e5m2" && mantissa === 0 ? sign * Infinity : NaN;
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
      return roundToFloat16(Math.fround(x));
    case "bfloat16":
      return bfloat16Value(bfloat16Bits(x));
    case "float8_e4m3fn":
    case "float8_e5m2":
      return float8Value(float8Bits(Math.fround(x), dtype), dtype);
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
