/**
 * The ways to choose the ranges of activations: an observer each.
 *
 * @module
 */
import { uint8 } from "../../numbers/dtype.ts";
import { PerTensor } from "../../quantization/affine/granularity.ts";
import { MappingType } from "../../quantization/affine/mapping.ts";
import { AffineQuantizedEntropyObserver } from "../../quantization/observers/entropy_observer.ts";
import {
  AffineQuantizedHistogramObserver,
  type Histogram,
  HistogramObserverBase,
} from "../../quantization/observers/histogram_observer.ts";
import { AffineQuantizedMinMaxObserver } from "../../quantization/observers/min_max_observer.ts";
import { AffineQuantizedMovingAverageMinMaxObserver } from "../../quantization/observers/moving_average_observer.ts";
import { AffineQuantizedObserverBase } from "../../quantization/observers/observer.ts";
import { AffineQuantizedPercentileObserver } from "../../quantization/observers/percentile_observer.ts";
import { RangeObserver } from "../../quantization/observers/range_observer.ts";
import type { TensorRange } from "../qdq/params.ts";
import type { NodeSelection } from "../qdq/selection.ts";
import type { CalibrationMethod } from "./method_names.ts";
import type { StatisticKind } from "./statistics/statistic.ts";

/** Options of {@linkcode OnnxCalibration.open}. */
export interface CalibrationOptions extends NodeSelection {
  /**
   * How ranges are chosen. An observer stands for copies of itself, one a tensor. By default `"minmax"`, which
   * is quick and cuts nothing off; `"mse"` takes longer and mostly loses the least.
   *
   * - `"minmax"`: from the least to the greatest value
   * - `"movingAverage"`: from the average least to the average greatest value of the samples
   * - `"percentile"`: what holds nearly all values
   * - `"entropy"`: what loses the least information
   * - `"mse"`: what has the least squared error, clipping against rounding
   */
  calibrationMethod?: CalibrationMethod | AffineQuantizedObserverBase;
  /** The share of values that `"percentile"` keeps, in percent; 99.999 by default. */
  percentile?: number;
  /** How far `"movingAverage"` moves towards each sample, above 0 and at most 1; 0.01 by default. */
  averagingConstant?: number;
  /** Whether the model goes through {@linkcode prepareOnnx} first; yes by default. */
  prepare?: boolean;
  /**
   * What is learnt beside ranges, of what nodes with constant weights read and make; nothing by default. The values
   * of activations are read for it.
   *
   * - `"channelMaxima"`: the greatest magnitude of each channel of an input
   * - `"channelSums"`: means and mean squares of each channel of inputs and outputs
   * - `"covariance"`: the products `XᵀX` of the rows that MatMul, Gemm and Conv multiply with their weights, where a
   *   row has at most 4096 numbers
   */
  learn?: readonly StatisticKind[];
  /** The values of the prepared graph that this is learnt of, by name; all by default. */
  learnFrom?: readonly string[];
}

/**
 * An observer that has seen nothing.
 *
 * @param where opens the errors.
 * @throws {TypeError} if the method is not known, or an observer has more than one range.
 */
export function observerFor(
  where: string,
  options: CalibrationOptions,
): AffineQuantizedObserverBase {
  const { calibrationMethod = "minmax", percentile, averagingConstant } = options;
  if (calibrationMethod instanceof AffineQuantizedObserverBase) {
    if (!(calibrationMethod.granularity instanceof PerTensor)) {
      throw new TypeError(
        `${where}: the observer has granularity ${calibrationMethod.granularity}; activations have one ` +
          `range each, PerTensor()`,
      );
    }
    return calibrationMethod;
  }
  const common = { granularity: new PerTensor() };
  const make: Record<CalibrationMethod, () => AffineQuantizedObserverBase> = {
    minmax: () => new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, common),
    movingAverage: () =>
      new AffineQuantizedMovingAverageMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
        ...common,
        averagingConstant,
      }),
    percentile: () =>
      new AffineQuantizedPercentileObserver(MappingType.ASYMMETRIC, uint8, {
        ...common,
        percentile,
      }),
    entropy: () => new AffineQuantizedEntropyObserver(MappingType.ASYMMETRIC, uint8, common),
    mse: () => new AffineQuantizedHistogramObserver(MappingType.ASYMMETRIC, uint8, common),
  };
  if (!Object.hasOwn(make, calibrationMethod)) {
    throw new TypeError(
      `${where}: there is no calibration method ${JSON.stringify(calibrationMethod)}; use one of ${
        Object.keys(make).join(", ")
      }, or an observer`,
    );
  }
  return make[calibrationMethod]();
}

/** Whether an observer asks no more of a batch than its least and greatest value. */
export function needsOnlyRange(observer: AffineQuantizedObserverBase): boolean {
  return observer.constructor === AffineQuantizedMinMaxObserver ||
    observer.constructor === AffineQuantizedMovingAverageMinMaxObserver;
}

/** The range that each observer stands for. */
export async function rangesOf(
  observers: ReadonlyMap<string, AffineQuantizedObserverBase>,
): Promise<ReadonlyMap<string, TensorRange>> {
  const ranges = new Map<string, TensorRange>();
  for (const [name, observer] of observers) ranges.set(name, await rangeOf(observer));
  return ranges;
}

/** What each observer has counted; nothing unless they are of a kind that counts, nothing of one that saw nothing. */
export async function histogramsOf(
  observers: ReadonlyMap<string, AffineQuantizedObserverBase>,
): Promise<ReadonlyMap<string, Histogram | undefined> | undefined> {
  const histograms = new Map<string, Histogram | undefined>();
  for (const [name, observer] of observers) {
    if (!(observer instanceof HistogramObserverBase)) return undefined;
    histograms.set(name, observer.batchCount === 0 ? undefined : (await observer.histograms())[0]);
  }
  return histograms;
}

/**
 * The range from the least to the greatest value that each observer saw; nothing unless they are of a kind that
 * knows these and stands for another range.
 */
export async function wholeRangesOf(
  observers: ReadonlyMap<string, AffineQuantizedObserverBase>,
): Promise<ReadonlyMap<string, TensorRange> | undefined> {
  const histograms = await histogramsOf(observers);
  return histograms && new Map(
    [...histograms].map(([name, seen]) =>
      [name, seen ? { min: seen.min, max: seen.max } : { min: 0, max: 0 }] as const
    ),
  );
}

/** The range that an observer stands for. */
async function rangeOf(observer: AffineQuantizedObserverBase): Promise<TensorRange> {
  if (observer instanceof RangeObserver) {
    // No batch but empty ones: the value is never more than nothing.
    if (observer.isEmpty) return { min: 0, max: 0 };
    const [min, max] = await observer.minMax();
    return { min: await min.item(), max: await max.item() };
  }
  const [scale, zeroPoint] = await observer.calculateQParams();
  const [s, z] = [await scale.item(), await zeroPoint.item()];
  return { min: (observer.quantMin - z) * s, max: (observer.quantMax - z) * s };
}
