/**
 * What the answers should be, worked out another way than the library does: rounding by scaling to
 * integers, quantization element by element, integer products in plain numbers.
 */
import { assert } from "@std/assert";
import type { DType } from "../mod.ts";

const f64 = new Float64Array(1);
const f64Bits = new BigUint64Array(f64.buffer);

/** `x` as an integer, ties to even, by the rounding of float64 addition. */
export function rint(x: number): number {
  if (!(Math.abs(x) < 2 ** 51)) return x;
  const anchor = 1.5 * 2 ** 52;
  return (x + anchor) - anchor || x * 0; // zeros keep the sign
}

/** Mantissa bits after the leading one, and the exponent of the smallest normal number. */
const formats: Record<string, readonly [mantissa: number, minExponent: number]> = {
  float32: [23, -126],
  float16: [10, -14],
  bfloat16: [7, -126],
};

/** The distance between neighbours of `dtype` at `x`. */
export function ulp(dtype: DType, x: number): number {
  const [mantissa, minExponent] = formats[dtype.name];
  f64[0] = x;
  const exponent = Number((f64Bits[0] >> 52n) & 0x7ffn) - 1023;
  return 2 ** (Math.max(exponent, minExponent) - mantissa);
}

/** The number of `dtype` nearest to `x`, ties to even; out of range an infinity. */
export function nearest(dtype: DType, x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const step = ulp(dtype, x);
  const result = rint(x / step) * step;
  return Math.abs(result) > dtype.max ? Math.sign(x) * Infinity : result;
}

/** `nearest` through float32, as the 16-bit dtypes are rounded. */
export function rounded(dtype: DType, x: number): number {
  return nearest(dtype, Math.fround(x));
}

/** The wider of two float dtypes; the third where neither holds the other. */
export function wider(a: DType, b: DType, neither: DType): DType {
  return a === b ? a : a.itemSize > b.itemSize ? a : b.itemSize > a.itemSize ? b : neither;
}

/** How a number is quantized, by the formula in the documentation. */
export interface QuantizeSpec {
  readonly scale: number;
  readonly scaleDtype: DType;
  readonly zeroPoint: number;
  readonly productDtype: DType;
  readonly quantMin: number;
  readonly quantMax: number;
}

/** `clamp(round(x · (1 / scale)) + zeroPoint, quantMin, quantMax)`. */
export function quantizeOne(x: number, spec: QuantizeSpec): number {
  const inverse = rounded(spec.scaleDtype, 1 / spec.scale);
  const q = rint(rounded(spec.productDtype, x * inverse)) + spec.zeroPoint;
  return Math.min(Math.max(q, spec.quantMin), spec.quantMax);
}

/** `Σ (x − zx)(w − zw)` for row `m` of x and row `n` of w, both k long; exact. */
export function integerDot(
  x: ArrayLike<number>,
  zx: number,
  m: number,
  w: ArrayLike<number>,
  zw: number,
  n: number,
  k: number,
): number {
  let sum = 0;
  for (let i = 0; i < k; i++) sum += (x[m * k + i] - zx) * (w[n * k + i] - zw);
  assert(Number.isSafeInteger(sum));
  return sum;
}

/** The block that an element lies in, from its indices; the last dimension runs fastest. */
export function blockOfIndices(
  element: number,
  shape: readonly number[],
  blockSize: readonly number[],
): number {
  let rest = element;
  const indices = shape.map(() => 0);
  for (let d = shape.length - 1; d >= 0; d--) {
    indices[d] = rest % shape[d];
    rest = Math.floor(rest / shape[d]);
  }
  let block = 0;
  shape.forEach((size, d) => {
    block = block * (size / blockSize[d]) + Math.floor(indices[d] / blockSize[d]);
  });
  return block;
}

/** Numbers from a small generator of the tests' own, uniform on [low, high). */
export function uniform(seed: number, length: number, low = -1, high = 1): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + (high - low) * (state / 2 ** 32);
  });
}

/** Runs `fn` and gives what it resolved to and what it printed with `console.warn`. */
export async function withWarnings<T>(
  fn: () => T | Promise<T>,
): Promise<{ result: T; warnings: string[] }> {
  const original = console.warn;
  const warnings: string[] = [];
  console.warn = (...words: unknown[]) => void warnings.push(words.map(String).join(" "));
  try {
    return { result: await fn(), warnings };
  } finally {
    console.warn = original;
  }
}
