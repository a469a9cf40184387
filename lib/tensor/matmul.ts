/**
 * Products of matrices, one or many at once.
 *
 * @module
 */
import { batchDims } from "../backend/batches.ts";
import { checkOptions } from "../numbers/arguments.ts";
import { formatShape, numelOf } from "../numbers/shape.ts";
import { checkSameDevice } from "./ops.ts";
import { checkTensor, Tensor } from "./tensor.ts";

/** Options of {@linkcode matmul}. */
export interface MatmulOptions {
  /**
   * Whether the matrices of `b` are given transposed, as (…, N, K), which spares a copy: `q·kᵀ` is
   * `matmul(q, k, { transposeB: true })`. False by default.
   */
  transposeB?: boolean;
}

/**
 * The product of matrices, as `torch.matmul`: of the last two dimensions, with the leading ones
 * broadcast. A vector on the left counts as one row, on the right as one column, and that dimension is
 * left out of the result. Products accumulate in float32 and are rounded once to the dtype of `a`.
 *
 * @param a float, shape (…, M, K) or (K,).
 * @param b of the same dtype, shape (…, K, N) or (K,).
 * @param options whether `b` is given transposed.
 * @returns shape (…, M, N), the dtype of `a`. Enqueued.
 * @throws {RangeError} if the shapes do not fit.
 * @throws {TypeError} if the dtypes differ or are not float.
 *
 * @example
 * ```ts
 * import { matmul, tensor } from "@staticquant/staticquant";
 * const y = matmul(tensor([[1, 2], [3, 4]]), tensor([[1, 0], [0, 2]]));
 * console.log(y.shape, await y.data()); // [ 2, 2 ] Float32Array [ 1, 4, 3, 8 ]
 * ```
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const where = "matmul";
  checkTensor(`${where}: a`, a);
  checkTensor(`${where}: b`, b);
  checkOptions(where, options, ["transposeB"]);
  if (!a.dtype.isFloat || a.dtype.itemSize === 1 || a.dtype !== b.dtype) {
    throw new TypeError(
      `${where}: the operands are ${a.dtype.name} and ${b.dtype.name}; both must be the same of float32, ` +
        `float16 and bfloat16: convert one with .to(${a.dtype.isFloat ? a.dtype.name : "float32"})`,
    );
  }
  checkSameDevice(where, a, b);
  const { x, w, transposeB, shape } = productShapes(where, a, b, options);
  const { backend } = a;
  const y = backend.matmul({ ...a.operand, shape: x }, { ...b.operand, shape: w }, { transposeB });
  return new Tensor(backend, y, shape, a.dtype);
}

/** What a product of tensors is as one of matrices. */
export interface ProductShapes {
  /** The shape of `a` as matrices. */
  readonly x: readonly number[];
  /** That of `b`. */
  readonly w: readonly number[];
  /** Whether the rows of those of `b` run along K. */
  readonly transposeB: boolean;
  /** The shape of the result. */
  readonly shape: readonly number[];
}

/** The matrices that tensors are, or vectors are taken for. @throws {RangeError} if they do not fit. */
export function productShapes(
  where: string,
  a: Tensor,
  b: Tensor,
  options: MatmulOptions,
): ProductShapes {
  const vector = b.ndim === 1;
  const transposeB = vector || (options.transposeB ?? false);
  const left = a.ndim === 1 ? [1, ...a.shape] : a.shape;
  const right = vector ? [1, ...b.shape] : b.shape;
  const k = right.at(transposeB ? -1 : -2);
  const batch = batchDims(left.slice(0, -2), right.slice(0, -2));
  if (a.ndim === 0 || b.ndim === 0 || left.at(-1) !== k || !batch) {
    throw misfit(where, a, b, transposeB);
  }
  const n = right.at(transposeB ? -2 : -1)!;
  const shape = [
    ...batch.shape,
    ...a.ndim === 1 ? [] : [left.at(-2)!],
    ...vector ? [] : [n],
  ];
  // One matrix on the right multiplies all rows on the left at once.
  const alone = numelOf(right.slice(0, -2)) === 1 &&
    numelOf(batch.shape) === numelOf(left.slice(0, -2));
  const [x, w] = alone
    ? [[numelOf(left.slice(0, -1)), left.at(-1)!], right.slice(-2)]
    : [left, right];
  return { x, w, transposeB, shape };
}

function misfit(where: string, a: Tensor, b: Tensor, transposed: boolean): RangeError {
  const matrices = transposed ? "(…, M, K) and (…, N, K)" : "(…, M, K) and (…, K, N)";
  return new RangeError(
    `${where}: shapes ${formatShape(a.shape)} and ${
      formatShape(b.shape)
    } do not fit; they must be ` +
      `${matrices}, or (K,), with leading dimensions that are equal or 1`,
  );
}
