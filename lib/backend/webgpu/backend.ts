/**
 * The WebGPU backend: which kernel an operation runs, over which buffers.
 *
 * @module
 */
import { type DType, float32, int32, int8, uint8 } from "../../tensor/dtype.ts";
import { numelOf } from "../../tensor/shape.ts";
import {
  type Backend,
  type DequantizeArgs,
  type DeviceBuffer,
  type DynamicRows,
  type LossArgs,
  type MemoryStats,
  type Operand,
  packedGroups,
  type PackedLinearArgs,
  packedRowBytes,
  type PackedRows,
  type PackRowsArgs,
  type QuantizeArgs,
  type QuantizeRowsArgs,
  type QuantizeRowsDynamicArgs,
  type WeightOnlyLinearArgs,
} from "../backend.ts";
import { type BlockedDim, collapseBlocks, countBlocks } from "../blocks.ts";
import type { OpenedDevice } from "./adapter.ts";
import { blockParams } from "./kernels/block_index.ts";
import { castKernel } from "./kernels/cast.ts";
import { dequantizeKernel } from "./kernels/dequantize.ts";
import { elementwiseWorkgroups } from "./kernels/elementwise.ts";
import { HISTOGRAM_CHUNK, histogramKernel, regridKernel } from "./kernels/histogram.ts";
import {
  chooseTile,
  linearKernel,
  matmulWorkgroups,
  nibbleLinearKernel,
  packedLinearKernel,
  type PackedLinearSpec,
  weightOnlyKernel,
} from "./kernels/matmul.ts";
import { MINMAX_CHUNK, minmaxKernel } from "./kernels/minmax.ts";
import { movingAverageKernel, movingAverageWorkgroups } from "./kernels/moving_average.ts";
import { groupSumsKernel, packNibblesKernel } from "./kernels/pack_nibbles.ts";
import {
  packRowsKernel,
  quantizeRowsDynamicKernel,
  quantizeRowsKernel,
  rowsPerWorkgroup,
} from "./kernels/pack_rows.ts";
import { padRowsKernel } from "./kernels/pad_rows.ts";
import { quantizationLossKernel } from "./kernels/quantization_loss.ts";
import { quantizeKernel } from "./kernels/quantize.ts";
import { reciprocalKernel } from "./kernels/reciprocal.ts";
import { reluKernel } from "./kernels/relu.ts";
import { unpackRowsKernel } from "./kernels/unpack_rows.ts";
import type { PooledBuffer } from "./pool.ts";
import { type Kernel, Runtime } from "./runtime.ts";

const gpu = (buffer: DeviceBuffer) => buffer as PooledBuffer;

/** Whether every block is a run of whole vectors of four float32. */
function inVectors(x: Operand, dims: readonly BlockedDim[]): boolean {
  return x.dtype === float32 && dims.length === 1 && dims[0].block % 4 === 0;
}

/** Tensors in the memory of a WebGPU device. */
export class WebGpuBackend implements Backend {
  readonly device = "webgpu";
  /** The queue and the buffers; for tests and benchmarks. */
  readonly runtime: Runtime;

  readonly description: string;
  /** Whether the adapter is a software one. */
  readonly software: boolean;
  /** Lanes of every subgroup, which choose the tiles of products; 1 if they cannot be used. */
  subgroupSize: number;

  constructor({ device, description, software, subgroupSize }: OpenedDevice) {
    this.runtime = new Runtime(device);
    this.description = description;
    this.software = software;
    this.subgroupSize = subgroupSize;
  }

  upload(bytes: Uint8Array): DeviceBuffer {
    return this.runtime.upload(bytes, "tensor");
  }

  read(buffer: DeviceBuffer): Promise<Uint8Array> {
    return this.runtime.read(gpu(buffer));
  }

  release(buffer: DeviceBuffer): void {
    gpu(buffer).pool.release(gpu(buffer));
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
    const wide = inVectors(x, dims);
    this.runtime.dispatch(
      minmaxKernel(x.dtype, dims.length, this.subgroupSize > 1, wide),
      [gpu(x.buffer), gpu(state)],
      [blocks, elements, chunks, batch, ...blockParams(dims)],
      blocks * chunks,
    );
  }

  moveAverages(state: DeviceBuffer, blocks: number, constant: number): void {
    const bits = new Uint32Array(Float32Array.of(constant).buffer)[0];
    const workgroups = movingAverageWorkgroups(blocks);
    this.runtime.dispatch(movingAverageKernel, [gpu(state)], [blocks, bits], workgroups);
  }

  updateHistogram(
    state: DeviceBuffer,
    x: Operand,
    blockSize: readonly number[],
    batch: number,
  ): void {
    this.updateMinMax(state, x, blockSize, batch);
    const dims = collapseBlocks(x.shape, blockSize);
    const blocks = countBlocks(dims);
    const elements = numelOf(x.shape) / blocks;
    const chunks = Math.ceil(elements / HISTOGRAM_CHUNK);
    const wide = inVectors(x, dims);
    this.runtime.dispatch(regridKernel, [gpu(state)], [blocks], blocks);
    this.runtime.dispatch(
      histogramKernel(x.dtype, dims.length, wide),
      [gpu(x.buffer), gpu(state)],
      [blocks, elements, chunks, ...blockParams(dims)],
      blocks * chunks,
    );
  }

  quantizationLoss(x: Operand, args: LossArgs): DeviceBuffer {
    const { productDtype, quantMin, quantMax, candidates } = args;
    const dims = collapseBlocks(x.shape, args.blockSize);
    const blocks = countBlocks(dims);
    const sums = blocks * candidates;
    const loss = this.output("quantizationLoss", sums, float32);
    this.runtime.dispatch(
      quantizationLossKernel(
        x.dtype,
        dims.length,
        productDtype,
        quantMin,
        quantMax,
        args.outputDtype,
      ),
      [...[x.buffer, args.scale, args.inverseScale, args.zeroPoint].map(gpu), loss],
      [blocks, numelOf(x.shape) / blocks, sums, ...blockParams(dims)],
      sums,
    );
    return loss;
  }

  private writeRows(
    kernel: Kernel,
    inputs: DeviceBuffer[],
    [rows, k]: readonly number[],
    offset: 0 | 128,
    outputs: DeviceBuffer[] = [],
  ): PackedRows & { sums: DeviceBuffer } {
    const data = this.runtime.pool.acquire(rows * packedRowBytes(k), kernel.key);
    const sums = this.runtime.pool.acquire(rows * 4, kernel.key);
    const params = [k, packedRowBytes(k) / 4, rows];
    const workgroups = Math.ceil(rows / rowsPerWorkgroup(rows));
    const buffers = [...inputs, data, sums, ...outputs].map(gpu);
    this.runtime.dispatch(kernel, buffers, params, workgroups);
    return { data, sums, rows, k, bits: 8, groupSize: k, offset };
  }

  packRows(q: Operand, args: PackRowsArgs = {}): PackedRows {
    const [rows, k] = q.shape;
    const { bits = 8, groupSize = k, sums = true } = args;
    if (bits === 8) {
      const offset = q.dtype.min < 0 ? 0 : 128;
      const kernel = packRowsKernel(q.dtype, offset, rowsPerWorkgroup(rows));
      const packed = this.writeRows(kernel, [q.buffer], q.shape, offset);
      if (sums && groupSize === k) return packed;
      this.release(packed.sums);
      return this.grouped({ ...packed, groupSize }, sums);
    }
    const words = packedRowBytes(k, 4) / 4;
    const kernel = packNibblesKernel(q.dtype);
    const data = this.elementwise(kernel, [q.buffer], rows * words, int32, [k, words]);
    return this.grouped({ data, rows, k, bits, groupSize, offset: q.dtype.min }, sums);
  }

  /** Sums the groups of packed rows, if that is asked for. */
  private grouped(packed: Omit<PackedRows, "sums">, sum: boolean): PackedRows {
    if (!sum) return { ...packed, sums: null };
    const { data, rows, k, bits } = packed;
    const words = packedRowBytes(k, bits) / 4;
    const groups = packedGroups({ ...packed, sums: null });
    const params = [words / groups, groups, words];
    const sums = this.elementwise(groupSumsKernel(bits), [data], rows * groups, int32, params);
    return { ...packed, sums };
  }

  unpackRows(packed: PackedRows): DeviceBuffer {
    const { rows, k, bits, offset } = packed;
    const dtype = offset === 128 ? uint8 : int8;
    const params = [k, packedRowBytes(k, bits) / 4];
    return this.elementwise(
      unpackRowsKernel(dtype, bits, offset),
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
      const tile = chooseTile(m, n, this.subgroupSize);
      const { kernel, steps } = linearKernel(x.dtype, k, bias?.dtype, output, tile);
      const buffers = [x.buffer, w.buffer, ...(bias ? [bias.buffer] : []), y].map(gpu);
      this.runtime.dispatch(kernel, buffers, [m, n, k, steps], matmulWorkgroups(m, n, tile));
    });
  }

  quantizeRowsDynamic(x: Operand, args: QuantizeRowsDynamicArgs): DynamicRows {
    const { scaleDtype, productDtype, quantMin, quantMax, eps } = args;
    const [rows] = x.shape;
    const scale = this.runtime.pool.acquire(rows * 4, "quantize rows");
    const kernel = quantizeRowsDynamicKernel(
      x.dtype,
      scaleDtype,
      productDtype,
      quantMin,
      quantMax,
      eps,
      rowsPerWorkgroup(rows),
    );
    return { packed: this.writeRows(kernel, [x.buffer], x.shape, 0, [scale]), scale };
  }

  packedLinear(x: PackedRows, w: PackedRows, args: PackedLinearArgs): DeviceBuffer {
    const { rows: m, k } = x;
    const n = w.rows;
    const { bias, xZeroPoint, wZeroPoint, xScale, wScale, outputDtype } = args;
    const groups = packedGroups(w);
    const xSteps = packedRowBytes(k) / 16;
    const steps = packedRowBytes(k, w.bits) / 16 / groups;
    return this.stored(outputDtype, m, n, (output, y) => {
      const tile = chooseTile(m, n, this.subgroupSize);
      const spec: PackedLinearSpec = {
        xOffset: x.offset,
        wOffset: w.offset,
        xPerRow: (args.xParamCount ?? 1) > 1,
        wParams: groups > 1 ? "group" : args.wParamCount > 1 ? "row" : "one",
        xZeroPoint: xZeroPoint !== null,
        wZeroPoint: wZeroPoint !== null,
        bias: bias?.dtype,
        output,
      };
      const { kernel, xSums, wSums } = w.bits === 8
        ? packedLinearKernel(spec, tile)
        : nibbleLinearKernel(spec, tile, xSteps % 2 === 1);
      const buffers = [
        ...[x.data, w.data, xSums && x.sums, wSums && w.sums, xZeroPoint, wZeroPoint],
        ...(output.isFloat ? [xScale, wScale, bias?.buffer] : []),
        y,
      ].filter((buffer) => !!buffer).map(gpu);
      const params = [m, n, k, steps, ...(w.bits === 8 ? [] : [xSteps, groups])];
      this.runtime.dispatch(kernel, buffers, params, matmulWorkgroups(m, n, tile));
    });
  }

  weightOnlyLinear(x: Operand, w: PackedRows, args: WeightOnlyLinearArgs): DeviceBuffer {
    const [m, k] = x.shape;
    const n = w.rows;
    const { wScale, wZeroPoint, bias } = args;
    const groups = packedGroups(w);
    const vectors = packedRowBytes(k, w.bits) / 16;
    const width = vectors * 128 / w.bits;
    // The kernel reads whole vectors of float32; anything else is brought into that form first.
    const direct = x.dtype === float32 && width === k;
    const wide = direct
      ? x.buffer
      : this.elementwise(padRowsKernel(x.dtype), [x.buffer], m * width, float32, [k, width]);
    try {
      return this.stored(x.dtype, m, n, (output, y) => {
        const tile = chooseTile(m, n, this.subgroupSize);
        const kernel = weightOnlyKernel({
          bits: w.bits,
          offset: w.offset,
          params: groups > 1 ? "group" : numelOf(wScale.shape) > 1 ? "row" : "one",
          scale: wScale.dtype,
          zeroPoint: wZeroPoint?.dtype,
          bias: bias?.dtype,
          output,
        }, tile);
        const buffers = [wide, w.data, wScale.buffer, wZeroPoint?.buffer, bias?.buffer, y]
          .filter((buffer) => buffer !== undefined).map(gpu);
        const params = [m, n, k, vectors / groups, width / 4, groups];
        this.runtime.dispatch(kernel, buffers, params, matmulWorkgroups(m, n, tile));
      });
    } finally {
      if (!direct) this.release(wide);
    }
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
