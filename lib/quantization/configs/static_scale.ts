/**
 * Scales of inputs that are fixed beforehand: given, or found by an observer.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import { type DType, float32, int32 } from "../../numbers/dtype.ts";
import { Tensor, tensor } from "../../tensor/tensor.ts";
import type { FloatLinear } from "../layers/float_linear.ts";
import { ObservedLinear } from "../layers/observed_linear.ts";
import {
  checkObserverStep,
  type ObserverStep,
  type QuantizationStep,
} from "./quantization_step.ts";

/** Options that configs of fixed input scales share. */
export interface StaticScaleOptions {
  /**
   * The scale of the layer's input, one number above 0; by default the one that the observer of an
   * `ObservedLinear` has found.
   */
  actQuantScale?: Tensor | number;
  /**
   * Which step of quantizing by observers this is, as `QuantizationStep` or its text; by default everything is
   * done at once, with `actQuantScale` or the observers that `insertObservers_` put in.
   */
  step?: QuantizationStep | Uppercase<QuantizationStep>;
}

/** The options, checked. */
export interface StaticScale {
  readonly actQuantScale: Tensor | number | undefined;
  readonly step: ObserverStep | undefined;
}

/**
 * Checks the options. `several` says whether a tensor may hold a scale for each row.
 *
 * @throws {RangeError} if a scale is not finite and above 0, or there are several where one is meant.
 * @throws {TypeError} if the step is none, or there is a scale beside it.
 */
export function checkStaticScale(
  where: string,
  { actQuantScale, step }: StaticScaleOptions,
  several = false,
): StaticScale {
  const checked = checkObserverStep(where, step);
  if (checked && actQuantScale !== undefined) {
    throw new TypeError(
      `${where}: with a step the scale is what observers find; leave actQuantScale out, or the step`,
    );
  }
  if (actQuantScale instanceof Tensor) {
    const { numel } = actQuantScale;
    if (numel === 0 || numel > 1 && !several) badScale(where, `${numel} of them`);
  } else if (actQuantScale !== undefined) checkScaleValue(where, actQuantScale);
  return { actQuantScale, step: checked };
}

function badScale(where: string, got: unknown): never {
  throw new RangeError(
    `${where}: actQuantScale must be one finite number above 0, got ${got}; layers with scales of ` +
      `their own get configs of their own, with FqnToConfig`,
  );
}

/** Throws a RangeError unless `scale` is a number that can be one. */
function checkScaleValue(where: string, scale: number): void {
  if (!(scale > 0 && scale < Infinity)) badScale(where, scale);
}

/** The scale that was given, on the device of the layer and flat. Waits for its numbers. */
export async function givenScale(
  where: string,
  scale: Tensor | number,
  device: Device,
): Promise<Tensor> {
  const values = scale instanceof Tensor ? [...await scale.data()] : [scale];
  values.forEach((value) => checkScaleValue(where, value));
  const dtype = scale instanceof Tensor ? scale.dtype : float32;
  return tensor(values, { shape: flatShape(values), dtype, device }).keep();
}

/** One number has no dimensions, as what observers find. */
function flatShape({ length }: { readonly length: number }): number[] {
  return length === 1 ? [] : [length];
}

/** The zero points that were given, or a number for all, each one of the integers. Waits for them. */
export async function givenZeroPoint(
  where: string,
  zeroPoint: Tensor | number,
  scale: Tensor,
  { quantMin, quantMax }: { readonly quantMin: number; readonly quantMax: number },
): Promise<Tensor> {
  const values: number[] = zeroPoint instanceof Tensor
    ? [...await zeroPoint.data()]
    : new Array(scale.numel).fill(zeroPoint);
  const bad = values.find((z) => !Number.isInteger(z) || z < quantMin || z > quantMax);
  if (bad !== undefined) {
    throw new RangeError(
      `${where}: actQuantZeroPoint must be an integer from ${quantMin} to ${quantMax}, got ${bad}`,
    );
  }
  if (values.length !== scale.numel) {
    throw new RangeError(
      `${where}: there are ${scale.numel} scales of inputs and ${values.length} zero points; give as many`,
    );
  }
  const shape = flatShape(values);
  return tensor(values, { shape, dtype: int32, device: scale.device }).keep();
}

/** The observer of a layer's input, which must have looked for what the config takes. */
export function observerOf(
  where: string,
  linear: FloatLinear,
  wanted: { readonly dtype: DType; readonly asymmetric?: boolean },
): ObservedLinear["actObs"] {
  if (!(linear instanceof ObservedLinear)) {
    throw new TypeError(
      `quantize_: ${where} has no actQuantScale and ${linear.displayName} no observer to ask; give ` +
        `actQuantScale, or call insertObservers_ and calibrate first`,
    );
  }
  const { actObs } = linear;
  const { mappingType, targetDtype } = actObs;
  const { dtype, asymmetric = false } = wanted;
  if (targetDtype !== dtype || (mappingType === "ASYMMETRIC") !== asymmetric) {
    const how = asymmetric ? "ASYMMETRIC" : "SYMMETRIC";
    throw new TypeError(
      `quantize_: ${where} takes ${how.toLowerCase()} ${dtype.name} inputs, but actObs of ${linear.displayName} is ` +
        `${mappingType} for ${targetDtype.name}; observe with MappingType.${how} and ${dtype.name}, or use ` +
        `StaticQuantConfig`,
    );
  }
  return actObs;
}
