/**
 * The ways to choose the ranges of activations: an observer each.
 *
 * @module
 */
import { type DType, uint8 } from "../../numbers/dtype.ts";
import { PerTensor } from "../../quantization/affine/granularity.ts";
import { MappingType } from "../../quantization/affine/mapping.ts";
import { AffineQuantizedEntropyObserver } from "../../quantization/observers/entropy_observer.ts";
import { AffineQuantizedHistogramObserver } from "../../quantization/observers/histogram_observer.ts";
import { AffineQuantizedMinMaxObserver } from "../../quantization/observers/min_max_observer.ts";
import { AffineQuantizedMovingAverageMinMaxObserver } from "../../quantization/observers/moving_average_observer.ts";
import { AffineQuantizedObserverBase } from "../../quantization/observers/observer.ts";
import {
  AffineQuantizedPercentileObserver,
  type PercentileObserverOptions,
} from "../../quantization/observers/percentile_observer.ts";
import type { NodeSelection } from "../qdq/selection.ts";
import type { CalibrationMethod } from "./method_names.ts";
import { AverageMethod, ObserverMethod, type RangeMethod } from "./range_method.ts";
import type { StatisticKind } from "../../quantization/statistics/statistic.ts";

/** Options of {@linkcode OnnxCalibration.open}. */
export interface CalibrationOptions extends NodeSelection {
  /**
   * How ranges are chosen. An observer stands for copies of itself, one a tensor. By default `"minmax"`, which
   * is quick and cuts nothing off; `"mse"` takes longer and mostly loses the least.
   *
   * - `"minmax"`: from the least to the greatest value
   * - `"movingAverage"`: from the average least to the average greatest value of the samples, the later in the
   *   list counting more
   * - `"percentile"`: what holds nearly all values
   * - `"entropy"`: what loses the least information
   * - `"mse"`: what has the least squared error, clipping against rounding
   * - `"auto"`: that of `"minmax"` and `"mse"` with which the quantized model is nearer to the float one on the first
   *   samples; `"mse"` where the difference may be chance. What is observed is what `"mse"` needs, and a calibration that is saved is one of `"mse"`: the samples to
   *   choose on are not in it.
   */
  calibrationMethod?: CalibrationMethod | "auto" | AffineQuantizedObserverBase;
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

/** The method that observes for another; its own but for `"auto"`. */
export function observedBy<T>(method: T | "auto" = "minmax" as never): T {
  return method === "auto" ? "mse" as never : method;
}

/**
 * The way to choose ranges that options ask for.
 *
 * @param where opens the errors.
 * @throws {TypeError} if the method is not known, or an observer has more than one range.
 */
export function methodFor(where: string, options: CalibrationOptions): RangeMethod {
  const { percentile, averagingConstant } = options;
  const calibrationMethod = observedBy(options.calibrationMethod);
  if (calibrationMethod instanceof AffineQuantizedObserverBase) {
    if (!(calibrationMethod.granularity instanceof PerTensor)) {
      throw new TypeError(
        `${where}: the observer has granularity ${calibrationMethod.granularity}; activations have one ` +
          `range each, PerTensor()`,
      );
    }
    return calibrationMethod.constructor === AffineQuantizedMovingAverageMinMaxObserver
      ? new AverageMethod(
        (calibrationMethod as AffineQuantizedMovingAverageMinMaxObserver).averagingConstant,
      )
      : new ObserverMethod(calibrationMethod);
  }
  const common = { granularity: new PerTensor() };
  const observed = (
    Observer: new (
      mapping: MappingType,
      dtype: DType,
      options: PercentileObserverOptions,
    ) => AffineQuantizedObserverBase,
    more: Partial<PercentileObserverOptions> = {},
  ) => new ObserverMethod(new Observer(MappingType.ASYMMETRIC, uint8, { ...common, ...more }));
  const make: Record<CalibrationMethod, () => RangeMethod> = {
    minmax: () => observed(AffineQuantizedMinMaxObserver),
    movingAverage: () => {
      // It says what a constant may be.
      const observer = new AffineQuantizedMovingAverageMinMaxObserver(
        MappingType.ASYMMETRIC,
        uint8,
        { ...common, averagingConstant },
      );
      return new AverageMethod(observer.averagingConstant);
    },
    percentile: () => observed(AffineQuantizedPercentileObserver, { percentile }),
    entropy: () => observed(AffineQuantizedEntropyObserver),
    mse: () => observed(AffineQuantizedHistogramObserver),
  };
  if (!Object.hasOwn(make, calibrationMethod)) {
    throw new TypeError(
      `${where}: there is no calibration method ${JSON.stringify(calibrationMethod)}; use one of ${
        [...Object.keys(make), "auto"].join(", ")
      }, or an observer`,
    );
  }
  return make[calibrationMethod]();
}
