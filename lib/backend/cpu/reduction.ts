/**
 * What is found along a dimension, in double precision where numbers are floats.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { encode, type TypedArray } from "../../numbers/encoding.ts";
import { numelOf } from "../../numbers/shape.ts";
import type {
  CumSumArgs,
  NormalizeArgs,
  Operand,
  ReduceArgs,
  ReduceKind,
  ResampleArgs,
  Rows,
  SoftmaxArgs,
} from "../backend.ts";
import { bytesOf, floatsOf, valuesOf } from "./buffer.ts";

/** Calls `visit` with where each row begins, and its number. */
function eachRow({ outer, n, inner }: Rows, visit: (first: number, row: number) => void): void {
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) visit(o * n * inner + i, o * inner + i);
  }
}

/** The place in a row of the element that `better` prefers to all before it; a NaN comes first. */
function placeOf(row: ArrayLike<number>, better: (a: number, b: number) => boolean): number {
  let best = 0;
  for (let j = 0; j < row.length; j++) {
    if (Number.isNaN(row[j])) return j;
    if (better(row[j], row[best])) best = j;
  }
  return best;
}

const greater = (a: number, b: number) => a > b;
const less = (a: number, b: number) => a < b;
const total = (row: Float64Array) => row.reduce((sum, v) => sum + v, 0);

/** The product; of integers in int32 arithmetic. */
function product(row: Float64Array, { isFloat }: DType): number {
  return row.reduce(isFloat ? (all, v) => all * v : Math.imul, 1);
}

const KINDS: Readonly<Record<ReduceKind, (row: Float64Array, dtype: DType) => number>> = {
  sum: total,
  mean: (row) => total(row) / row.length,
  prod: product,
  amax: (row) => row[placeOf(row, greater)],
  amin: (row) => row[placeOf(row, less)],
  argmax: (row) => placeOf(row, greater),
  argmin: (row) => placeOf(row, less),
};

/** Numbers as bytes; integers wrapped around. */
function stored(values: Float64Array, dtype: DType): Uint8Array {
  return encode(dtype.isFloat ? values : Int32Array.from(values, (v) => v | 0), dtype);
}

/** See `Backend.reduce`. */
export function reduce(x: Operand, args: ReduceArgs): Uint8Array {
  const { kind, n, inner, outer, dtype } = args;
  const values = valuesOf(x);
  const y = new Float64Array(outer * inner);
  const row = new Float64Array(n);
  eachRow(args, (first, at) => {
    for (let j = 0; j < n; j++) row[j] = values[first + j * inner];
    y[at] = KINDS[kind](row, x.dtype);
  });
  return stored(y, dtype);
}

/** See `Backend.softmax`. */
export function softmax(x: Operand, args: SoftmaxArgs): Uint8Array {
  const { n, inner, log } = args;
  const values = valuesOf(x);
  const y = new Float64Array(values.length);
  eachRow(args, (first) => {
    let greatest = -Infinity;
    for (let j = 0; j < n; j++) greatest = Math.max(greatest, values[first + j * inner]);
    let sum = 0;
    for (let j = 0; j < n; j++) sum += Math.exp(values[first + j * inner] - greatest);
    for (let j = 0; j < n; j++) {
      const above = values[first + j * inner] - greatest;
      y[first + j * inner] = log ? above - Math.log(sum) : Math.exp(above) / sum;
    }
  });
  return encode(y, x.dtype);
}

/** See `Backend.cumsum`. */
export function cumsum(x: Operand, args: CumSumArgs): Uint8Array {
  const { n, inner, exclusive, reverse, dtype } = args;
  const values = valuesOf(x);
  const y = new Float64Array(values.length);
  eachRow(args, (first) => {
    let sum = 0;
    for (let j = 0; j < n; j++) {
      const at = first + (reverse ? n - 1 - j : j) * inner;
      y[at] = exclusive ? sum : sum + values[at];
      sum += values[at];
    }
  });
  return stored(y, dtype);
}

/** See `Backend.normalize`. */
export function normalize(x: Operand, args: NormalizeArgs): Uint8Array {
  const { rows, n, groups, spread, center, eps } = args;
  const values = valuesOf(x);
  const [weight, bias] = [args.weight, args.bias].map((factor) => factor && valuesOf(factor));
  const y = new Float64Array(numelOf(x.shape));
  for (let r = 0; r < rows; r++) {
    const row = Float64Array.from(values.subarray(r * n, (r + 1) * n) as TypedArray);
    const mean = center ? total(row) / n : 0;
    const scale = 1 / Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / n + eps);
    row.forEach((v, j) => {
      const w = (r % groups) * (n / spread) + Math.floor(j / spread);
      y[r * n + j] = (v - mean) * scale * (weight ? weight[w] : 1) + (bias ? bias[w] : 0);
    });
  }
  return encode(y, x.dtype);
}

/** See `Backend.resample`. */
export function resample(x: Operand, args: ResampleArgs): Uint8Array {
  const { outer, n, inner, size, taps, dtype } = args;
  const values = valuesOf(x);
  const index = new Int32Array(bytesOf(args.index).slice().buffer);
  const weight = floatsOf(args.weight);
  const y = new Float64Array(outer * size * inner);
  for (let o = 0, at = 0; o < outer; o++) {
    for (let j = 0; j < size; j++) {
      for (let i = 0; i < inner; i++, at++) {
        for (let t = j * taps; t < (j + 1) * taps; t++) {
          if (weight[t] !== 0) y[at] += weight[t] * values[(o * n + index[t]) * inner + i];
        }
      }
    }
  }
  return encode(y, dtype);
}
