/**
 * The steps of quantizing by observers, each a call of `quantize_`.
 *
 * @module
 */
import { checkChoice } from "../../numbers/arguments.ts";

/**
 * Which step of quantizing by observers a call of `quantize_` does, with torchao's names:
 *
 * - `"prepare"`: layers become observed ones, to be run on sample inputs next.
 * - `"convert"`: what was observed fixes ranges, and observed layers become quantized ones; all others stay.
 * - `"prepare_for_loading"`: float layers become quantized ones with ranges that mean nothing yet, so that the
 *   model takes the state dict of one that was quantized with the same config.
 * - the two of SmoothQuant: torchao's observer that keeps maxima alone needs a second pass over the samples,
 *   which these begin and end. The one here needs none, so `SmoothQuantConfig` leaves the model as it is.
 */
export type QuantizationStep =
  | "prepare"
  | "convert"
  | "prepare_for_loading"
  | "prepare_for_smoothquant_smoothing_factor"
  | "prepare_for_smoothquant_activation_scales";

/**
 * The {@linkcode QuantizationStep}s by name.
 *
 * @example
 * ```ts
 * import { QuantizationStep } from "@staticquant/staticquant";
 * console.log(QuantizationStep.PREPARE); // prepare
 * ```
 */
export const QuantizationStep: {
  readonly PREPARE: "prepare";
  readonly CONVERT: "convert";
  readonly PREPARE_FOR_LOADING: "prepare_for_loading";
  readonly PREPARE_FOR_SMOOTHQUANT_SMOOTHING_FACTOR: "prepare_for_smoothquant_smoothing_factor";
  readonly PREPARE_FOR_SMOOTHQUANT_ACTIVATION_SCALES: "prepare_for_smoothquant_activation_scales";
} = Object.freeze({
  PREPARE: "prepare",
  CONVERT: "convert",
  PREPARE_FOR_LOADING: "prepare_for_loading",
  PREPARE_FOR_SMOOTHQUANT_SMOOTHING_FACTOR: "prepare_for_smoothquant_smoothing_factor",
  PREPARE_FOR_SMOOTHQUANT_ACTIVATION_SCALES: "prepare_for_smoothquant_activation_scales",
});

/** The steps that every config of observers has. */
export type ObserverStep = "prepare" | "convert" | "prepare_for_loading";

/** The step that is meant, in lower case as torchao takes it. Throws a TypeError if it is none. */
export function checkStep(where: string, value: unknown): QuantizationStep {
  const known = Object.values(QuantizationStep);
  const step = typeof value === "string" ? value.toLowerCase() : value;
  return checkChoice(where, "step", step, known);
}

/** The step that is meant, one that is not SmoothQuant's own; undefined for none. */
export function checkObserverStep(where: string, value: unknown): ObserverStep | undefined {
  if (value === undefined || value === null) return undefined;
  const step = checkStep(where, value);
  if (step === "prepare" || step === "convert" || step === "prepare_for_loading") return step;
  throw new TypeError(`${where}: the step "${step}" is SmoothQuantConfig's alone`);
}
