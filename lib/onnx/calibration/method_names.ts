/** A way to choose ranges; `calibrationMethod` of {@linkcode CalibrationOptions} says what each does. */
export type CalibrationMethod = "minmax" | "movingAverage" | "percentile" | "entropy" | "mse";

/**
 * The ways to choose ranges, by name.
 *
 * @example
 * ```ts
 * import { CALIBRATION_METHODS } from "@staticquant/staticquant";
 * console.log(CALIBRATION_METHODS.join(" ")); // minmax movingAverage percentile entropy mse
 * ```
 */
export const CALIBRATION_METHODS: readonly CalibrationMethod[] = [
  "minmax",
  "movingAverage",
  "percentile",
  "entropy",
  "mse",
];
