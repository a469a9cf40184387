/**
 * Quantizing activations at run time, each row with a scale of its own.
 *
 * @module
 */
import { checkOptions } from "../../numbers/arguments.ts";
import { finfo, float16, float32, int8, promoteTypes } from "../../numbers/dtype.ts";
import { asRows } from "../../tensor/ops.ts";
import { roundTo } from "../../numbers/rounding.ts";
import { checkTensor, Tensor } from "../../tensor/tensor.ts";
import { AffineQuantizedTensor } from "./quantized_tensor.ts";
import { quantRange } from "../affine/range.ts";

/** Options of {@linkcode toAffineQuantizedPerToken}. */
export interface PerTokenOptions {
  /** The least integer to use; −128 by default. */
  quantMin?: number;
  /** The greatest integer to use; 127 by default. */
  quantMax?: number;
  /** The least scale; float32's eps, 2^−23, by default. */
  eps?: number;
}

/**
 * The options with their defaults. `where` opens the errors.
 *
 * @throws {RangeError} if the range is not symmetric about zero (but for the least integer), leaves int8,
 * or eps is not a number above 0.
 */
export function perTokenRange(where: string, options: PerTokenOptions): Required<PerTokenOptions> {
  const { eps = finfo(float32).eps } = options;
  const range = quantRange(where, int8, options.quantMin ?? -128, options.quantMax ?? 127);
  const { quantMin, quantMax } = range;
  if (quantMin !== -quantMax && quantMin !== -quantMax - 1) {
    throw new RangeError(
      `${where}: quantMin ${quantMin} and quantMax ${quantMax} are not symmetric about zero; give ` +
        `${-quantMax} or ${-quantMax - 1} as quantMin`,
    );
  }
  if (!(Number.isFinite(eps) && eps > 0)) {
    throw new RangeError(`${where}: eps must be above 0, got ${eps}`);
  }
  return { ...range, eps };
}

/**
 * Quantizes each row (token) of a float tensor to int8 with a scale of its own, symmetric about zero.
 * One kernel finds the range and quantizes, so nothing is read back and nothing waits:
 *
 * `scale = max(max|x| / ((quantMax − quantMin) / 2), eps)`, `q = clamp(round(x · (1 / scale)))`
 *
 * The division is correctly rounded in the dtype of `x` and the reciprocal in float32, as torchao 0.18
 * does, so the integers are the same on every device. A row that holds a NaN or
 * an infinity gets a scale that is not finite, and what is multiplied with it is not either.
 *
 * @param input float, shape (…, features).
 * @param options the integer range and the least scale; by default those of int8 dynamic quantization in
 * torchao 0.18.
 * @returns int8 of the input's shape, with a float32 scale for each row and no zero points. Enqueued.
 * @throws {TypeError} if the input is not float.
 * @throws {RangeError} if it has no dimension, or the range is not symmetric about zero (but for the
 * least integer) or leaves int8.
 *
 * @example
 * ```ts
 * import { tensor, toAffineQuantizedPerToken } from "@staticquant/staticquant";
 * const q = toAffineQuantizedPerToken(tensor([[1, -2, 0.5], [100, 0, -50]]));
 * console.log(await q.intData().data()); // Int8Array [ 64, -128, 32, 127, 0, -64 ]
 * console.log(await q.scale.data()); // Float32Array [ 0.01568…, 0.784… ]
 * ```
 */
export function toAffineQuantizedPerToken(
  input: Tensor,
  options: PerTokenOptions = {},
): AffineQuantizedTensor {
  const where = "toAffineQuantizedPerToken";
  checkOptions(where, options, ["quantMin", "quantMax", "eps"]);
  checkTensor(where, input);
  const { dtype, shape, backend } = input;
  if (!dtype.isFloat) {
    throw new TypeError(`${where}: expected a float tensor, got ${dtype.name}`);
  }
  if (shape.length === 0) {
    throw new RangeError(`${where}: a tensor of shape () has no rows; reshape it to (1, 1)`);
  }
  const { eps, ...range } = perTokenRange(where, options);
  const scaleDtype = float32;
  const { leading, rows } = asRows(input);
  using matrix = rows;
  const { packed, scale } = backend.quantizeRowsDynamic(matrix.operand, {
    ...range,
    eps: Math.max(roundTo(dtype, eps), dtype === float16 ? 2 ** -24 : 2 ** -126),
    scaleDtype,
    productDtype: promoteTypes(dtype, scaleDtype),
  });
  return new AffineQuantizedTensor({
    packed,
    shape,
    targetDtype: int8,
    scale: new Tensor(backend, scale, leading, float32),
    zeroPoint: null,
    blockSize: shape.map((size, i) => i === shape.length - 1 ? size : 1),
    dtype,
    ...range,
    ownsParams: true,
  });
}
