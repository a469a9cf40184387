/**
 * The matrix that makes up for what its inputs are off by.
 *
 * @module
 */
import { factorize } from "./cholesky.ts";

/**
 * The matrix `V` for which `V·x̂` is nearest to `W·x`, where `x` is what a float layer reads and `x̂` what it reads in a
 * quantized model: least squares, `V·(Ĉ + d) = W·(X + d)`, with a little `d` that keeps it near to `W` where inputs say
 * nothing.
 *
 * @param weight `W`, `rows` × columns, row by row.
 * @param covariance `Ĉ`, columns × columns: the sums, or means, of `x̂[i]·x̂[j]`.
 * @param cross `X`, columns × columns: those of `x[i]·x̂[j]`.
 * @param damping `d`, as a share of the mean of the covariance's diagonal.
 * @returns nothing if the numbers are not finite.
 */
export function refitted(
  weight: ArrayLike<number>,
  covariance: ArrayLike<number>,
  cross: ArrayLike<number>,
  rows: number,
  damping: number,
): Float64Array | undefined {
  const columns = weight.length / rows;
  const factor = Float64Array.from(covariance);
  let trace = 0;
  for (let k = 0; k < columns; k++) trace += factor[k * columns + k];
  const more = Math.max(damping, 1e-9) * (trace / columns) || 1;
  for (let k = 0; k < columns; k++) factor[k * columns + k] += more;
  if (!factorize(factor, columns)) return undefined;
  const result = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    const row = result.subarray(r * columns, (r + 1) * columns);
    for (let i = 0; i < columns; i++) {
      const w = weight[r * columns + i];
      if (w === 0) continue;
      row[i] += more * w;
      for (let j = 0; j < columns; j++) row[j] += w * cross[i * columns + j];
    }
    solve(factor, row);
  }
  return result;
}

/** Solves `Uᵀ·U·x = b` in place of `b`. */
function solve(factor: Float64Array, b: Float64Array): void {
  const size = b.length;
  for (let i = 0; i < size; i++) {
    b[i] /= factor[i * size + i];
    const x = b[i];
    for (let j = i + 1; j < size; j++) b[j] -= x * factor[i * size + j];
  }
  for (let i = size - 1; i >= 0; i--) {
    let x = b[i];
    for (let j = i + 1; j < size; j++) x -= factor[i * size + j] * b[j];
    b[i] = x / factor[i * size + i];
  }
}
