/**
 * Products of bytes, exact in int32.
 *
 * @module
 */
import type { Backend, PackedRows } from "../../../backend/backend.ts";
import { int32 } from "../../../numbers/dtype.ts";
import { numelOf } from "../../../numbers/shape.ts";
import { checkAccumulator, releaseRows } from "../../../quantization/tensors/quantized_tensor.ts";
import { Tensor, tensor } from "../../../tensor/tensor.ts";

/** A matrix of bytes whose rows are multiplied, and what is taken from each number before. */
export interface ByteRows {
  readonly rows: PackedRows;
  readonly dtype: Tensor["dtype"];
  /** One for all rows, or float32 numbers, one a row. */
  readonly zeroPoint: number | Tensor;
}

/** The range of a type, as the check of sums takes it. */
function rangeOf({ dtype, zeroPoint }: ByteRows) {
  const zeroPoints = typeof zeroPoint === "number" ? [zeroPoint, zeroPoint] as const : undefined;
  return { quantMin: dtype.min, quantMax: dtype.max, zeroPoints };
}

/** One number for a parameter, as kernels read it. */
function parameter(backend: Backend, value: number | Tensor): Tensor {
  if (value instanceof Tensor) return value.reshape(value.numel);
  return tensor([value], { device: backend.device });
}

/**
 * `(x − zx)·(w − zw)ᵀ` for x (M, K) and w (N, K): (M, N) in int32. Enqueued.
 *
 * @throws {RangeError} if K is so large that a sum could leave int32.
 */
export function integerProduct(backend: Backend, x: ByteRows, w: ByteRows): Tensor {
  checkAccumulator("the integer product", w.rows.k, rangeOf(x), rangeOf(w));
  using one = tensor([1], { device: backend.device });
  using xZeroPoint = parameter(backend, x.zeroPoint);
  using wZeroPoint = parameter(backend, w.zeroPoint);
  using wScale = wZeroPoint.numel === 1
    ? one.reshape(1)
    : tensor(new Float32Array(wZeroPoint.numel).fill(1), { device: backend.device });
  const buffer = backend.packedLinear(x.rows, w.rows, {
    xScale: one.operand.buffer,
    xZeroPoint: xZeroPoint.operand.buffer,
    wScale: wScale.operand.buffer,
    wZeroPoint: wZeroPoint.operand.buffer,
    wParamCount: wZeroPoint.numel,
    bias: null,
    outputDtype: int32,
  });
  return new Tensor(backend, buffer, [x.rows.rows, w.rows.rows], int32);
}

/** The rows of a tensor of bytes, ready to be multiplied; given back when they are disposed of. */
export function packed(q: Tensor): { readonly rows: PackedRows } & Disposable {
  const { backend, shape } = q;
  const k = shape.at(-1)!;
  using matrix = q.reshape(numelOf(shape.slice(0, -1)), k);
  const rows = backend.packRows(matrix.operand);
  return { rows, [Symbol.dispose]: () => releaseRows(backend, rows) };
}
