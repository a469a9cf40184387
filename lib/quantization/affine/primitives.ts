/**
 * The arithmetic of affine quantization: choosing parameters, quantizing, dequantizing.
 *
 * @module
 */
import { collapseBlocks, countBlocks } from "../../backend/blocks.ts";
import { decodeMinMaxState, emptyMinMaxState } from "../../backend/minmax_state.ts";
import { checkDType, checkOptions } from "../../numbers/arguments.ts";
import { type DType, float32, int32, promoteTypes } from "../../numbers/dtype.ts";
import { checkSameDevice } from "../../tensor/ops.ts";
import { roundTo } from "../../numbers/rounding.ts";
import { formatShape, numelOf, sameShape } from "../../numbers/shape.ts";
import { checkTensor, Tensor, tensor } from "../../tensor/tensor.ts";
import { checkBlockSize, qparamShape } from "./granularity.ts";
import {
  checkDomain,
  checkMappingType,
  type MappingType,
  type ZeroPointDomain,
} from "./mapping.ts";
import { chooseRange, midPoint, quantRange } from "./range.ts";

/**
 * A scale and a zero point for each block. With `ZeroPointDomain.NONE`, and only then, the zero point is null,
 * which observers' types leave out.
 */
export type QParams<Z extends Tensor | null = Tensor> = [scale: Tensor, zeroPoint: Z];

/** Options of {@linkcode chooseQParamsAffine}. */
export interface ChooseQParamsOptions {
  /** The least integer to use; the dtype's by default. */
  quantMin?: number;
  /** The greatest integer to use; the dtype's by default. */
  quantMax?: number;
  /** The least scale; the smallest normal number of the input's dtype by default. */
  eps?: number;
  /** Dtype of the scales; the input's by default. */
  scaleDtype?: DType;
  /**
   * Dtype of the zero points. By default int32 from {@linkcode chooseQParamsAffine}; from
   * {@linkcode chooseQParamsAffineWithMinMax} and observers int32 for ASYMMETRIC, else the dtype of the
   * minima, as in torchao 0.18. For `ZeroPointDomain.FLOAT` the input's.
   */
  zeroPointDtype?: DType;
  /** Whether dimensions that lie whole in a block stay in the result's shape, as 1. */
  keepdim?: boolean;
  /** What the zero point is: an integer (by default), a float, or absent. */
  zeroPointDomain?: ZeroPointDomain;
  /**
   * Whether zero is one of the values that integers stand for; true by default. False, for ASYMMETRIC alone,
   * lays the range on the integers without widening it to hold zero; `ZeroPointDomain.FLOAT` always does so.
   */
  preserveZero?: boolean;
}

/** The names of {@linkcode ChooseQParamsOptions}. */
export const CHOOSE_OPTIONS: readonly string[] = [
  "quantMin",
  "quantMax",
  "eps",
  "scaleDtype",
  "zeroPointDtype",
  "keepdim",
  "zeroPointDomain",
  "preserveZero",
];

/** What is passed over beside them: an observer may hand on its own options. */
const OF_OBSERVERS: readonly string[] = ["granularity"];

/** Options of {@linkcode quantizeAffine}. */
export interface QuantizeOptions {
  /** The least integer to use; the dtype's by default. */
  quantMin?: number;
  /** The greatest integer to use; the dtype's by default. */
  quantMax?: number;
  /** What the zero point is: an integer (by default), a float, or absent. */
  zeroPointDomain?: ZeroPointDomain;
}

/** The names of {@linkcode QuantizeOptions}. */
const QUANTIZE_OPTIONS = ["quantMin", "quantMax", "zeroPointDomain"];

/** Options of {@linkcode dequantizeAffine}. */
export interface DequantizeOptions extends QuantizeOptions {
  /** Dtype of the result; float32 by default. */
  outputDtype?: DType;
}

function checkFloat(where: string, x: Tensor): void {
  checkTensor(where, x);
  if (!x.dtype.isFloat) {
    throw new TypeError(`${where}: expected a float tensor, got ${x.dtype.name}`);
  }
}

/**
 * Scale and zero point for each block of a tensor, from its minimum and maximum.
 *
 * With `minNeg = min(min, 0)`, `maxPos = max(max, 0)`, every step rounded in the input's dtype:
 * - ASYMMETRIC: `scale = (maxPos − minNeg) / (qmax − qmin)`, `zeroPoint = clamp(qmin − round(minNeg / scale))`
 * - SYMMETRIC: `scale = max(−minNeg, maxPos) / ((qmax − qmin) / 2)`, `zeroPoint = trunc((qmax + qmin + 1) / 2)`
 * - SYMMETRIC_NO_CLIPPING_ERR: `scale = max(minNeg / qmin, maxPos / qmax)`, zero point as SYMMETRIC
 *
 * and no scale below `eps`. The formulas, and the defaults of all options, are those of torchao 0.18; for
 * a float zero point see {@linkcode ZeroPointDomain}.
 *
 * @param input float, any shape.
 * @param mappingType how the range is laid onto integers.
 * @param blockSize the block that shares parameters, one size a dimension (see `getBlockSize`).
 * @param targetDtype the integer dtype to quantize to.
 * @param options the integer range, eps, result dtypes and shape.
 * @returns scale and zero point, one a block. Waits for the device.
 * @throws {RangeError} if the block does not divide the shape, the input is empty, holds a NaN or
 * an infinity, or quantMin and quantMax leave the dtype.
 * @throws {TypeError} if the input is not float, the target dtype not an integer one, the mapping or an option
 * misspelt, or the domain not one for the mapping.
 *
 * @example
 * ```ts
 * import { chooseQParamsAffine, MappingType, tensor, uint8 } from "@staticquant/staticquant";
 * const x = tensor([[-1, 0, 4.1]]);
 * const [scale, zeroPoint] = await chooseQParamsAffine(x, MappingType.ASYMMETRIC, [1, 3], uint8);
 * console.log(await scale.item(), await zeroPoint.item()); // 0.0199… 50
 * ```
 */
export function chooseQParamsAffine(
  input: Tensor,
  mappingType: MappingType,
  blockSize: readonly number[],
  targetDtype: DType,
  options: ChooseQParamsOptions & { zeroPointDomain: "NONE" },
): Promise<QParams<null>>;
/** Scale and zero point for each block of a tensor, from its minimum and maximum. */
export function chooseQParamsAffine(
  input: Tensor,
  mappingType: MappingType,
  blockSize: readonly number[],
  targetDtype: DType,
  options?: ChooseQParamsOptions,
): Promise<QParams>;
export async function chooseQParamsAffine(
  input: Tensor,
  mappingType: MappingType,
  blockSize: readonly number[],
  targetDtype: DType,
  options: ChooseQParamsOptions = {},
): Promise<QParams<Tensor | null>> {
  return await chooseQParamsOf(
    { where: "chooseQParamsAffine", what: "the input" },
    ...[input, mappingType, blockSize, targetDtype, options] as const,
  );
}

/** {@linkcode chooseQParamsAffine} under the names of what it is done for. */
export async function chooseQParamsOf(
  { where, what }: { readonly where: string; readonly what: string },
  input: Tensor,
  mappingType: MappingType,
  blockSize: readonly number[],
  targetDtype: DType,
  options: ChooseQParamsOptions,
): Promise<QParams<Tensor | null>> {
  checkOptions(where, options, [...CHOOSE_OPTIONS, ...OF_OBSERVERS]);
  checkFloat(where, input);
  quantRange(where, targetDtype, options.quantMin, options.quantMax);
  checkMapping(where, mappingType, targetDtype, options);
  checkBlockSize(input.shape, blockSize, where);
  if (input.numel === 0) {
    throw new RangeError(`${where}: a tensor of shape ${formatShape(input.shape)} has no range`);
  }
  const { min, max } = await finiteRanges(`${where}: ${what}`, input, blockSize);
  const shape = qparamShape(input.shape, blockSize, options.keepdim);
  const { zeroPointDtype = options.zeroPointDomain === "FLOAT" ? undefined : int32 } = options;
  return qparamsOf(min, max, input.dtype, mappingType, targetDtype, shape, input, {
    ...options,
    zeroPointDtype,
  });
}

/**
 * The least and the greatest value of each block. Waits.
 *
 * @throws {RangeError} if `what` holds a NaN or an infinity; it says where.
 */
export async function finiteRanges(
  what: string,
  x: Tensor,
  blockSize: readonly number[],
): Promise<{ min: Float32Array; max: Float32Array }> {
  const { backend } = x;
  const blocks = countBlocks(collapseBlocks(x.shape, blockSize));
  const state = backend.upload(emptyMinMaxState(blocks));
  backend.updateMinMax(state, x.operand, blockSize, 0);
  const reading = backend.read(state);
  const { min, max, badBatch } = decodeMinMaxState(await reading);
  backend.release(state);
  if (badBatch !== undefined) {
    const values = await x.data();
    const at = values.findIndex((v) => !Number.isFinite(v));
    throw new RangeError(
      `${what} holds a NaN or an infinity, which have no scale: element ${
        formatShape(indexOf(at, x.shape))
      } is ${values[at]}`,
    );
  }
  return { min, max };
}

/** The indices of an element, one a dimension. */
function indexOf(element: number, shape: readonly number[]): number[] {
  return shape.map((size, i) => Math.floor(element / numelOf(shape.slice(i + 1))) % size);
}

/** Throws a TypeError unless mapping, domain, target and dtypes go together. */
export function checkMapping(
  where: string,
  mappingType: MappingType,
  targetDtype: DType,
  options: ChooseQParamsOptions,
): void {
  checkMappingType(where, mappingType);
  const domain = checkDomain(where, options.zeroPointDomain);
  const { scaleDtype, zeroPointDtype, preserveZero } = options;
  if (scaleDtype !== undefined) checkDType(where, "scaleDtype", scaleDtype);
  if (zeroPointDtype !== undefined) checkDType(where, "zeroPointDtype", zeroPointDtype);
  const fail = (why: string) => {
    throw new TypeError(`${where}: ${why}`);
  };
  if (targetDtype.isFloat && mappingType === "ASYMMETRIC") {
    fail(`${targetDtype.name} has no zero point, so the mapping must be SYMMETRIC`);
  }
  if (mappingType !== "ASYMMETRIC" && (domain === "FLOAT" || preserveZero === false)) {
    const what = domain === "FLOAT" ? "ZeroPointDomain.FLOAT" : "preserveZero: false";
    fail(`${what} is for MappingType.ASYMMETRIC, but the mapping is ${mappingType}`);
  }
  if (domain === "FLOAT" && preserveZero === true) {
    fail("ZeroPointDomain.FLOAT does not preserve zero; leave preserveZero out");
  }
  if (domain === "NONE" && preserveZero === false) {
    fail("without a zero point zero is preserved; leave preserveZero out");
  }
  if (domain === "FLOAT" && zeroPointDtype && !zeroPointDtype.isFloat) {
    fail(`a float zero point cannot be ${zeroPointDtype.name}; give a float zeroPointDtype`);
  }
}

/**
 * Scale and zero point from minima and maxima that are already known, one pair a block. See
 * {@linkcode chooseQParamsAffine} for the formulas.
 *
 * @param minVal the minima, in the dtype that was observed.
 * @param maxVal the maxima, of the same shape and dtype.
 * @param mappingType how the range is laid onto integers.
 * @param targetDtype the integer dtype to quantize to.
 * @param options as for `chooseQParamsAffine`.
 * @throws {RangeError} if shapes or dtypes differ or a minimum lies above its maximum.
 *
 * @example
 * ```ts
 * import { chooseQParamsAffineWithMinMax, int8, MappingType, tensor } from "@staticquant/staticquant";
 * const [scale] = await chooseQParamsAffineWithMinMax(
 *   tensor([-1, -2]), tensor([1, 3]), MappingType.SYMMETRIC, int8);
 * console.log(await scale.data()); // Float32Array [ 0.00784…, 0.0235… ]
 * ```
 */
export function chooseQParamsAffineWithMinMax(
  minVal: Tensor,
  maxVal: Tensor,
  mappingType: MappingType,
  targetDtype: DType,
  options: ChooseQParamsOptions & { zeroPointDomain: "NONE" },
): Promise<QParams<null>>;
/** Scale and zero point from minima and maxima that are already known, one pair a block. */
export function chooseQParamsAffineWithMinMax(
  minVal: Tensor,
  maxVal: Tensor,
  mappingType: MappingType,
  targetDtype: DType,
  options?: ChooseQParamsOptions,
): Promise<QParams>;
export async function chooseQParamsAffineWithMinMax(
  minVal: Tensor,
  maxVal: Tensor,
  mappingType: MappingType,
  targetDtype: DType,
  options: ChooseQParamsOptions = {},
): Promise<QParams<Tensor | null>> {
  const where = "chooseQParamsAffineWithMinMax";
  checkOptions(where, options, [...CHOOSE_OPTIONS, ...OF_OBSERVERS]);
  checkFloat(where, minVal);
  checkFloat(where, maxVal);
  quantRange(where, targetDtype, options.quantMin, options.quantMax);
  checkMapping(where, mappingType, targetDtype, options);
  if (minVal.dtype !== maxVal.dtype || !sameShape(minVal.shape, maxVal.shape)) {
    throw new RangeError(
      `${where}: minVal is ${minVal.dtype.name} ${
        formatShape(minVal.shape)
      }, maxVal ${maxVal.dtype.name} ` +
        `${formatShape(maxVal.shape)}; they must agree`,
    );
  }
  const [min, max] = await Promise.all([minVal.data(), maxVal.data()]);
  const crossed = min.findIndex((low, i) => !(low <= max[i]));
  if (crossed >= 0) {
    throw new RangeError(
      `${where}: block ${crossed} has minimum ${min[crossed]} and maximum ${max[crossed]}`,
    );
  }
  return qparamsOf(min, max, minVal.dtype, mappingType, targetDtype, minVal.shape, minVal, options);
}

/** The parameters of many blocks, on the device that `like` is on. */
export function qparamsOf(
  min: ArrayLike<number>,
  max: ArrayLike<number>,
  dtype: DType,
  mappingType: MappingType,
  targetDtype: DType,
  shape: readonly number[],
  like: { readonly device: Tensor["device"] },
  options: ChooseQParamsOptions,
): QParams {
  const range = quantRange("chooseQParamsAffine", targetDtype, options.quantMin, options.quantMax);
  checkMapping("chooseQParamsAffine", mappingType, targetDtype, options);
  const { eps, zeroPointDomain: domain, preserveZero } = options;
  const spec = { ...range, mappingType, dtype, eps, domain, preserveZero };
  const { device } = like;
  const ranges = Array.from({ length: min.length }, (_, i) => chooseRange(min[i], max[i], spec));
  const isInteger = mappingType === "ASYMMETRIC" && domain !== "FLOAT";
  const { scaleDtype = dtype, zeroPointDtype = isInteger ? int32 : dtype } = options;
  const beyond = ranges.findIndex((r) => {
    const scale = roundTo(scaleDtype, r.scale);
    return !(scale > 0 && scale < Infinity);
  });
  if (beyond >= 0) {
    const { scale } = ranges[beyond];
    const cure = scaleDtype === float32
      ? "rescale the values, or give a sound eps"
      : roundTo(float32, scale) > 0 && roundTo(float32, scale) < Infinity
      ? "give scaleDtype: float32"
      : `the range is too wide for ${dtype.name}: convert the values to float32 first`;
    throw new RangeError(
      `chooseQParamsAffine: the range ${min[beyond]} to ${
        max[beyond]
      } of block ${beyond} gives the ` +
        `scale ${scale}, which is not a positive finite ${scaleDtype.name}; ${cure}`,
    );
  }
  const scale = ranges.map((r) => r.scale);
  const zeroPoint = ranges.map((r) => r.zeroPoint);
  return [
    tensor(scale, { shape, dtype: scaleDtype, device }).keep(),
    (domain === "NONE"
      ? null
      : tensor(zeroPoint, { shape, dtype: zeroPointDtype, device }).keep())!,
  ];
}

/** Throws unless there is one scale, and one zero point if any, for each block of a shape. */
export function checkQParams(
  where: string,
  shape: readonly number[],
  blockSize: readonly number[],
  scale: Tensor,
  zeroPoint: Tensor | null,
): void {
  checkTensor(`${where}: the scale`, scale);
  if (zeroPoint !== null) checkTensor(`${where}: the zero point`, zeroPoint);
  checkBlockSize(shape, blockSize, where);
  // An empty dimension lies in one block of none.
  const blocks = numelOf(shape.map((size, i) => blockSize[i] ? size / blockSize[i] : 1));
  for (const [name, t] of [["scale", scale], ["zeroPoint", zeroPoint]] as const) {
    if (t && t.numel !== blocks) {
      throw new RangeError(
        `${where}: the ${name} has shape ${formatShape(t.shape)}, but a tensor of shape ${
          formatShape(shape)
        } in blocks of ${formatShape(blockSize)} needs ${blocks} of them, shape ${
          formatShape(qparamShape(shape, blockSize))
        }`,
      );
    }
  }
  if (!scale.dtype.isFloat) {
    throw new TypeError(`${where}: the scale must be float, got ${scale.dtype.name}`);
  }
}

/** Runs `use` with the zero points as float32 (zeros if there are none), freed afterwards. */
function withFloat32<T>(
  zeroPoint: Tensor | null,
  like: Tensor,
  use: (zeroPoint: Tensor) => T,
): T {
  if (zeroPoint?.dtype === float32) return use(zeroPoint);
  using converted = zeroPoint?.to(float32) ??
    tensor(new Float32Array(like.numel), { shape: like.shape, device: like.device });
  return use(converted);
}

/**
 * Quantizes: `clamp(round(x · (1 / scale)) + zeroPoint, quantMin, quantMax)`. The reciprocal is
 * correctly rounded in the scale's dtype, the product in the dtype that input and scale promote to,
 * and `round` goes to even at ties; the bits are the same on every device. With
 * `zeroPointDomain: ZeroPointDomain.FLOAT`: `clamp(round((x − (zeroPoint − scale·mid)) / scale))`, every
 * step rounded in the dtype that its operands promote to. Enqueued.
 *
 * @param input float, any shape.
 * @param blockSize the block that shares parameters, one size a dimension.
 * @param scale one a block.
 * @param zeroPoint one a block, or null for zeros.
 * @param outputDtype the integer dtype.
 * @param options the integer range.
 * @returns integers, the input's shape.
 * @throws {RangeError} if shapes do not fit or the range leaves the dtype.
 * @throws {TypeError} if a dtype is of the wrong kind.
 *
 * @example
 * ```ts
 * import { quantizeAffine, tensor, uint8 } from "@staticquant/staticquant";
 * const q = quantizeAffine(tensor([[-1, 0, 4.1]]), [1, 3], tensor([0.02]), tensor([50]), uint8);
 * console.log(await q.data()); // Uint8Array [ 0, 50, 255 ]
 * ```
 */
export function quantizeAffine(
  input: Tensor,
  blockSize: readonly number[],
  scale: Tensor,
  zeroPoint: Tensor | null,
  outputDtype: DType,
  options: QuantizeOptions = {},
): Tensor {
  const where = "quantizeAffine";
  checkOptions(where, options, QUANTIZE_OPTIONS);
  checkFloat(where, input);
  const range = quantRange(where, outputDtype, options.quantMin, options.quantMax);
  checkQParams(where, input.shape, blockSize, scale, zeroPoint);
  checkSameDevice(where, input, scale, ...(zeroPoint ? [zeroPoint] : []));
  const { backend } = input;
  if (zeroPointOf(where, zeroPoint, outputDtype, options) === "FLOAT") {
    return quantizeAboutFloat(input, blockSize, scale, zeroPoint!, outputDtype, range);
  }
  return withFloat32(zeroPoint, scale, (zp) => {
    using inverse = new Tensor(backend, backend.reciprocal(scale.operand), scale.shape, float32);
    const q = backend.quantizeAffine(input.operand, {
      ...range,
      blockSize,
      inverseScale: inverse.operand.buffer,
      zeroPoint: zp.operand.buffer,
      productDtype: promoteTypes(input.dtype, scale.dtype),
      outputDtype,
    });
    return new Tensor(backend, q, input.shape, outputDtype);
  });
}

/**
 * Dequantizes: `(q − zeroPoint) · scale`, the product rounded in the dtype that output and scale
 * promote to and then to the output's. With `zeroPointDomain: ZeroPointDomain.FLOAT`:
 * `(q − mid) · scale + zeroPoint`. Enqueued.
 *
 * @param input integers, any shape.
 * @param blockSize the block that shares parameters, one size a dimension.
 * @param scale one a block.
 * @param zeroPoint one a block, or null for zeros.
 * @param inputDtype the dtype that the integers were quantized to.
 * @param options the output dtype.
 * @returns floats, the input's shape.
 * @throws {RangeError} if shapes do not fit.
 * @throws {TypeError} if the input is not of `inputDtype` or the output dtype not float.
 *
 * @example
 * ```ts
 * import { dequantizeAffine, tensor, uint8 } from "@staticquant/staticquant";
 * const q = tensor([[0, 50, 255]], { dtype: uint8 });
 * const x = dequantizeAffine(q, [1, 3], tensor([0.02]), tensor([50]), uint8);
 * console.log(await x.data()); // Float32Array [ -1, 0, 4.1 ]
 * ```
 */
export function dequantizeAffine(
  input: Tensor,
  blockSize: readonly number[],
  scale: Tensor,
  zeroPoint: Tensor | null,
  inputDtype: DType,
  options: DequantizeOptions = {},
): Tensor {
  const where = "dequantizeAffine";
  checkOptions(where, options, [...QUANTIZE_OPTIONS, "outputDtype"]);
  checkTensor(where, input);
  const { outputDtype = float32 } = options;
  checkDType(where, "outputDtype", outputDtype);
  const range = quantRange(where, inputDtype, options.quantMin, options.quantMax);
  if (input.dtype !== inputDtype) {
    throw new TypeError(`${where}: the integers are ${input.dtype.name}, not ${inputDtype.name}`);
  }
  if (!outputDtype.isFloat) {
    throw new TypeError(`${where}: the output dtype must be float, got ${outputDtype.name}`);
  }
  checkQParams(where, input.shape, blockSize, scale, zeroPoint);
  checkSameDevice(where, input, scale, ...(zeroPoint ? [zeroPoint] : []));
  const { backend } = input;
  if (zeroPointOf(where, zeroPoint, inputDtype, options) === "FLOAT") {
    return dequantizeAboutFloat(input, blockSize, scale, zeroPoint!, outputDtype, range);
  }
  return withFloat32(zeroPoint, scale, (zp) => {
    using wide = scale.dtype === float32 ? scale.reshape(scale.numel) : scale.to(float32);
    const x = backend.dequantizeAffine(input.operand, {
      blockSize,
      scale: wide.operand.buffer,
      zeroPoint: zp.operand.buffer,
      productDtype: promoteTypes(outputDtype, scale.dtype),
      outputDtype,
    });
    return new Tensor(backend, x, input.shape, outputDtype);
  });
}

/** The domain of a zero point, which must be there as the domain says. */
function zeroPointOf(
  where: string,
  zeroPoint: Tensor | null,
  integers: DType,
  options: QuantizeOptions,
): ZeroPointDomain {
  const domain = checkDomain(where, options.zeroPointDomain);
  if (domain === "NONE" && zeroPoint) {
    throw new TypeError(`${where}: with ZeroPointDomain.NONE the zero point must be null`);
  }
  if (domain !== "FLOAT") return domain;
  if (!zeroPoint?.dtype.isFloat) {
    throw new TypeError(
      `${where}: with ZeroPointDomain.FLOAT the zero point must be a float tensor, got ${
        zeroPoint ? zeroPoint.dtype.name : "null"
      }`,
    );
  }
  if (integers.isFloat) {
    throw new TypeError(`${where}: ZeroPointDomain.FLOAT is for integers, not ${integers.name}`);
  }
  return domain;
}

/** A tensor of the same number for each block. */
function everywhere(value: number, like: Tensor): Tensor {
  return tensor(new Float32Array(like.numel).fill(value), { device: like.device });
}

/** `clamp(round((x − (zeroPoint − scale·mid)) / scale))`. */
function quantizeAboutFloat(
  input: Tensor,
  blockSize: readonly number[],
  scale: Tensor,
  zeroPoint: Tensor,
  outputDtype: DType,
  range: { quantMin: number; quantMax: number },
): Tensor {
  const { backend } = input;
  const one = [1];
  using mid = everywhere(midPoint(range.quantMin, range.quantMax), scale);
  using none = everywhere(0, scale);
  using wideScale = scale.to(float32).reshape(scale.numel);
  using wideZero = zeroPoint.to(float32).reshape(scale.numel);
  // In a step of its own, so that no device fuses it with the subtraction.
  const shift = backend.dequantizeAffine(mid.operand, {
    blockSize: one,
    scale: wideScale.operand.buffer,
    zeroPoint: none.operand.buffer,
    productDtype: scale.dtype,
    outputDtype: float32,
  });
  const least = promoteTypes(zeroPoint.dtype, scale.dtype);
  const q = backend.quantizeAboutFloat(input.operand, {
    ...range,
    blockSize,
    scale: wideScale.operand.buffer,
    zeroPoint: wideZero.operand.buffer,
    shift,
    leastDtype: least,
    productDtype: promoteTypes(input.dtype, least),
    outputDtype,
  });
  backend.release(shift);
  return new Tensor(backend, q, input.shape, outputDtype);
}

/** `(q − mid)·scale + zeroPoint`, each step rounded to the output's dtype. */
function dequantizeAboutFloat(
  input: Tensor,
  blockSize: readonly number[],
  scale: Tensor,
  zeroPoint: Tensor,
  outputDtype: DType,
  range: { quantMin: number; quantMax: number },
): Tensor {
  const { backend } = input;
  using mid = everywhere(midPoint(range.quantMin, range.quantMax), scale);
  using wideScale = scale.to(float32).reshape(scale.numel);
  using wideZero = zeroPoint.to(float32).reshape(scale.numel);
  const steps = backend.dequantizeAffine(input.operand, {
    blockSize,
    scale: wideScale.operand.buffer,
    zeroPoint: mid.operand.buffer,
    productDtype: promoteTypes(outputDtype, scale.dtype),
    outputDtype,
  });
  using scaled = new Tensor(backend, steps, input.shape, outputDtype);
  const x = backend.addBlocks(scaled.operand, {
    blockSize,
    values: wideZero.operand.buffer,
    sumDtype: promoteTypes(outputDtype, zeroPoint.dtype),
  });
  return new Tensor(backend, x, input.shape, outputDtype);
}
