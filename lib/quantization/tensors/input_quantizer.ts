/**
 * How a layer quantizes its input, as a value that can be saved, exported, moved and shown.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import { checkOptions, given } from "../../numbers/arguments.ts";
import { type DType, int8 } from "../../numbers/dtype.ts";
import { formatShape, numelOf } from "../../numbers/shape.ts";
import { mul } from "../../tensor/pointwise.ts";
import { checkTensor, type Tensor } from "../../tensor/tensor.ts";
import { LEAST_SCALE, type MagnitudeBounds } from "../affine/float8.ts";
import { quantRange } from "../affine/range.ts";
import { toAffineQuantizedDynamic } from "./dynamic.ts";
import {
  type Float8Options,
  float8Options,
  toAffineQuantizedFloat8,
  toAffineQuantizedFloat8Static,
} from "./float8.ts";
import { type PerTokenOptions, perTokenRange, toAffineQuantizedPerToken } from "./per_token.ts";
import {
  type AffineQuantizedTensor,
  type StaticTensorOptions,
  toAffineQuantizedIntxStatic,
} from "./quantized_tensor.ts";

/** What is done to an input before it is quantized. */
export interface PreScaled {
  /** What each feature is multiplied by, as SmoothQuant asks; nothing by default. */
  readonly preScale?: Tensor;
}

/** One scale for the whole input, or one for each of its rows, fixed beforehand. */
export interface StaticInputQuantizer extends PreScaled {
  /** Tells the kinds apart. */
  readonly kind: "static";
  /** One number, or one for each row that inputs have. */
  readonly scale: Tensor;
  /** As many, or null for zero. */
  readonly zeroPoint: Tensor | null;
  /** The integers' dtype. */
  readonly targetDtype: DType;
  /** The least integer used. */
  readonly quantMin: number;
  /** The greatest integer used. */
  readonly quantMax: number;
  /** Whether a zero point that is there is known to be 0; false by default. */
  readonly symmetric?: boolean;
  /** The least and the greatest that the zero point may be, if that is known. */
  readonly zeroPoints?: readonly [least: number, greatest: number];
}

/**
 * A scale for each row of the input, found as it comes: see `toAffineQuantizedPerToken`; and of 8-bit floats
 * `toAffineQuantizedFloat8`.
 */
export interface DynamicInputQuantizer extends MagnitudeBounds, PreScaled {
  /** Tells the kinds apart. */
  readonly kind: "dynamic";
  /** The integers' dtype. */
  readonly targetDtype: DType;
  /** The least integer used. */
  readonly quantMin: number;
  /** The greatest integer used. */
  readonly quantMax: number;
  /** The least scale. */
  readonly eps: number;
  /** Whether all of the input has one scale, not each row its own; false by default. */
  readonly perTensor?: boolean;
  /** Whether integers have a zero point, so that a range uses them all; false by default. */
  readonly asymmetric?: boolean;
}

/** Quantizes a layer's input. */
export type InputQuantFunc = (x: Tensor) => AffineQuantizedTensor;

/** A function of the user's, of which nothing is known: it cannot be saved, exported or moved. */
export interface CustomInputQuantizer {
  /** Tells the kinds apart. */
  readonly kind: "custom";
  /** Quantizes an input to 8 bits, with one scale or one a row. */
  readonly quantize: InputQuantFunc;
}

/** How a layer quantizes its input. */
export type InputQuantizer = StaticInputQuantizer | DynamicInputQuantizer | CustomInputQuantizer;

/** Options of {@linkcode staticInputQuantizer}. */
export interface StaticInputOptions extends StaticTensorOptions {
  /** Whether there is a scale for each row of the inputs to come; false by default. */
  perRow?: boolean;
}

/**
 * Input quantization with a scale that is fixed beforehand.
 *
 * @param scale one number; with `perRow` one for each row of the inputs to come, which must have as many.
 * @param zeroPoint as many numbers, or null for zero.
 * @param targetDtype the integers' dtype.
 * @param options the integers to use, the dtype's by default; and whether scales are those of rows.
 * @throws {RangeError} if there is not one scale or zero point, or as many of both as rows, or the range leaves
 * the dtype.
 *
 * @example
 * ```ts
 * import { staticInputQuantizer, tensor, uint8 } from "@staticquant/staticquant";
 * const input = staticInputQuantizer(tensor([0.02]), tensor([128]), uint8);
 * console.log(input.kind, input.quantMax); // static 255
 * ```
 */
export function staticInputQuantizer(
  scale: Tensor,
  zeroPoint: Tensor | null,
  targetDtype: DType,
  options: StaticInputOptions = {},
): StaticInputQuantizer {
  const where = "staticInputQuantizer";
  checkOptions(where, options, ["quantMin", "quantMax", "zeroPoints", "perRow"]);
  const { zeroPoints, perRow = false } = options;
  const rows = perRow ? scale.numel : 1;
  for (const [name, t] of [["scale", scale], ["zeroPoint", zeroPoint]] as const) {
    if (t === null || t.numel === rows && rows > 0) continue;
    throw new RangeError(
      `${where}: ${name} must be ${
        perRow ? `a number a row` : "one number"
      }, got ${t.numel} of them`,
    );
  }
  const integers = quantRange(where, targetDtype, options.quantMin, options.quantMax);
  return { kind: "static", scale, zeroPoint, targetDtype, ...integers, zeroPoints };
}

/** Options of {@linkcode dynamicInputQuantizer}. */
export interface DynamicInputOptions extends PerTokenOptions {
  /** Whether all of an input has one scale, not each row its own; false by default. */
  perTensor?: boolean;
  /** Whether integers have a zero point, so that a range uses them all; false by default. */
  asymmetric?: boolean;
}

/**
 * Input quantization to int8 with a scale for each row, found when the model runs.
 *
 * @param options the integer range and the least scale, by default −128…127 and float32's eps, as
 * torchao 0.18 has them; whether all of an input has one scale, and whether there are zero points.
 * @throws {RangeError} if the range is not symmetric about zero or leaves int8, or eps is not above 0.
 *
 * @example
 * ```ts
 * import { dynamicInputQuantizer } from "@staticquant/staticquant";
 * console.log(dynamicInputQuantizer().quantMin, dynamicInputQuantizer({ quantMin: -127 }).quantMin);
 * // -128 -127
 * ```
 */
export function dynamicInputQuantizer(options: DynamicInputOptions = {}): DynamicInputQuantizer {
  const where = "dynamicInputQuantizer";
  checkOptions(where, options, ["quantMin", "quantMax", "eps", "perTensor", "asymmetric"]);
  const { perTensor, asymmetric } = options;
  return {
    kind: "dynamic",
    targetDtype: int8,
    ...perTokenRange(where, options),
    ...(perTensor ? { perTensor: true } : {}),
    ...(asymmetric ? { asymmetric: true } : {}),
  };
}

/**
 * Input quantization to 8-bit floats with scales that are found when the model runs; see
 * `toAffineQuantizedFloat8`.
 *
 * @param options dtype, whether rows have scales of their own, and bounds of the largest magnitude.
 * @throws {TypeError} if the dtype is no 8-bit float.
 * @throws {RangeError} if a bound is no number above 0.
 *
 * @example
 * ```ts
 * import { float8InputQuantizer } from "@staticquant/staticquant";
 * console.log(float8InputQuantizer({ perRow: true }).targetDtype.name); // float8_e4m3fn
 * ```
 */
export function float8InputQuantizer(options: Float8Options = {}): DynamicInputQuantizer {
  const { dtype, perRow, valueLb, valueUb } = float8Options("float8InputQuantizer", options);
  return {
    kind: "dynamic",
    targetDtype: dtype,
    ...{ quantMin: dtype.min, quantMax: dtype.max, eps: LEAST_SCALE },
    ...(perRow ? {} : { perTensor: true }),
    ...(valueLb === undefined ? {} : { valueLb }),
    ...(valueUb === undefined ? {} : { valueUb }),
  };
}

/** An input quantizer as it is given, or the `custom` one of a function. `where` opens the error. */
export function asInputQuantizer(
  where: string,
  input: InputQuantizer | InputQuantFunc,
): InputQuantizer {
  if (typeof input === "function") return { kind: "custom", quantize: input };
  if (["static", "dynamic", "custom"].includes(input?.kind)) return input;
  throw new TypeError(
    `${where}: the input quantizer must come from staticInputQuantizer or dynamicInputQuantizer, or be a ` +
      `function, got ${given(input)}`,
  );
}

/** What of an input is quantized: `x` times what its features are scaled by. Enqueued; the caller disposes of it. */
export function preScaled(input: InputQuantizer, x: Tensor): Tensor {
  const by = input.kind === "custom" ? undefined : input.preScale;
  return by ? mul(x, by) : x.reshape(...x.shape);
}

/** The quantized input. Enqueued; the caller disposes of it. */
export function quantizeInput(input: InputQuantizer, x: Tensor): AffineQuantizedTensor {
  if (input.kind === "custom" || !input.preScale) return quantizeScaled(input, x);
  using scaled = preScaled(input, x);
  return quantizeScaled(input, scaled);
}

/** The quantized input of one that is scaled already. Enqueued; the caller disposes of it. */
export function quantizeScaled(input: InputQuantizer, x: Tensor): AffineQuantizedTensor {
  if (input.kind === "custom") return input.quantize(x);
  if (input.kind === "dynamic") {
    const { targetDtype: dtype, quantMin, quantMax, eps, perTensor, valueLb, valueUb } = input;
    if (dtype.isFloat) {
      return toAffineQuantizedFloat8(x, { dtype, perRow: !perTensor, valueLb, valueUb });
    }
    const { asymmetric } = input;
    if (perTensor || asymmetric) return quantizeByRange(input, x);
    return toAffineQuantizedPerToken(x, { quantMin, quantMax, eps });
  }
  const { scale, zeroPoint, targetDtype, quantMin, quantMax, zeroPoints } = input;
  const range = { quantMin, quantMax, zeroPoints };
  const block = staticBlock(x, scale);
  if (targetDtype.isFloat) return toAffineQuantizedFloat8Static(x, scale, block, targetDtype);
  return toAffineQuantizedIntxStatic(x, scale, zeroPoint, block, targetDtype, range);
}

/** The input by its own range, in a way that has no kernel of its own. */
function quantizeByRange(input: DynamicInputQuantizer, x: Tensor): AffineQuantizedTensor {
  const { quantMin, quantMax, eps, perTensor = false, asymmetric = false } = input;
  checkTensor("quantizeInput", x);
  if (!x.dtype.isFloat) {
    throw new TypeError(`the input must be a float tensor, got ${x.dtype.name}`);
  }
  if (x.ndim === 0 || x.numel === 0) {
    throw new RangeError(`an input of shape ${formatShape(x.shape)} has no range`);
  }
  return toAffineQuantizedDynamic(x, { quantMin, quantMax, eps, perTensor, asymmetric });
}

/** What of an input shares a scale that is fixed: all of it, or a row. */
function staticBlock({ shape }: Tensor, scale: Tensor): readonly number[] {
  if (scale.numel === 1) return shape;
  const rows = numelOf(shape.slice(0, -1));
  if (rows !== scale.numel) {
    throw new RangeError(
      `the input of shape ${
        formatShape(shape)
      } has ${rows} rows, but its scales were fixed for ${scale.numel}; ` +
        `give inputs of as many rows, or quantize with one scale for all`,
    );
  }
  return shape.map((size, d) => d === shape.length - 1 ? size : 1);
}

/** The tensors that it holds, by name. */
export function inputTensors(input: InputQuantizer): Record<string, Tensor> {
  if (input.kind === "custom") return {};
  const { preScale } = input;
  const before = preScale ? { inputPreScale: preScale } : undefined;
  if (input.kind === "dynamic") return { ...before };
  const { scale, zeroPoint } = input;
  return { inputScale: scale, ...(zeroPoint ? { inputZeroPoint: zeroPoint } : {}), ...before };
}

/** The same with each of its tensors replaced. */
function mapTensors<I extends StaticInputQuantizer | DynamicInputQuantizer>(
  input: I,
  to: (t: Tensor) => Tensor,
): I {
  const mapped = input.preScale ? { ...input, preScale: to(input.preScale) } : input;
  if (mapped.kind !== "static") return mapped;
  const { scale, zeroPoint } = mapped;
  return { ...mapped, scale: to(scale), zeroPoint: zeroPoint && to(zeroPoint) };
}

/** The same with other tensors in place of those that `values` has. */
export function inputWith(
  input: InputQuantizer,
  values: ReadonlyMap<Tensor, Tensor>,
): InputQuantizer {
  return input.kind === "custom" ? input : mapTensors(input, (t) => values.get(t) ?? t);
}

/** A copy with tensors of its own. */
export function cloneInput(input: InputQuantizer): InputQuantizer {
  return input.kind === "custom" ? input : mapTensors(input, (t) => t.clone().keep());
}

/**
 * The same with its tensors on another device.
 *
 * @throws {Error} for a function of the user's, which may hold tensors that nobody else can move.
 */
export async function moveInput(
  where: string,
  input: InputQuantizer,
  device: Device,
): Promise<InputQuantizer> {
  if (input.kind === "custom") {
    throw new Error(
      `${where}: a weight whose input is quantized by a function cannot move to ${device}, since the ` +
        `function's tensors stay where they are; quantize the model there, or give an input quantizer ` +
        `that is data (staticInputQuantizer, dynamicInputQuantizer)`,
    );
  }
  const moved = new Map<Tensor, Tensor>();
  for (const t of Object.values(inputTensors(input))) moved.set(t, (await t.to(device)).keep());
  return inputWith(input, moved);
}

/** What a model prints for it: torchao's name where there is one, or the function's. */
export function inputName(input: InputQuantizer): string {
  if (input.kind === "custom") return input.quantize.name || "anonymous";
  if (input.kind === "static") return "staticInputQuant";
  if (input.targetDtype.isFloat) {
    return `${input.targetDtype.name}Per${input.perTensor ? "Tensor" : "Token"}Quant`;
  }
  const how = `${input.asymmetric ? "Asymm" : "Symm"}Per${input.perTensor ? "Tensor" : "Token"}`;
  return `int8${how}${input.quantMin > -128 ? "ReducedRange" : ""}Quant`;
}
