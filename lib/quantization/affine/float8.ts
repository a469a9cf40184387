/**
 * The arithmetic of 8-bit floats with a scale: torchao's `_choose_scale_float8` and `_quantize_affine_float8`.
 *
 * @module
 */
import { collapseBlocks, countBlocks } from "../../backend/blocks.ts";
import { checkDType, checkOptions, given } from "../../numbers/arguments.ts";
import {
  bfloat16,
  type DType,
  float16,
  float32,
  float8_e4m3fn,
  float8_e5m2,
} from "../../numbers/dtype.ts";
import { roundTo } from "../../numbers/rounding.ts";
import { formatShape, numelOf } from "../../numbers/shape.ts";
import { Formula } from "../../tensor/formula.ts";
import { checkSameDevice } from "../../tensor/ops.ts";
import { abs } from "../../tensor/pointwise.ts";
import { amax } from "../../tensor/reduction.ts";
import { checkTensor, type Tensor, tensor } from "../../tensor/tensor.ts";
import { checkBlockSize, qparamShape } from "./granularity.ts";
import { checkQParams, finiteRanges } from "./primitives.ts";

/** The least scale: that of zeros alone, which torchao makes NaNs of, as 0/0. */
export const LEAST_SCALE = 2 ** -126;

/** Bounds of the largest magnitude that a scale is made for. */
export interface MagnitudeBounds {
  /** The least that it counts as; none by default. */
  valueLb?: number;
  /** The greatest that it counts as, so that larger values are cut off; none by default. */
  valueUb?: number;
}

/** Throws a TypeError unless `dtype` is an 8-bit float. */
export function checkFloat8(where: string, name: string, dtype: unknown): asserts dtype is DType {
  checkDType(where, name, dtype);
  if (dtype === float8_e4m3fn || dtype === float8_e5m2) return;
  throw new TypeError(`${where}: ${name} must be float8_e4m3fn or float8_e5m2, got ${dtype.name}`);
}

/**
 * The bounds, checked.
 *
 * @throws {RangeError} if one is no number above 0, or they are crossed.
 */
export function checkBounds(where: string, bounds: MagnitudeBounds): MagnitudeBounds {
  const { valueLb, valueUb } = bounds;
  for (const [name, value] of Object.entries({ valueLb, valueUb })) {
    if (value === undefined || (value > 0 && value < Infinity)) continue;
    throw new RangeError(`${where}: ${name} must be a finite number above 0, got ${given(value)}`);
  }
  if (valueLb !== undefined && valueUb !== undefined && valueLb > valueUb) {
    throw new RangeError(`${where}: valueLb ${valueLb} lies above valueUb ${valueUb}`);
  }
  return { valueLb, valueUb };
}

function checkFloat(where: string, x: Tensor): void {
  checkTensor(where, x);
  if (!x.dtype.isFloat) {
    throw new TypeError(`${where}: expected a float tensor, got ${x.dtype.name}`);
  }
}

/**
 * The scale of each block of a tensor for 8-bit floats: `max|x| / max(dtype)`, rounded in the tensor's dtype. A
 * block of zeros has the least normal scale, 2^−126. Waits for the device.
 *
 * @param input float, any shape.
 * @param blockSize the block that shares a scale, one size a dimension (see `getBlockSize`).
 * @param dtype `float8_e4m3fn` (by default) or `float8_e5m2`.
 * @param bounds of the largest magnitude.
 * @returns float32, one a block.
 * @throws {RangeError} if the block does not divide the shape, or the input is empty, or holds a NaN or an infinity.
 * @throws {TypeError} if the input is not float, or the dtype no 8-bit float.
 *
 * @example
 * ```ts
 * import { chooseScaleFloat8, tensor } from "@staticquant/staticquant";
 * const scale = await chooseScaleFloat8(tensor([[1, -2], [448, 0]]), [1, 2]);
 * console.log(await scale.data()); // Float32Array [ 0.00446…, 1 ]
 * ```
 */
export async function chooseScaleFloat8(
  input: Tensor,
  blockSize: readonly number[],
  dtype: DType = float8_e4m3fn,
  bounds: MagnitudeBounds = {},
): Promise<Tensor> {
  const where = "chooseScaleFloat8";
  return await chooseScaleOf({ where, what: "the input" }, input, blockSize, dtype, bounds);
}

/** {@linkcode chooseScaleFloat8} under the names of what it is done for. */
export async function chooseScaleOf(
  { where, what }: { readonly where: string; readonly what: string },
  input: Tensor,
  blockSize: readonly number[],
  dtype: DType,
  bounds: MagnitudeBounds = {},
): Promise<Tensor> {
  checkFloat(where, input);
  checkFloat8(where, "dtype", dtype);
  checkOptions(where, bounds, ["valueLb", "valueUb"]);
  const { valueLb = 0, valueUb = Infinity } = checkBounds(where, bounds);
  checkBlockSize(input.shape, blockSize, where);
  if (input.numel === 0) {
    throw new RangeError(`${where}: a tensor of shape ${formatShape(input.shape)} has no range`);
  }
  const { min, max } = await finiteRanges(`${where}: ${what}`, input, blockSize);
  const scales = Float32Array.from(max, (high, i) => {
    const magnitude = roundTo(input.dtype, Math.max(Math.abs(min[i]), Math.abs(high), valueLb));
    const bounded = Math.min(magnitude, roundTo(input.dtype, valueUb));
    return Math.max(roundTo(input.dtype, bounded / dtype.max), LEAST_SCALE);
  });
  const shape = qparamShape(input.shape, blockSize);
  return tensor(scales, { shape, dtype: float32, device: input.device }).keep();
}

/**
 * {@linkcode chooseScaleFloat8} for all of an input or for each of its rows, on the device: nothing is read back
 * and nothing waits, so a NaN makes the scale one.
 *
 * @returns float32, one number or one a row. Enqueued.
 */
export function scaleFloat8OnDevice(
  input: Tensor,
  perRow: boolean,
  dtype: DType,
  { valueLb, valueUb }: MagnitudeBounds,
): Tensor {
  const where = "scaleFloat8OnDevice";
  using magnitudes = abs(input);
  using most = amax(magnitudes, perRow ? -1 : undefined);
  const formula = new Formula(where);
  let value = formula.read(most, "float");
  if (valueLb !== undefined) {
    value = formula.apply("maximum", value, roundTo(input.dtype, valueLb));
  }
  if (valueUb !== undefined) {
    value = formula.apply("minimum", value, roundTo(input.dtype, valueUb));
  }
  value = formula.apply("quotient", value, dtype.max);
  if (input.dtype === float16 || input.dtype === bfloat16) {
    value = formula.apply(input.dtype === float16 ? "float16" : "bfloat16", value);
  }
  formula.apply("maximum", value, LEAST_SCALE);
  return formula.result(float32);
}

/**
 * Quantizes to 8-bit floats: `clamp(x / scale)` rounded to the nearest, ties to even. The quotient is correctly
 * rounded in float32 and what lies beyond the largest number becomes that, as in torchao; a NaN stays one.
 * `dequantizeAffine` gives `q · scale` back. Enqueued.
 *
 * @param input float, any shape.
 * @param blockSize the block that shares a scale, one size a dimension.
 * @param scale float, one a block.
 * @param dtype `float8_e4m3fn` (by default) or `float8_e5m2`.
 * @returns of that dtype, the input's shape.
 * @throws {RangeError} if shapes do not fit.
 * @throws {TypeError} if a dtype is of the wrong kind.
 *
 * @example
 * ```ts
 * import { quantizeAffineFloat8, tensor } from "@staticquant/staticquant";
 * const q = quantizeAffineFloat8(tensor([[1, -3.1, 99999]]), [1, 3], tensor([2]));
 * console.log(await q.data()); // Float32Array [ 0.5, -1.5, 448 ]
 * ```
 */
export function quantizeAffineFloat8(
  input: Tensor,
  blockSize: readonly number[],
  scale: Tensor,
  dtype: DType = float8_e4m3fn,
): Tensor {
  const where = "quantizeAffineFloat8";
  checkFloat(where, input);
  checkFloat8(where, "dtype", dtype);
  checkQParams(where, input.shape, blockSize, scale, null);
  checkSameDevice(where, input, scale);
  // Dimensions of blocks and inside of them in turn, those that count nothing left out.
  const { shape, blocks } = blockwise(input.shape, blockSize);
  using matrix = input.reshape(...shape);
  using scales = scale.reshape(...blocks);
  const formula = new Formula(where);
  const quotient = formula.apply(
    "quotient",
    formula.read(matrix, "float"),
    formula.read(scales, "float"),
  );
  const below = formula.apply("minimum", quotient, dtype.max);
  formula.apply("maximum", below, dtype.min);
  using q = formula.result(dtype);
  return q.reshape(...input.shape);
}

/** A shape in which blocks lie along dimensions of their own, and that of numbers for them, to broadcast. */
function blockwise(
  sizes: readonly number[],
  blockSize: readonly number[],
): { shape: number[]; blocks: number[] } {
  if (countBlocks(collapseBlocks(sizes, blockSize)) === 1) {
    return { shape: [numelOf(sizes)], blocks: [1] };
  }
  const shape: number[] = [];
  const blocks: number[] = [];
  sizes.forEach((size, d) => {
    const block = blockSize[d] || 1;
    shape.push(size / block, block);
    blocks.push(size / block, 1);
  });
  return { shape, blocks };
}
