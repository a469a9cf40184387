/**
 * Scales of rows in which some columns count more than others.
 *
 * @module
 */
import { roundHalfEven } from "../../numbers/rounding.ts";

/** The part of the integers that the greatest element takes at least, by how few of them there are. */
const LEAST_REACH = { few: 0.5, many: 0.8 };
/** How many scales are tried. */
const TRIES = 24;

/** What rounding a piece of a row with a scale costs. */
function cost(
  row: Float64Array,
  weights: ArrayLike<number>,
  [from, to]: readonly [number, number],
  scale: number,
  most: number,
): number {
  let sum = 0;
  for (let k = from; k < to; k++) {
    const q = roundHalfEven(row[k] / scale);
    const off = row[k] - scale * Math.min(Math.max(q, -most), most);
    sum += weights[k] * off * off;
  }
  return sum;
}

/**
 * For a piece of a row the scale, a float32, with which rounding to integers from `−most` to `most` has the least
 * weighted squared error, among some below that of the greatest element. A piece of zeros has the scale 1.
 *
 * @param weights how much the square of what each column is off by counts.
 */
export function weightedScale(
  row: Float64Array,
  weights: ArrayLike<number>,
  range: readonly [from: number, to: number],
  most: number,
): number {
  let greatest = 0;
  for (let k = range[0]; k < range[1]; k++) greatest = Math.max(greatest, Math.abs(row[k]));
  if (!(greatest > 0)) return 1;
  const widest = Math.max(Math.fround(greatest / most), 2 ** -60);
  let best = widest;
  let least = cost(row, weights, range, widest, most);
  const reach = most < 32 ? LEAST_REACH.few : LEAST_REACH.many;
  for (let i = 1; i <= TRIES; i++) {
    const scale = Math.fround(widest * (1 - (1 - reach) * i / TRIES));
    const error = cost(row, weights, range, scale, most);
    if (error < least) [best, least] = [scale, error];
  }
  return best;
}
