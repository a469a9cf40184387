/**
 * How sure a number is that was computed of samples.
 *
 * @module
 */

/** A number, and its standard error. */
export interface Estimate {
  readonly value: number;
  /** Infinite where one sample cannot tell. */
  readonly error: number;
}

/**
 * A statistic of samples with its standard error, found by leaving out each of them in turn (Quenouille and Tukey's
 * jackknife): `√((n − 1)/n · Σ (sᵢ − mean s)²)`.
 *
 * @param count how many samples there are, at least one.
 * @param statistic what is computed of all samples but one; of all where that is undefined.
 */
export function jackknife(
  count: number,
  statistic: (without: number | undefined) => number,
): Estimate {
  const value = statistic(undefined);
  if (count < 2) return { value, error: Infinity };
  const each = Array.from({ length: count }, (_, i) => statistic(i));
  const mean = each.reduce((sum, x) => sum + x, 0) / count;
  const squares = each.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { value, error: Math.sqrt((count - 1) / count * squares) };
}
