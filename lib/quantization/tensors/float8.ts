/**
 * Tensors of 8-bit floats with scales.
 *
 * @module
 */
import { checkOptions } from "../../numbers/arguments.ts";
import { type DType, float8_e4m3fn } from "../../numbers/dtype.ts";
import { formatShape } from "../../numbers/shape.ts";
import { checkTensor, type Tensor } from "../../tensor/tensor.ts";
import {
  checkBounds,
  checkFloat8,
  type MagnitudeBounds,
  quantizeAffineFloat8,
  scaleFloat8OnDevice,
} from "../affine/float8.ts";
import { AffineQuantizedTensor } from "./quantized_tensor.ts";

/**
 * Quantizes a float tensor to 8-bit floats with scales that are already fixed; see `quantizeAffineFloat8`.
 * Enqueued.
 *
 * @param input float, any shape.
 * @param scale float, one a block.
 * @param blockSize the block that shares a scale, one size a dimension.
 * @param dtype `float8_e4m3fn` (by default) or `float8_e5m2`.
 * @throws {RangeError} if shapes do not fit.
 * @throws {TypeError} if a dtype is of the wrong kind.
 *
 * @example
 * ```ts
 * import { tensor, toAffineQuantizedFloat8Static } from "@staticquant/staticquant";
 * const q = toAffineQuantizedFloat8Static(tensor([[1, -3, 0.1]]), tensor([2]), [1, 3]);
 * console.log(await q.dequantize().data()); // Float32Array [ 1, -3, 0.1015625 ]
 * ```
 */
export function toAffineQuantizedFloat8Static(
  input: Tensor,
  scale: Tensor,
  blockSize: readonly number[],
  dtype: DType = float8_e4m3fn,
): AffineQuantizedTensor {
  const intData = quantizeAffineFloat8(input, blockSize, scale, dtype);
  return new AffineQuantizedTensor({
    ...{ intData, scale, zeroPoint: null, blockSize },
    dtype: input.dtype,
  });
}

/** Options of {@linkcode toAffineQuantizedFloat8}. */
export interface Float8Options extends MagnitudeBounds {
  /** `float8_e4m3fn` (by default) or `float8_e5m2`. */
  dtype?: DType;
  /** Whether each row has a scale of its own, not all of the tensor one; false by default. */
  perRow?: boolean;
}

/** The options with their defaults. `where` opens the errors. */
export function float8Options(
  where: string,
  options: Float8Options,
): MagnitudeBounds & { readonly dtype: DType; readonly perRow: boolean } {
  checkOptions(where, options, ["dtype", "perRow", "valueLb", "valueUb"]);
  const { dtype = float8_e4m3fn, perRow = false } = options;
  checkFloat8(where, "dtype", dtype);
  return { dtype, perRow: Boolean(perRow), ...checkBounds(where, options) };
}

/**
 * Quantizes a float tensor to 8-bit floats by its own range: `scale = max|x| / max(dtype)`, rounded in the dtype
 * of `x`, and `q = x / scale` rounded to the nearest. The scale stays on the device, so nothing is read back and
 * nothing waits; the bits are those of torchao 0.18 on every device. A NaN or an infinity makes all that shares
 * its scale NaN or zero.
 *
 * @param input float, at least one dimension.
 * @param options dtype, whether rows have scales of their own, and bounds of the largest magnitude.
 * @returns float8 of the input's shape. Enqueued.
 * @throws {TypeError} if the input is not float, or the dtype no 8-bit float.
 * @throws {RangeError} if the input is empty or has no dimension, or a bound is no number above 0.
 *
 * @example
 * ```ts
 * import { tensor, toAffineQuantizedFloat8 } from "@staticquant/staticquant";
 * const q = toAffineQuantizedFloat8(tensor([[1, -2], [448, 0]]), { perRow: true });
 * console.log(await q.intData().data()); // Float32Array [ 224, -448, 448, 0 ]
 * ```
 */
export function toAffineQuantizedFloat8(
  input: Tensor,
  options: Float8Options = {},
): AffineQuantizedTensor {
  const where = "toAffineQuantizedFloat8";
  const { dtype, perRow, ...bounds } = float8Options(where, options);
  checkTensor(where, input);
  if (!input.dtype.isFloat) {
    throw new TypeError(`${where}: expected a float tensor, got ${input.dtype.name}`);
  }
  const { shape } = input;
  if (shape.length === 0 || input.numel === 0) {
    throw new RangeError(`${where}: a tensor of shape ${formatShape(shape)} has no rows`);
  }
  const scale = scaleFloat8OnDevice(input, perRow, dtype, bounds);
  const blockSize = shape.map((size, d) => !perRow || d === shape.length - 1 ? size : 1);
  const intData = quantizeAffineFloat8(input, blockSize, scale, dtype);
  return new AffineQuantizedTensor({
    ...{ intData, scale, zeroPoint: null, blockSize },
    ...{ dtype: input.dtype, ownsParams: true },
  });
}
