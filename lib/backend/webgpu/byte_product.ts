/**
 * Products of batches of matrices of bytes as dispatches.
 *
 * @module
 */
import { int32 } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import { type MatmulIntegerArgs, type Operand, packedRowBytes } from "../backend.ts";
import { batchDims } from "../batches.ts";
import { byteOffset } from "../channels_last.ts";
import type { DeviceBuffer } from "../operand.ts";
import { transposeToRows } from "./channels_last.ts";
import {
  bytesFor,
  type DispatchTarget,
  elementwiseStep,
  gpu,
  rowsStep,
  type SummedRows,
} from "./dispatch_target.ts";
import { byteMatmulKernel } from "./kernels/byte_matmul.ts";
import { groupSumsKernel } from "./kernels/pack_nibbles.ts";
import { packRowsKernel } from "./kernels/pack_rows.ts";
import { dispatchProduct } from "./products.ts";

/** Matrices whose rows run along K, as packed rows. */
function packed(x: Operand, target: DispatchTarget): SummedRows {
  const offset = byteOffset(x.dtype);
  const k = x.shape.at(-1)!;
  const rows = bytesFor(target, [numelOf(x.shape) / k, k], offset, "matmul");
  rowsStep(target, (team, whole) => packRowsKernel(x.dtype, offset, team, whole), [x.buffer], rows);
  return rows;
}

/** Matrices whose columns run along K, as packed rows. */
function packedColumns(w: Operand, target: DispatchTarget): SummedRows {
  const { dtype, buffer, shape } = w;
  const [rows, columns] = shape.slice(-2);
  const count = numelOf(shape) / (rows * columns);
  const y = bytesFor(target, [count * columns, rows], byteOffset(dtype), "matmul");
  transposeToRows(target, buffer, dtype, { count, rows, columns }, y.data, { signed: true });
  const words = packedRowBytes(rows) / 4;
  const kernel = groupSumsKernel(8);
  elementwiseStep(target, kernel, [y.data], y.sums, y.rows, int32, [words, 1, words]);
  return y;
}

/** See `Backend.matmulInteger`; into `y`. */
export function byteProduct(
  a: Operand,
  b: Operand,
  { transposeB = false, aZeroPoint, bZeroPoint }: MatmulIntegerArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const [m, k] = a.shape.slice(-2);
  const n = b.shape.at(transposeB ? -2 : -1)!;
  const { dims } = batchDims(a.shape.slice(0, -2), b.shape.slice(0, -2))!;
  const products = dims.reduce((count, { size }) => count * size, 1);
  if (products === 0 || m === 0 || n === 0 || k === 0) return;
  const made: SummedRows[] = [];
  try {
    const x = packed(a, target);
    made.push(x);
    const w = transposeB ? packed(b, target) : packedColumns(b, target);
    made.push(w);
    const step = numelOf(bZeroPoint.shape) > 1 ? 1 : 0;
    const counted = dims.flatMap(({ size, a, b }) => [size, a, b]);
    dispatchProduct(target, {
      key: `int8 ${m} ${n} ${k} times ${products}`,
      kernel: (tile) => byteMatmulKernel(dims.length, tile),
      buffers: [x.data, w.data, x.sums, w.sums, aZeroPoint.buffer, bZeroPoint.buffer, y],
      params: [m, n, k, packedRowBytes(k) / 16],
      batch: { products, params: [...counted, x.offset, w.offset, step] },
      shape: { m, n, large: m >= 128, bytes: true },
      exact: true,
    });
  } finally {
    for (const { data, sums } of made) {
      [data, sums].forEach((buffer) => target.sink.pool.release(gpu(buffer)));
    }
  }
}
