/**
 * The observer that loses the least information.
 *
 * @module
 */
import type { Histogram } from "../../backend/histogram_state.ts";
import {
  expectedError,
  HistogramObserverBase,
  occupied,
  type OccupiedBin,
  type RangeQuantizer,
  stepOf,
} from "./histogram_observer.ts";
import { OBSERVER_OPTIONS } from "./observer.ts";

/** Thresholds that are tried, each 2^(1/16) times the next: from all that was seen down to 1/256 of it. */
const THRESHOLDS = 129;
const THRESHOLDS_AN_OCTAVE = 16;

/** Among so many values one, the furthest from zero, may be a stray whose error does not count. */
const MANY = 10_000;

/** How much more squared error than the least a threshold may cost: half a decibel. */
const TOLERANCE = 10 ** 0.05;

/**
 * Chooses the threshold whose clipped and quantized distribution diverges least from the one observed, by
 * Kullback and Leibler: `Σ p·log(p / q)`, as TensorRT and onnxruntime calibrate. The threshold is the same
 * on either side of zero, but no further out than what was seen.
 *
 * Divergence alone is blind to how far a value is moved that is cut off, and takes a distribution that is
 * nearly all cut off for one that is kept. So what is cut off counts as lost, zeros (which ReLU makes many
 * of, and which any range keeps) do not count, and only thresholds are considered whose expected squared
 * error, but for that of one stray value among many, is at most half a decibel above the least.
 *
 * @example
 * ```ts
 * import { AffineQuantizedEntropyObserver, int8, MappingType, PerTensor, randn } from "@staticquant/staticquant";
 * const observer = new AffineQuantizedEntropyObserver(MappingType.SYMMETRIC, int8, {
 *   granularity: new PerTensor(),
 * });
 * observer.forward(randn([64, 64]));
 * console.log(await (await observer.minMax())[1].item());
 * ```
 */
export class AffineQuantizedEntropyObserver extends HistogramObserverBase {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AffineQuantizedEntropyObserver";

  /** The options that there are. */
  protected static override readonly optionNames: readonly string[] = OBSERVER_OPTIONS;

  /** The range with the least divergence. */
  protected override chooseClip(histogram: Histogram): [min: number, max: number] {
    const { min, max, start, width } = histogram;
    const bins = occupied(histogram);
    const zero = start + Math.floor(-start / width) * width;
    const counted = bins.filter(({ center }) => center < zero || center >= zero + width);
    const judged = withoutStray(counted);
    const reach = Math.max(-min, max);
    const candidates = Array.from({ length: THRESHOLDS }, (_, i) => {
      const threshold = reach * 2 ** (-i / THRESHOLDS_AN_OCTAVE);
      const clip: [number, number] = [
        Math.min(Math.max(-threshold, min), max),
        Math.max(Math.min(threshold, max), min),
      ];
      const quantizer = this.quantizerOf(...clip);
      return { clip, quantizer, error: expectedError(judged, quantizer) };
    });
    const least = Math.min(...candidates.map(({ error }) => error));
    let best: [number, number] = [min, max];
    let leastDivergence = Infinity;
    for (const { clip, quantizer, error } of candidates) {
      if (error > least * TOLERANCE) continue;
      const found = divergence(counted, quantizer, clip);
      if (found < leastDivergence) [leastDivergence, best] = [found, clip];
    }
    return best;
  }
}

/** The bins without the furthest from zero, if that holds a single one of {@linkcode MANY} values. */
function withoutStray(bins: readonly OccupiedBin[]): readonly OccupiedBin[] {
  if (bins.length < 2 || total(bins) < MANY) return bins;
  const [first, last] = [bins[0], bins[bins.length - 1]];
  const lastIsFurther = Math.abs(last.center) >= Math.abs(first.center);
  if ((lastIsFurther ? last : first).count > 1) return bins;
  return lastIsFurther ? bins.slice(0, -1) : bins.slice(1);
}

function total(bins: readonly OccupiedBin[]): number {
  return bins.reduce((sum, { count }) => sum + count, 0);
}

/**
 * `Σ p·log(p / q)` between the counts with what lies outside of the range moved to its ends, and the counts
 * inside it spread evenly over the bins of each step. What lies outside is missing from q.
 */
function divergence(
  bins: readonly OccupiedBin[],
  quantizer: RangeQuantizer,
  [low, high]: readonly [number, number],
): number {
  const inside = bins.filter(({ center }) => low <= center && center <= high);
  if (inside.length === 0) return Infinity;
  const all = total(bins);
  const p = inside.map(({ count }) => count);
  for (const { center, count } of bins) {
    if (center < low) p[0] += count;
    else if (center > high) p[p.length - 1] += count;
  }
  const steps = inside.map(({ center }) => stepOf(center, quantizer));
  let result = 0;
  for (let begin = 0, end; begin < inside.length; begin = end) {
    let held = 0;
    for (end = begin; end < inside.length && steps[end] === steps[begin]; end++) {
      held += inside[end].count;
    }
    const q = held / (end - begin);
    for (let i = begin; i < end; i++) result += p[i] / all * Math.log(p[i] / q);
  }
  return result;
}
