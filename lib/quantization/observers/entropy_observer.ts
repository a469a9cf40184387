/**
 * The observer that loses the least information.
 *
 * @module
 */
import type { Histogram } from "../../backend/histogram_state.ts";
import { HistogramObserverBase } from "./histogram_observer.ts";

/** The bins on either side of zero among which thresholds are tried. */
const HALF_BINS = 1024;
/** Levels that the candidates are reduced to, on either side of zero. */
const HALF_LEVELS = 64;

/**
 * Chooses the threshold whose clipped and quantized distribution diverges least from the one
 * observed, by Kullback and Leibler: `Σ p·log(p / q)`, as TensorRT and onnxruntime calibrate. The
 * threshold is the same on either side of zero, but no further out than what was seen.
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
  /** The range with the least divergence. */
  protected override chooseClip(histogram: Histogram): [min: number, max: number] {
    const { min, max } = histogram;
    const { counts, width } = symmetric(histogram);
    let best = HALF_BINS;
    let least = Infinity;
    for (let half = HALF_LEVELS; half <= HALF_BINS; half++) {
      const divergence = divergenceOf(counts, half);
      if (divergence < least) [least, best] = [divergence, half];
    }
    const threshold = best * width;
    return [Math.max(-threshold, min), Math.min(threshold, max)];
  }
}

/** The counts in 2 × {@linkcode HALF_BINS} bins around zero, out to the greatest magnitude. */
function symmetric(
  { counts, start, width, min, max }: Histogram,
): { counts: Float64Array; width: number } {
  const first = Math.round(start / width);
  const reach = Math.max(Math.ceil(Math.max(-min, max) / width), 1);
  const wider = Math.ceil(reach / HALF_BINS);
  const bins = new Float64Array(2 * HALF_BINS);
  counts.forEach((count, i) => {
    if (!count) return;
    const bin = Math.floor((first + i) / wider) + HALF_BINS;
    bins[Math.min(Math.max(bin, 0), bins.length - 1)] += count;
  });
  return { counts: bins, width: width * wider };
}

/** The divergence of the counts within `half` bins of zero, at 2·{@linkcode HALF_LEVELS} levels. */
function divergenceOf(counts: Float64Array, half: number): number {
  const from = HALF_BINS - half;
  const inside = counts.subarray(from, HALF_BINS + half);
  const p = inside.slice();
  for (let i = 0; i < from; i++) {
    p[0] += counts[i];
    p[p.length - 1] += counts[counts.length - 1 - i];
  }
  // Each level spreads what it holds over those of its bins that p uses.
  const q = new Float64Array(p.length);
  const levels = 2 * HALF_LEVELS;
  for (let level = 0; level < levels; level++) {
    const begin = Math.floor(level * p.length / levels);
    const end = Math.floor((level + 1) * p.length / levels);
    let sum = 0;
    let used = 0;
    for (let i = begin; i < end; i++) {
      sum += inside[i];
      if (p[i] > 0) used++;
    }
    for (let i = begin; i < end; i++) if (p[i] > 0) q[i] = sum / used;
  }
  return divergence(p, q);
}

/** `Σ p·log(p / q)` of two counts taken as distributions; empty bins of q count as nearly empty. */
function divergence(p: Float64Array, q: Float64Array): number {
  const totalP = p.reduce((sum, count) => sum + count, 0);
  const totalQ = q.reduce((sum, count) => sum + count, 0);
  if (totalQ === 0) return Infinity;
  let result = 0;
  for (let i = 0; i < p.length; i++) {
    if (p[i] === 0) continue;
    const share = p[i] / totalP;
    result += share * Math.log(share / Math.max(q[i] / totalQ, 1e-9));
  }
  return result;
}
