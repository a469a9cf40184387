/**
 * What is found along a dimension, as dispatches.
 *
 * @module
 */
import { type DType, float32, int32 } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import type {
  CumSumArgs,
  DeviceBuffer,
  NormalizeArgs,
  Operand,
  ReduceArgs,
  ResampleArgs,
  Rows,
  SoftmaxArgs,
} from "../backend.ts";
import { constantBits } from "../expression.ts";
import { type DispatchTarget, elementwiseStep, gpu } from "./dispatch_target.ts";
import { castKernel } from "./kernels/cast.ts";
import { normalizeKernel } from "./kernels/normalize.ts";
import { type Found, reducedDtype, reduceKernel, reduceWorkgroups } from "./kernels/reduce.ts";
import {
  resampleFoursKernel,
  resampleFoursWorkgroups,
  resampleKernel,
} from "./kernels/resample.ts";
import { cumsumKernel, softmaxKernel } from "./kernels/softmax.ts";
import { type Team, teamOf } from "./kernels/team.ts";

/** Rows shorter than this are taken by an invocation each. */
const SHORT = 16;
/** Results that are enough to keep a device busy; fewer are found in chunks. */
const MANY = 64;
/** Elements of a chunk that a team takes. */
const CHUNK = 4096;
/** Columns are taken by an invocation each: chunks of them that keep a device busy, and their least size. */
const MANY_COLUMNS = 4096;
const SHORT_CHUNK = 128;
const WORKGROUP = 64;

const bitsOf = (value: number) => constantBits({ steps: [["neg", "f0"]], constants: [value] })[0];

/** Who takes a row; undefined if an invocation does. */
function teamFor({ n, inner }: Rows, { subgroupSize }: DispatchTarget): Team | undefined {
  return inner === 1 && n >= SHORT ? teamOf(subgroupSize) : undefined;
}

/** Has 32-bit numbers written into `y`, or into a buffer from which they are cast to its dtype. */
function inWords(
  target: DispatchTarget,
  y: DeviceBuffer,
  numel: number,
  [written, dtype]: readonly [DType, DType],
  write: (words: DeviceBuffer) => void,
): void {
  if (written === dtype) return write(y);
  const { pool } = target.sink;
  const words = pool.acquire(numel * written.itemSize, "wide");
  try {
    write(words);
    elementwiseStep(target, castKernel(written, dtype), [words], y, numel, dtype);
  } finally {
    pool.release(words);
  }
}

/** What a kernel looks for, for each kind of reduction. */
const FOUND: Readonly<Record<ReduceArgs["kind"], Found>> = {
  sum: "sum",
  mean: "sum",
  prod: "prod",
  amax: "max",
  amin: "min",
  argmax: "argmax",
  argmin: "argmin",
};

/** How many elements along `n` are taken together at first. */
function chunkOf({ outer, n, inner }: Rows): number {
  const results = outer * inner;
  if (inner === 1) return results < MANY && n > 2 * CHUNK ? CHUNK : n;
  const chunk = Math.max(SHORT_CHUNK, Math.ceil(n * results / MANY_COLUMNS));
  return n > 2 * chunk ? chunk : n;
}

/** See `Backend.reduce`; into `y`. */
export function reduce(
  x: Operand,
  args: ReduceArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const { kind, outer, n, inner, dtype } = args;
  const found = FOUND[kind];
  const results = outer * inner;
  const written = reducedDtype(x.dtype, found);
  const size = found.startsWith("arg") ? n : chunkOf(args);
  const chunks = Math.ceil(n / size) || 1;
  const { pool } = target.sink;
  const pass = (
    of: Rows & { x: DeviceBuffer; dtype: DType },
    chunks: number,
    into: DeviceBuffer,
  ) => {
    const team = teamFor({ ...of, n: Math.ceil(of.n / chunks) }, target);
    const divided = kind === "mean" && chunks === 1;
    const kernel = reduceKernel(of.dtype, found, divided, team);
    const count = of.outer * of.inner * chunks;
    const chunk = chunks > 1 ? size : of.n;
    const params = [count, of.n, of.inner, chunks, chunk, bitsOf(divided ? n : 1)];
    target.sink.dispatch(kernel, [of.x, into].map(gpu), params, reduceWorkgroups(count, team));
  };
  inWords(target, y, results, [written, dtype], (words) => {
    if (chunks === 1) return pass({ x: x.buffer, dtype: x.dtype, outer, n, inner }, 1, words);
    const partial = pool.acquire(results * chunks * written.itemSize, "partial");
    try {
      pass({ x: x.buffer, dtype: x.dtype, outer, n, inner }, chunks, partial);
      pass({ x: partial, dtype: written, outer, n: chunks, inner }, 1, words);
    } finally {
      pool.release(partial);
    }
  });
}

/** See `Backend.softmax`; into `y`. */
export function softmax(
  x: Operand,
  args: SoftmaxArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const { outer, n, inner, log } = args;
  const team = teamFor(args, target);
  const rows = outer * inner;
  inWords(target, y, rows * n, [float32, x.dtype], (words) => {
    const workgroups = team ? rows : Math.ceil(rows / WORKGROUP);
    const wide = team !== undefined && x.dtype === float32 && n % 4 === 0;
    const kernel = softmaxKernel(x.dtype, log, team, wide);
    const params = [rows, wide ? n / 4 : n, inner];
    target.sink.dispatch(kernel, [x.buffer, words].map(gpu), params, workgroups);
  });
}

/** See `Backend.cumsum`; into `y`. */
export function cumsum(
  x: Operand,
  args: CumSumArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const { outer, n, inner, exclusive, reverse, dtype } = args;
  const rows = outer * inner;
  const written = x.dtype.isFloat ? float32 : int32;
  inWords(target, y, rows * n, [written, dtype], (words) => {
    const kernel = cumsumKernel(x.dtype, exclusive, reverse);
    const workgroups = Math.ceil(rows / WORKGROUP);
    target.sink.dispatch(kernel, [x.buffer, words].map(gpu), [rows, n, inner], workgroups);
  });
}

/** See `Backend.normalize`; into `y`. */
export function normalize(
  x: Operand,
  args: NormalizeArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const { rows, n, groups, spread, center, weight, bias, eps } = args;
  const kernel = normalizeKernel({
    x: x.dtype,
    center,
    weight: weight?.dtype,
    bias: bias?.dtype,
    spread: spread > 1,
    team: teamOf(target.subgroupSize),
  });
  inWords(target, y, numelOf(x.shape), [float32, x.dtype], (words) => {
    const buffers = [x.buffer, weight?.buffer, bias?.buffer, words].filter((one) => !!one);
    const params = [rows, n, groups, n / spread, spread, bitsOf(eps)];
    target.sink.dispatch(kernel, buffers.map(gpu), params, n > 0 ? rows : 0);
  });
}

/** See `Backend.resample`; into `y`. */
export function resample(
  x: Operand,
  args: ResampleArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const { outer, n, inner, size, taps, index, weight, dtype } = args;
  if (x.dtype === float32 && dtype === float32 && inner % 4 === 0) {
    const vectors = outer * size * inner / 4;
    target.sink.dispatch(
      resampleFoursKernel(taps),
      [x.buffer, index, weight, y].map(gpu),
      [vectors, n, size, inner / 4],
      resampleFoursWorkgroups(vectors),
    );
    return;
  }
  const kernel = resampleKernel(x.dtype, dtype, taps);
  const buffers = [x.buffer, index, weight];
  elementwiseStep(target, kernel, buffers, y, outer * size * inner, dtype, [n, size, inner]);
}
