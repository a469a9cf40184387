/**
 * IEEE half precision, also where the language has no arrays of halves yet, as in Node 22.
 *
 * @module
 */

/** The language's arrays of halves, if it has them. */
export const HALF_ARRAY: Float16ArrayConstructor | undefined =
  (globalThis as { Float16Array?: Float16ArrayConstructor }).Float16Array;

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** The bits of the float16 nearest to a float32, ties to even. */
export function float16Bits(x: number): number {
  f32[0] = x;
  const bits = u32[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds beyond the largest
  if (magnitude < 0x38800000) {
    // A multiple of 2⁻²⁴; adding a half brings the rounding to where the float32 ends.
    f32[0] = magnitude === 0 ? 0 : Math.abs(x);
    f32[0] += 0.5;
    return sign | (u32[0] - 0x3f000000);
  }
  // The exponent's bias changes by 112; a carry out of the mantissa runs into the exponent, as it should.
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** The value of a float16 given by its bits. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const mantissa = bits & 0x3ff;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return exponent === 0
    ? sign * mantissa * 2 ** -24
    : sign * (1024 + mantissa) * 2 ** (exponent - 25);
}

/** The float16 nearest to a float32. */
export function roundToFloat16(x: number): number {
  return HALF_ARRAY ? Math.f16round(x) : float16Value(float16Bits(x));
}

/** The values of halves that fill a buffer. */
export function floatsOfHalves(halves: ArrayBuffer): Float32Array<ArrayBuffer> {
  return HALF_ARRAY
    ? new Float32Array(new HALF_ARRAY(halves))
    : Float32Array.from(new Uint16Array(halves), float16Value);
}

/** The bits of the halves that are nearest to floats. */
export function halvesOfFloats(floats: Float32Array): Uint16Array<ArrayBuffer> {
  return HALF_ARRAY
    ? new Uint16Array(new HALF_ARRAY(floats).buffer as ArrayBuffer)
    : Uint16Array.from(floats, float16Bits);
}
