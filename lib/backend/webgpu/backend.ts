/**
 * The WebGPU backend: which kernel an operation runs, over which buffers.
 *
 * @module
 */
import { type DType, float32, int8, uint8 } from "../../tensor/dtype.ts";
import { numelOf } from "../../tensor/shape.ts";
import {
  type Backend,
  type DequantizeArgs,
  type DeviceBuffer,
  type MemoryStats,
  type Operand,
  type PackedLinearArgs,
  packedRowBytes,
  type PackedRows,
  type QuantizeArgs,
  type QuantizeRowsArgs,
} from "../backend.ts";
import { collapseBlocks, countBlocks } from "../blocks.ts";
import { blockParams } from "./kernels/block_index.ts";
import { castKernel } from "./kernels/cast.ts";
import { dequantizeKernel } from "./kernels/dequantize.ts";
import { elementwiseWorkgroups } from "./kernels/elementwise.ts";
import {
  chooseTile,
  linearKernel,
  matmulWorkgroups,
  packedLinearKernel,
} from "./kernels/matmul.ts";
import { MINMAX_CHUNK, minmaxKernel } from "./kernels/minmax.ts";
import { packRowsKernel, quantizeRowsKernel, rowsPerWorkgroup } from "./kernels/pack_rows.ts";
import { quantizeKernel } from "./kernels/quantize.ts";
import { reciprocalKernel } from "./kernels/reciprocal.ts";
import { reluKernel } from "./kernels/relu.ts";
import { unpackRowsKernel } from "./kernels/unpack_rows.ts";
import type { PooledBuffer } from "./pool.ts";
import { type Kernel, Runtime } from "./runtime.ts";

const gpu = (buffer: DeviceBuffer) => buffer as PooledBuffer;

/** Tensors in the memory of a WebGPU device. */
export class WebGpuBackend implements Backend {
  readonly device = "webgpu";
  /** The queue and the buffers; for tests and benchmarks. */
  readonly runtime: Runtime;

  constructor(device: GPUDevice, readonly description: string, readonly software: boolean) {
    this.runtime = new Runtime(device);
  }

  upload(bytes: Uint8Array): DeviceBuffer {
    return this.runtime.upload(bytes, "tensor");
  }

  read(buffer: DeviceBuffer): Promise<Uint8Array> {
    return this.runtime.read(gpu(buffer));
  }

  release(buffer: DeviceBuffer): void {
    this.runtime.pool.release(gpu(buffer));
  }

  memory(): MemoryStats {
    return this.runtime.pool.stats();
  }

  private output(operation: string, numel: number, dtype: DType): PooledBuffer {
    return this.runtime.pool.acquire(numel * dtype.itemSize, operation);
  }

  private elementwise(
    kernel: Kernel,
    inputs: DeviceBuffer[],
    numel: number,
    dtype: DType,
    params: number[] = [],
  ): DeviceBuffer {
    const y = this.output(kernel.key, numel, dtype);
    const buffers = [...inputs.map(gpu), y];
    this.runtime.dispatch(kernel, buffers, [numel, ...params], elementwiseWorkgroups(numel, dtype));
    return y;
  }

  copy(x: DeviceBuffer): DeviceBuffer {
    const y = this.runtime.pool.acquire(x.byteLength, "copy");
    this.runtime.copy(gpu(x), y);
    return y;
  }

  cast(x: Operand, dtype: DType): DeviceBuffer {
    return this.elementwise(castKernel(x.dtype, dtype), [x.buffer], numelOf(x.shape), dtype);
  }

  relu(x: Operand): DeviceBuffer {
    return this.elementwise(reluKernel(x.dtype), [x.buffer], numelOf(x.shape), x.dtype);
  }

  reciprocal(x: Operand): DeviceBuffer {
    return this.elementwise(reciprocalKernel(x.dtype), [x.buffer], numelOf(x.shape), float32);
  }

  quantizeAffine(x: Operand, args: QuantizeArgs): DeviceBuffer {
    const { outputDtype, productDtype, quantMin, quantMax } = args;
    const dims = collapseBlocks(x.shape, args.blockSize);
    return this.elementwise(
      quantizeKernel(x.dtype, outputDtype, dims.length, productDtype, quantMin, quantMax),
      [x.buffer, args.inverseScale, args.zeroPoint],
      numelOf(x.shape),
      outputDtype,
      blockParams(dims),
    );
  }

  dequantizeAffine(q: Operand, args: DequantizeArgs): DeviceBuffer {
    const dims = collapseBlocks(q.shape, args.blockSize);
    return this.elementwise(
      dequantizeKernel(q.dtype, args.outputDtype, dims.length, args.productDtype),
      [q.buffer, args.scale, args.zeroPoint],
      numelOf(q.shape),
      args.outputDtype,
      blockParams(dims),
    );
  }

  updateMinMax(state: DeviceBuffer, x: Operand, blockSize: readonly number[], batch: number): void {
    const dims = collapseBlocks(x.shape, blockSize);
    const blocks = countBlocks(dims);
    const elements = numelOf(x.shape) / blocks;
    const chunks = Math.ceil(elements / MINMAX_CHUNK);
    this.runtime.dispatch(
      minmaxKernel(x.dtype, dims.length),
      [gpu(x.buffer), gpu(state)],
      [blocks, elements, chunks, batch, ...blockParams(dims)],
      blocks * chunks,
    );
  }

  private writeRows(
    kernel: Kernel,
    inputs: DeviceBuffer[],
    [rows, k]: readonly number[],
    offset: 0 | 128,
  ): PackedRows {
    const data = this.runtime.pool.acquire(rows * packedRowBytes(k), kernel.key);
    const sums = this.runtime.pool.acquire(rows * 4, kernel.key);
    const params = [k, packedRowBytes(k) / 4, rows];
    const workgroups = Math.ceil(rows / rowsPerWorkgroup(rows));
    this.runtime.dispatch(kernel, [...inputs.map(gpu), data, sums], params, workgroups);
    return { data, sums, rows, k, offset };
  }

  packRows(q: Operand): PackedRows {
    const offset = q.dtype.min < 0 ? 0 : 128;
    return this.writeRows(
      packRowsKernel(q.dtype, offset, rowsPerWorkgroup(q.shape[0])),
      [q.buffer],
      q.shape,
      offset,
    );
  }

  unpackRows(packed: PackedRows): DeviceBuffer {
    const { rows, k, offset } = packed;
    const dtype = offset ? uint8 : int8;
    const params = [k, packedRowBytes(k) / 4];
    return this.elementwise(
      unpackRowsKernel(dtype, offset),
      [packed.data],
      rows * k,
      dtype,
      params,
    );
  }

  quantizeRows(x: Operand, args: QuantizeRowsArgs): PackedRows {
    const { productDtype, quantMin, quantMax, outputDtype } = args;
    const offset = outputDtype.min < 0 ? 0 : 128;
    return this.writeRows(
      quantizeRowsKernel(
        x.dtype,
        productDtype,
        quantMin,
        quantMax,
        offset,
        rowsPerWorkgroup(x.shape[0]),
      ),
      [x.buffer, args.inverseScale, args.zeroPoint],
      x.shape,
      offset,
    );
  }

  linear(x: Operand, w: Operand, bias: Operand | null): DeviceBuffer {
    const [m, k] = x.shape;
    const n = w.shape[0];
    return this.stored(x.dtype, m, n, (output, y) => {
      const tile = chooseTile(m);
      const { kernel, steps } = linearKernel(x.dtype, k, bias?.dtype, output, tile);
      const buffers = [x.buffer, w.buffer, ...(bias ? [bias.buffer] : []), y].map(gpu);
      this.runtime.dispatch(kernel, buffers, [m, n, k, steps], matmulWorkgroups(m, n, tile));
    });
  }

  packedLinear(x: PackedRows, w: PackedRows, args: PackedLinearArgs): DeviceBuffer {
    const { rows: m, k } = x;
    const n = w.rows;
    const { bias, xZeroPoint, wZeroPoint, xScale, wScale } = args;
    return this.stored(args.outputDtype, m, n, (output, y) => {
      const tile = chooseTile(m);
      const kernel = packedLinearKernel({
        xOffset: x.offset,
        wOffset: w.offset,
        perRow: args.wParamCount > 1,
        bias: bias?.dtype,
        output,
      }, tile);
      const buffers = [
        ...[x.data, w.data, x.sums, w.sums, xZeroPoint, wZeroPoint],
        ...(output.isFloat ? [xScale, wScale, ...(bias ? [bias.buffer] : [])] : []),
        y,
      ].map(gpu);
      const params = [m, n, k, packedRowBytes(k) / 16];
      this.runtime.dispatch(kernel, buffers, params, matmulWorkgroups(m, n, tile));
    });
  }

  /**
   * Runs a product into a new m × n buffer. Two 16-bit outputs share a word, so an odd `n`, where a
   * word would straddle rows, goes through float32.
   */
  private stored(
    dtype: DType,
    m: number,
    n: number,
    run: (output: DType, y: PooledBuffer) => void,
  ): DeviceBuffer {
    const straddles = dtype.itemSize === 2 && n % 2 === 1;
    const output = straddles ? float32 : dtype;
    const y = this.output("linear", m * n, output);
    run(output, y);
    if (!straddles) return y;
    const narrow = this.cast({ buffer: y, dtype: float32, shape: [m, n] }, dtype);
    this.release(y);
    return narrow;
  }
}
