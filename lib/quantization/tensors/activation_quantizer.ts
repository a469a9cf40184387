/**
 * How what goes from layer to layer becomes bytes: numbers that are known on the host, so that a layer can tell
 * whether bytes that it gets are those that it would make.
 *
 * @module
 */
import { type DType, int8, uint8 } from "../../numbers/dtype.ts";
import { given } from "../../numbers/arguments.ts";
import { Formula } from "../../tensor/formula.ts";
import { saturated } from "../../tensor/byte_params.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";

/** Bytes for a tensor of activations: `clamp(round(x / scale) + zeroPoint)`. */
export interface ActivationQuantizer {
  /** The distance between neighbours, a positive float32. */
  readonly scale: number;
  /** The byte that stands for 0. */
  readonly zeroPoint: number;
  /** uint8 or int8. */
  readonly targetDtype: DType;
  /** The least byte used. */
  readonly quantMin: number;
  /** The greatest byte used. */
  readonly quantMax: number;
}

/**
 * The quantizer that an observer of activations has found. Waits for it.
 *
 * @param relu whether what is observed has gone through a ReLU that the quantizer is to do.
 * @throws {RangeError} if it has several scales.
 * @throws {TypeError} if its dtype is none of bytes, or its zero points are floats.
 */
export async function activationQuantizerOf(
  where: string,
  observer: AffineQuantizedObserverBase,
  relu = false,
): Promise<ActivationQuantizer> {
  const { targetDtype, quantMin, quantMax, options } = observer;
  if (targetDtype !== uint8 && targetDtype !== int8) {
    throw new TypeError(
      `${where}: activations that go on as bytes are uint8 or int8, and ${observer.displayName} is for ` +
        targetDtype.name,
    );
  }
  if (options.zeroPointDomain === "FLOAT") {
    throw new TypeError(
      `${where}: bytes have no float zero points; observe with ZeroPointDomain.INT or NONE`,
    );
  }
  const [scale, zero]: [Tensor, Tensor | null] = await observer.calculateQParams();
  if (scale.numel !== 1) {
    throw new RangeError(
      `${where}: activations that go on as bytes have one scale, and ${observer.displayName} found ` +
        `${scale.numel}; observe them PerTensor`,
    );
  }
  const [step, zeroPoint] = await Promise.all([scale.item(), zero ? zero.item() : 0]);
  scale.dispose();
  zero?.dispose();
  const least = relu ? Math.max(quantMin, zeroPoint) : quantMin;
  return { scale: step, zeroPoint, targetDtype, quantMin: least, quantMax };
}

/** Whether a tensor holds just the bytes that a quantizer would make of it. */
export function isQuantizedAs(
  x: Tensor,
  to: Pick<ActivationQuantizer, "scale" | "zeroPoint" | "quantMin" | "quantMax"> & {
    readonly targetDtype: DType;
  },
): boolean {
  if (!x.isQuantized || x.qDtype() !== to.targetDtype) return false;
  const { scale, zeroPoint, quantMin, quantMax } = x.qParams();
  return scale === to.scale && zeroPoint === to.zeroPoint && quantMin >= to.quantMin &&
    quantMax <= to.quantMax;
}

/**
 * Floats as bytes: what layers quantize with, rounding for rounding. A tensor that holds these bytes already is
 * given as a view. Enqueued.
 */
export function quantizeActivation(x: Tensor, to: ActivationQuantizer): Tensor {
  if (isQuantizedAs(x, to)) return x.reshape(x.shape);
  const formula = new Formula("quantize");
  return quantizedFormula(formula, formula.read(x, "float"), to, x.dtype);
}

/** The bytes of an expression's value, as a tensor of `dtype`. Enqueued. */
export function quantizedFormula(
  formula: Formula,
  value: ReturnType<Formula["read"]>,
  to: ActivationQuantizer,
  dtype: DType,
): Tensor {
  const { scale, zeroPoint, targetDtype, quantMin, quantMax } = to;
  const steps = formula.apply("round", formula.apply("mul", value, Math.fround(1 / scale)));
  saturated(formula, steps, zeroPoint, { ...targetDtype, min: quantMin, max: quantMax });
  using bytes = formula.result(targetDtype);
  return Tensor.fromBytes(bytes, { scale, zeroPoint, quantMin, quantMax, dtype });
}

/**
 * A quantizer that comes from outside, such as a file's, checked.
 *
 * @throws {RangeError} if a number is none that it can have.
 */
export function checkActivationQuantizer(
  where: string,
  { scale, zeroPoint, targetDtype, quantMin, quantMax }: ActivationQuantizer,
): void {
  const bytes = targetDtype === uint8 || targetDtype === int8;
  const whole = [zeroPoint, quantMin, quantMax].every((n) =>
    Number.isInteger(n) && bytes && n >= targetDtype.min && n <= targetDtype.max
  );
  const positive = typeof scale === "number" && scale > 0 && scale < Infinity &&
    Math.fround(scale) === scale;
  if (bytes && whole && positive && quantMin < quantMax) return;
  throw new RangeError(
    `${where}: bytes have a positive float32 scale, and a zero point and a range in their dtype, got ${
      given(scale)
    }, ${given(zeroPoint)} and ${given(quantMin)} to ${given(quantMax)}`,
  );
}
