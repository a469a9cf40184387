/**
 * The observer that leaves out the rarest values.
 *
 * @module
 */
import type { Histogram } from "../../backend/histogram_state.ts";
import type { DType } from "../../numbers/dtype.ts";
import type { MappingType } from "../affine/mapping.ts";
import { HistogramObserverBase } from "./histogram_observer.ts";
import { OBSERVER_OPTIONS, type ObserverOptions } from "./observer.ts";

/** Options of {@linkcode AffineQuantizedPercentileObserver}. */
export interface PercentileObserverOptions extends ObserverOptions {
  /** The share of values to keep, in percent, above 0 and at most 100; 99.999 by default. */
  percentile?: number;
}

/**
 * Chooses the range that holds `percentile` % of all values, as onnxruntime's percentile
 * calibration: an asymmetric mapping leaves out half of the rest at either end, a symmetric one all
 * of the rest by magnitude.
 *
 * @example
 * ```ts
 * import { AffineQuantizedPercentileObserver, MappingType, PerTensor, randn, uint8 } from "@staticquant/staticquant";
 * const observer = new AffineQuantizedPercentileObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 *   percentile: 99.9,
 * });
 * observer.forward(randn([64, 64]));
 * console.log(await (await observer.minMax())[1].item()); // about 3.3
 * ```
 */
export class AffineQuantizedPercentileObserver extends HistogramObserverBase {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AffineQuantizedPercentileObserver";

  /** The options that there are. */
  protected static override readonly optionNames: readonly string[] = [
    ...OBSERVER_OPTIONS,
    "percentile",
  ];
  /** The share of values to keep, in percent. */
  readonly percentile: number;

  /**
   * An observer that has seen nothing.
   *
   * @param mappingType how a range is laid onto integers.
   * @param targetDtype the integer dtype to quantize to.
   * @param options as for every observer, and the percentile.
   * @throws {RangeError} if the percentile is not in (0, 100].
   */
  constructor(mappingType: MappingType, targetDtype: DType, options: PercentileObserverOptions) {
    super(mappingType, targetDtype, options);
    const { percentile = 99.999 } = options;
    if (!(percentile > 0 && percentile <= 100)) {
      throw new RangeError(
        `${this.displayName}: percentile must lie in (0, 100], got ${percentile}; 99.9 keeps all but one in a thousand`,
      );
    }
    this.percentile = percentile;
  }

  /** What two of these must share to be merged. */
  protected override settings(): Record<string, unknown> {
    return { percentile: this.percentile };
  }

  /** The range that holds the percentile. */
  protected override chooseClip(histogram: Histogram): [min: number, max: number] {
    const { min, max } = histogram;
    if (this.mappingType === "ASYMMETRIC") {
      const cut = (100 - this.percentile) / 200;
      const { counts, start, width } = histogram;
      const low = start + firstReaching(counts, cut) * width;
      const high = start + (firstReaching(counts, 1 - cut) + 1) * width;
      return [Math.max(low, min), Math.min(high, max)];
    }
    const { counts, width } = magnitudes(histogram);
    const threshold = (firstReaching(counts, this.percentile / 100) + 1) * width;
    return [Math.max(-threshold, min), Math.min(threshold, max)];
  }
}

/** The first bin with which `share` of all counts is reached. */
function firstReaching(counts: Float64Array, share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  const bin = counts.findIndex((count) => (sum += count) >= share * total && sum > 0);
  return bin < 0 ? counts.length - 1 : bin;
}

/** The histogram of magnitudes: the bins below zero folded onto those above. */
export function magnitudes(
  { counts, start, width }: Histogram,
): { counts: Float64Array; width: number } {
  const first = Math.round(start / width);
  const folded = new Float64Array(Math.max(first + counts.length, -first, 1));
  counts.forEach((count, i) => {
    if (count) folded[first + i >= 0 ? first + i : -(first + i) - 1] += count;
  });
  return { counts: folded, width };
}
