/**
 * What few inputs tell of how inputs go together.
 *
 * @module
 */

/**
 * A covariance to round rows of a weight by. What few inputs had in common by chance is no reason to make one weight up
 * for another: products of different columns count less, the fewer rows were seen (Ledoit and Wolf 2004). Columns that
 * nothing is multiplied with make up for nothing.
 */
export function trusted(
  matrix: Float64Array,
  rows: ArrayLike<number>,
  seen: number,
): Float64Array {
  const size = Math.sqrt(matrix.length);
  const used = new Uint8Array(size);
  for (let i = 0; i < rows.length; i++) if (rows[i] !== 0) used[i % size] = 1;
  const share = seen / (seen + size);
  return matrix.map((x, at) => {
    const [i, j] = [Math.floor(at / size), at % size];
    return used[i] && used[j] ? i === j ? x : share * x : 0;
  });
}
