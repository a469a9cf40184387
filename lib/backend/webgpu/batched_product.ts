/**
 * Products of batches of matrices as dispatches.
 *
 * @module
 */
import { numelOf } from "../../numbers/shape.ts";
import type { DeviceBuffer, MatmulArgs, Operand } from "../backend.ts";
import { batchDims } from "../batches.ts";
import { rowStride } from "../channels_last.ts";
import { transposeToRows } from "./channels_last.ts";
import { type DispatchTarget, elementwiseStep, gpu } from "./dispatch_target.ts";
import { linearKernel, linearSteps } from "./kernels/linear.ts";
import { padRowsKernel } from "./kernels/pad_rows.ts";
import { dispatchProduct, storing } from "./products.ts";

/**
 * The product into `y`. The kernel reads both operands along K, so `b` is transposed first unless it
 * is given so. A K that does not fill vectors is filled up with zeros.
 */
export function batchedProduct(
  a: Operand,
  b: Operand,
  { transposeB = false }: MatmulArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const { dtype } = a;
  const [m, k] = a.shape.slice(-2);
  const n = b.shape.at(transposeB ? -2 : -1)!;
  const { dims } = batchDims(a.shape.slice(0, -2), b.shape.slice(0, -2))!;
  const products = dims.reduce((count, { size }) => count * size, 1);
  const width = rowStride(k, dtype);
  const made: DeviceBuffer[] = [];
  const make = (numel: number) => {
    const buffer = target.sink.pool.acquire(numel * dtype.itemSize, "matmul");
    made.push(buffer);
    return buffer;
  };
  try {
    const padded = (x: Operand) => {
      if (width === k) return x.buffer;
      const numel = numelOf(x.shape) / k * width;
      const kernel = padRowsKernel(dtype, dtype);
      const wide = make(numel);
      elementwiseStep(target, kernel, [x.buffer], wide, numel, dtype, [k, width]);
      return wide;
    };
    const transposed = () => {
      const count = numelOf(b.shape) / (k * n);
      const rows = make(count * n * width);
      transposeToRows(target, b.buffer, dtype, { count, rows: k, columns: n }, rows);
      return rows;
    };
    if (products === 0 || m === 0 || n === 0) return;
    const [x, w] = k === 0
      ? [a.buffer, b.buffer]
      : [padded(a), transposeB ? padded(b) : transposed()];
    storing(target, y, dtype, products * m, n, (output, y) => {
      const spec = { dtype, k: width, output, bias: undefined, batch: dims.length };
      dispatchProduct(target, {
        key: `${dtype.name} ${m} ${n} ${k} times ${products}`,
        kernel: (tile) => linearKernel(spec, tile),
        buffers: [x, w, y],
        params: [m, n, width, linearSteps(spec)],
        batch: { products, params: dims.flatMap(({ size, a, b }) => [size, a, b]) },
        shape: { m, n },
        exact: false,
      });
    });
  } finally {
    made.forEach((buffer) => target.sink.pool.release(gpu(buffer)));
  }
}
