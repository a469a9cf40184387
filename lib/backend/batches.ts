/**
 * Operations on many matrices at once: which of each operand belong together.
 *
 * @module
 */

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
  const dims: BatchDim[] = [];
  let [strideA, strideB] = [1, 1];
  for (let d = rank - 1; d >= 0; d--) {
    const [sizeA, sizeB] = [sizeOf(a, d), sizeOf(b, d)];
    if (sizeA !== sizeB && sizeA !== 1 && sizeB !== 1) return undefined;
    const size = sizeA === 1 ? sizeB : sizeA;
    shape.unshift(size);
    if (size !== 1) {
      const dim = { size, a: sizeA === 1 ? 0 : strideA, b: sizeB === 1 ? 0 : strideB };
      const inner = dims[0];
      const joins = inner && dim.a === inner.a * inner.size && dim.b === inner.b * inner.size;
      if (joins) dims[0] = { ...inner, size: size * inner.size };
      else dims.unshift(dim);
    }
    strideA *= sizeA;
    strideB *= sizeB;
  }
  return { shape, dims };
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
