/**
 * The factor of a symmetric positive matrix.
 *
 * @module
 */

/**
 * The upper triangle `U` of a symmetric positive matrix `A = Uᵀ·U` (Cholesky), in place of the upper triangle of `a`;
 * what is below the diagonal is left as it is. Time grows with the cube of the size.
 *
 * @param a `size` × `size`, row by row; only its upper triangle is read.
 * @returns whether the matrix was positive; `a` is of no use if not.
 */
export function factorize(a: Float64Array, size: number): boolean {
  for (let k = 0; k < size; k++) {
    const pivot = a[k * size + k];
    if (!(pivot > 0) || pivot === Infinity) return false;
    const inverse = 1 / Math.sqrt(pivot);
    for (let j = k; j < size; j++) a[k * size + j] *= inverse;
    const row = a.subarray(k * size, (k + 1) * size);
    for (let i = k + 1; i < size; i++) {
      const factor = row[i];
      if (factor === 0) continue;
      const to = a.subarray(i * size, (i + 1) * size);
      for (let j = i; j < size; j++) to[j] -= factor * row[j];
    }
  }
  return true;
}
