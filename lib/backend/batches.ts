/**
 * Operations on many matrices at once: which of each operand belong together.
 *
 * @module
 */
import { broadcastWalk } from "./strides.ts";

/** A dimension along which matrices are counted. */
export interface BatchDim {
  readonly size: number;
  /** Matrices of `a` that a step along it moves: 0 where `a` stands still. */
  readonly a: number;
  /** The same of `b`. */
  readonly b: number;
}

/**
 * The leading dimensions of two operands, broadcast as PyTorch does, in as few as say the same; none
 * if there is only one matrix of each.
 *
 * @returns undefined if they do not fit.
 */
export function batchDims(
  a: readonly number[],
  b: readonly number[],
): { shape: number[]; dims: BatchDim[] } | undefined {
  const rank = Math.max(a.length, b.length);
  const sizeOf = (shape: readonly number[], d: number) => shape[d - rank + shape.length] ?? 1;
  const shape: number[] = [];
  for (let d = 0; d < rank; d++) {
    const [sizeA, sizeB] = [sizeOf(a, d), sizeOf(b, d)];
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1) return undefined;
    shape.push(sizeA === 1 ? sizeB : sizeA);
  }
  const { sizes, strides: [ofA, ofB] } = broadcastWalk([a, b], shape);
  const dims = sizes.map((size, d): BatchDim => ({ size, a: ofA[d], b: ofB[d] }));
  return { shape, dims: dims.filter(({ size }) => size !== 1) };
}

/** The matrix of `a` and that of `b` that product number `i` multiplies. */
export function matricesOf(i: number, dims: readonly BatchDim[]): { a: number; b: number } {
  let rest = i;
  let [a, b] = [0, 0];
  for (const dim of dims.toReversed()) {
    const at = rest % dim.size;
    rest = Math.floor(rest / dim.size);
    a += at * dim.a;
    b += at * dim.b;
  }
  return { a, b };
}
