/**
 * Products of batches of matrices as dispatches.
 *
 * @module
 */
import { float32 } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import type { DeviceBuffer, MatmulArgs, Operand } from "../backend.ts";
import { batchDims } from "../batches.ts";
import { type DispatchTarget, elementwiseStep, gpu } from "./dispatch_target.ts";
import { linearKernel, linearSteps } from "./kernels/linear.ts";
import { padRowsKernel } from "./kernels/pad_rows.ts";
import { transposeKernel } from "./kernels/transpose.ts";
import { dispatchProduct, storing } from "./products.ts";

/**
 * The product into `y`. The kernel reads both operands along K, so `b` is transposed first unless it
 * is given so. A K that does not fill vectors is filled with zeros, in float32.
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
  const whole = k % (dtype === float32 ? 4 : 8) === 0;
  const width = whole ? k : Math.ceil(k / 4) * 4;
  const stored = whole ? dtype : float32;
  const made: DeviceBuffer[] = [];
  const make = (numel: number) => {
    const buffer = target.sink.pool.acquire(numel * stored.itemSize, "matmul");
    made.push(buffer);
    return buffer;
  };
  try {
    const padded = (x: Operand) => {
      if (whole) return x.buffer;
      const numel = numelOf(x.shape) / k * width;
      const wide = make(numel);
      elementwiseStep(target, padRowsKernel(x.dtype), [x.buffer], wide, numel, float32, [k, width]);
      return wide;
    };
    const transposed = () => {
      const numel = numelOf(b.shape) / k * width;
      const rows = make(numel);
      const kernel = transposeKernel(b.dtype, stored);
      elementwiseStep(target, kernel, [b.buffer], rows, numel, stored, [k, n, n, width]);
      return rows;
    };
    if (products === 0 || m === 0 || n === 0) return;
    const [x, w] = k === 0
      ? [a.buffer, b.buffer]
      : [padded(a), transposeB ? padded(b) : transposed()];
    storing(target, y, dtype, products * m, n, (output, y) => {
      const spec = { dtype: stored, k: width, output, bias: undefined, batch: dims.length };
      dispatchProduct(target, {
        key: `${stored.name} ${m} ${n} ${k} times ${products}`,
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
