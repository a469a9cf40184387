/**
 * The factor of a symmetric positive matrix.
 *
 * @module
 */

/** Rows that are taken out of all others together, so that these are read and written once for them. */
const SIDE_BY_SIDE = 4;

/**
 * The upper triangle `U` of a symmetric positive matrix `A = Uᵀ·U` (Cholesky), in place of the upper triangle of `a`;
 * what is below the diagonal is left as it is. Time grows with the cube of the size.
 *
 * @param a `size` × `size`, row by row; only its upper triangle is read.
 * @returns whether the matrix was positive; `a` is of no use if not.
 */
export function factorize(a: Float64Array, size: number): boolean {
  for (let first = 0; first < size; first += SIDE_BY_SIDE) {
    const last = Math.min(first + SIDE_BY_SIDE, size);
    for (let k = first; k < last; k++) {
      const pivot = a[k * size + k];
      if (!(pivot > 0) || pivot === Infinity) return false;
      const inverse = 1 / Math.sqrt(pivot);
      for (let j = k; j < size; j++) a[k * size + j] *= inverse;
      for (let i = k + 1; i < last; i++) takeOne(a, size, k, i);
    }
    for (let i = last; i < size; i++) takeFour(a, size, first, i);
  }
  return true;
}

/** Takes what a row has in common with another one out of that. */
function takeOne(a: Float64Array, size: number, k: number, i: number): void {
  const [row, to] = [k * size, i * size];
  const factor = a[row + i];
  for (let j = i; j < size; j++) a[to + j] -= factor * a[row + j];
}

/** The same for several rows, one after the other for each element; there are more behind them, so they are all there. */
function takeFour(a: Float64Array, size: number, first: number, i: number): void {
  const to = i * size;
  const p = first * size;
  const q = p + size;
  const r = q + size;
  const s = r + size;
  const [f, g, h, e] = [a[p + i], a[q + i], a[r + i], a[s + i]];
  for (let j = i; j < size; j++) {
    a[to + j] = a[to + j] - f * a[p + j] - g * a[q + j] - h * a[r + j] - e * a[s + j];
  }
}
