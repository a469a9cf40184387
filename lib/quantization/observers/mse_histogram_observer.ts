/**
 * The observer that searches along a line, on the counts of all batches.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import type { MappingType } from "../affine/mapping.ts";
import {
  expectedError,
  type Histogram,
  HistogramObserverBase,
  occupied,
} from "./histogram_observer.ts";
import { OBSERVER_OPTIONS, type ObserverOptions } from "./observer.ts";

/** Options of {@linkcode AffineQuantizedMSEHistogramObserver}. */
export interface MSEHistogramObserverOptions extends ObserverOptions {
  /** How many ranges to try; 100 by default. */
  steps?: number;
}

/**
 * Tries `steps` ranges `[−t, t]`, `t = max(|min|, max)·i / steps`, and takes the one with the least expected squared
 * error: the line of `AffineQuantizedMSEObserver`, where the last batch decides, searched on a histogram of all
 * batches. So it can be saved and merged, and whoever sees which batch makes no difference. On one batch both try
 * the same ranges; since each value counts as the middle of its bin, at most 1/2048 of the range wide, they may
 * choose neighbours where the errors of two ranges are nearly the same.
 *
 * @example
 * ```ts
 * import { AffineQuantizedMSEHistogramObserver, int8, MappingType, PerTensor, randn } from "@staticquant/staticquant";
 * const make = () =>
 *   new AffineQuantizedMSEHistogramObserver(MappingType.SYMMETRIC, int8, { granularity: new PerTensor() });
 * const [a, b] = [make(), make()];
 * a.forward(randn([16, 64]));
 * b.forward(randn([16, 64]));
 * await a.merge(b);
 * console.log(await (await a.calculateQParams())[0].item());
 * ```
 */
export class AffineQuantizedMSEHistogramObserver extends HistogramObserverBase {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AffineQuantizedMSEHistogramObserver";

  /** The options that there are. */
  protected static override readonly optionNames: readonly string[] = [
    ...OBSERVER_OPTIONS,
    "steps",
  ];
  /** How many ranges are tried. */
  readonly steps: number;

  /**
   * An observer that has seen nothing.
   *
   * @param mappingType how a range is laid onto integers.
   * @param targetDtype the integer dtype to quantize to.
   * @param options as for every observer, and the number of steps.
   * @throws {RangeError} if steps is not a positive integer.
   */
  constructor(mappingType: MappingType, targetDtype: DType, options: MSEHistogramObserverOptions) {
    super(mappingType, targetDtype, options);
    const { steps = 100 } = options;
    if (!Number.isInteger(steps) || steps < 1) {
      throw new RangeError(
        `${this.displayName}: steps must be an integer of at least 1, got ${steps}`,
      );
    }
    this.steps = steps;
  }

  /** What two of these must share to be merged. */
  protected override settings(): Record<string, unknown> {
    return { steps: this.steps };
  }

  /** The range with the least expected squared error. */
  protected override chooseClip(histogram: Histogram): [min: number, max: number] {
    const { min, max } = histogram;
    const bins = occupied(histogram);
    const most = Math.max(Math.abs(min), Math.abs(max));
    let best = most;
    let least = Infinity;
    for (let i = 1; i <= this.steps; i++) {
      const threshold = most * i / this.steps;
      const error = expectedError(bins, this.quantizerOf(-threshold, threshold));
      if (error < least) [least, best] = [error, threshold];
    }
    return [-best, best];
  }
}
