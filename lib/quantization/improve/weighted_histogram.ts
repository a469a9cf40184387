/**
 * A range by what the values in it count.
 *
 * @module
 */

/** Bins on each side of 0. */
const BINS = 4096;
/** What is tried of each end, as shares of the greatest value. */
const SHARES = Array.from({ length: 36 }, (_, i) => 0.3 + i / 50);
/** Steps of a byte. */
const STEPS = 255;

/** How much the values near each number count; its bins become twice as wide when a value lies beyond them. */
export class WeightedHistogram {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "WeightedHistogram";

  /** What counts in each bin, the first that of the least numbers; 0 is in the middle. */
  readonly counts = new Float64Array(2 * BINS);
  /** The width of a bin. */
  width = 2 ** -30;
  /** The least value, and the greatest; 0 is one. */
  min = 0;
  max = 0;

  /** Takes note of values that count so much each. */
  add(values: Float32Array, weight: number): void {
    for (const x of values) {
      if (x < this.min) this.min = x;
      if (x > this.max) this.max = x;
      while (Math.abs(x) >= this.width * BINS) this.widen();
      this.counts[BINS + Math.floor(x / this.width)] += weight;
    }
  }

  private widen(): void {
    const { counts } = this;
    const half = new Float64Array(2 * BINS);
    for (let i = 0; i < 2 * BINS; i++) half[BINS + Math.floor((i - BINS) / 2)] += counts[i];
    counts.set(half);
    this.width *= 2;
  }
}

/** What rounding to bytes in a range costs: the squares of what values are off by, as they count. */
function costOf({ counts, width }: WeightedHistogram, min: number, max: number): number {
  const step = (max - min) / STEPS;
  // Within, what is rounded is off by anything up to half a step.
  const rounding = step ** 2 / 12;
  let cost = 0;
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] === 0) continue;
    const x = (i - BINS + 0.5) * width;
    const beyond = x > max ? x - max : x < min ? min - x : 0;
    cost += counts[i] * (beyond > 0 ? beyond ** 2 + width ** 2 / 12 : rounding);
  }
  return cost;
}

/** The range in which rounding to bytes costs least, among some within the whole one. */
export function fitRange(
  histogram: WeightedHistogram,
  symmetric: boolean,
): { min: number; max: number } {
  const { min, max } = histogram;
  let best = { min, max, cost: Infinity };
  const most = Math.max(max, -min);
  for (const high of SHARES) {
    for (const low of symmetric || min === 0 || max === 0 ? [high] : SHARES) {
      const ends = symmetric
        ? { min: -most * high, max: most * high }
        : { min: min * low, max: max * high };
      const cost = costOf(histogram, ends.min, ends.max);
      if (cost < best.cost) best = { ...ends, cost };
    }
  }
  return { min: best.min, max: best.max };
}
