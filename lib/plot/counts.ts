/**
 * Values that were counted and not kept.
 *
 * @module
 */

/** How many values lie where: bins of one width, such as a histogram observer keeps. */
export interface PlotCounts {
  /** The least value. */
  readonly min: number;
  /** The greatest value. */
  readonly max: number;
  /** Width of a bin. */
  readonly width: number;
  /** Lower edge of the first bin. */
  readonly start: number;
  /** How many values each bin holds. */
  readonly counts: ArrayLike<number>;
}

/** Whether these are counts and not values. */
export function isCounts(values: object): values is PlotCounts {
  return "counts" in values;
}

/** The same values in at most so many bins: neighbours are added up, and those beyond the values left out. */
export function coarser({ min, max, width, start, counts }: PlotCounts, most: number): PlotCounts {
  const first = Math.max(Math.floor((min - start) / width), 0);
  const last = Math.min(Math.floor((max - start) / width), counts.length - 1);
  const each = Math.ceil((last - first + 1) / most);
  const sums = new Float64Array(Math.ceil((last - first + 1) / each));
  for (let bin = first; bin <= last; bin++) sums[Math.floor((bin - first) / each)] += counts[bin];
  return { min, max, width: width * each, start: start + first * width, counts: sums };
}
