/**
 * Ways to choose the range of an activation, by name.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { PerTensor } from "../affine/granularity.ts";
import type { MappingType } from "../affine/mapping.ts";
import { AffineQuantizedEntropyObserver } from "../observers/entropy_observer.ts";
import { AffineQuantizedMinMaxObserver } from "../observers/min_max_observer.ts";
import { AffineQuantizedMSEHistogramObserver } from "../observers/mse_histogram_observer.ts";
import { AffineQuantizedPercentileObserver } from "../observers/percentile_observer.ts";
import type { RangeObserver } from "../observers/range_observer.ts";

/** How a range is chosen: all that was seen, the least squared error, most of what was seen, the least divergence. */
export type RangeMethod = "minmax" | "mse" | "percentile" | "entropy";

/** The observer of each method. */
const OBSERVERS = {
  minmax: AffineQuantizedMinMaxObserver,
  mse: AffineQuantizedMSEHistogramObserver,
  percentile: AffineQuantizedPercentileObserver,
  entropy: AffineQuantizedEntropyObserver,
} as const;

/** The names of the methods. */
export const RANGE_METHODS = Object.keys(OBSERVERS) as readonly RangeMethod[];

/** An observer that chooses a range by a method. */
export function rangeObserver(
  method: RangeMethod,
  { mappingType, targetDtype }: { mappingType: MappingType; targetDtype: DType },
): RangeObserver {
  return new OBSERVERS[method](mappingType, targetDtype, { granularity: new PerTensor() });
}
