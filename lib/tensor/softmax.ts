/**
 * Softmax and its logarithm, computed in float32 and rounded once.
 *
 * @module
 */
import { dimOf } from "./dims.ts";
import { rowsOf } from "./reduction.ts";
import { checkTensor, Tensor } from "./tensor.ts";

function softmaxOf(where: string, x: Tensor, dim: number, log: boolean): Tensor {
  checkTensor(where, x);
  if (!x.dtype.isFloat) {
    throw new TypeError(
      `${where}: expected a float tensor, got ${x.dtype.name}; convert it with .to(float32)`,
    );
  }
  const rows = rowsOf(x.shape, dimOf(where, dim, x.shape));
  return new Tensor(x.backend, x.backend.softmax(x.operand, { ...rows, log }), x.shape, x.dtype);
}

/**
 * `exp(x) / Σ exp(x)` along a dimension, as `torch.softmax`.
 *
 * @param x float.
 * @param dim the dimension that sums to 1.
 * @throws {TypeError} if `x` is not float.
 * @throws {RangeError} if there is no such dimension.
 *
 * @example
 * ```ts
 * import { softmax, tensor } from "@staticquant/staticquant";
 * console.log(await softmax(tensor([0, 0]), 0).data()); // Float32Array [ 0.5, 0.5 ]
 * ```
 */
export function softmax(x: Tensor, dim: number): Tensor {
  return softmaxOf("softmax", x, dim, false);
}

/**
 * `x − log(Σ exp(x))` along a dimension, as `torch.log_softmax`.
 *
 * @param x float.
 * @param dim the dimension that is added up.
 * @throws {TypeError} if `x` is not float.
 * @throws {RangeError} if there is no such dimension.
 *
 * @example
 * ```ts
 * import { logSoftmax, tensor } from "@staticquant/staticquant";
 * console.log(await logSoftmax(tensor([0, 0]), 0).data()); // ≈ -0.6931472, -0.6931472
 * ```
 */
export function logSoftmax(x: Tensor, dim: number): Tensor {
  return softmaxOf("logSoftmax", x, dim, true);
}
