/**
 * The WebGPU backend: which kernel an operation runs, over which buffers.
 *
 * @module
 */
import { type DType, float32, int32, int8, uint8 } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import {
  type AddBlocksArgs,
  type Backend,
  type CumSumArgs,
  type DequantizeArgs,
  type DeviceBuffer,
  type DynamicRows,
  type GatherArgs,
  type LossArgs,
  type MatmulArgs,
  type MatmulIntegerArgs,
  type MemoryStats,
  type NormalizeArgs,
  type Operand,
  packedGroups,
  type PackedLinearArgs,
  packedRowBytes,
  type PackedRows,
  type PackRowsArgs,
  type PadArgs,
  type PoolArgs,
  type QuantizeAboutFloatArgs,
  type QuantizeArgs,
  type QuantizeRowsArgs,
  type QuantizeRowsDynamicArgs,
  type Recurrence,
  type RecurrentArgs,
  type ReduceArgs,
  type ResampleArgs,
  type SoftmaxArgs,
  type StridedArgs,
  type WeightOnlyLinearArgs,
} from "../backend.ts";
import { type BlockedDim, collapseBlocks, countBlocks } from "../blocks.ts";
import { batchDims } from "../batches.ts";
import type { Expression } from "../expression.ts";
import { byteOffset, type ChannelsLast, channelsLastBytes } from "../channels_last.ts";
import type { ConvArgs, ConvWeight, ConvWeightArgs, PackedConvArgs } from "../convolution.ts";
import type { OpenedDevice } from "./adapter.ts";
import { batchedProduct } from "./batched_product.ts";
import { byteProduct } from "./byte_product.ts";
import { channelsLast, contiguous } from "./channels_last.ts";
import { convBytes, readyWeight } from "./convolution.ts";
import {
  bytesFor,
  type DispatchTarget,
  elementwiseStep,
  gpu,
  rowsStep,
} from "./dispatch_target.ts";
import { type Operation, written } from "./fusion.ts";
import { blockParams } from "./kernels/block_index.ts";
import { castKernel } from "./kernels/cast.ts";
import { dequantizeKernel } from "./kernels/dequantize.ts";
import { addBlocksKernel, quantizeAboutFloatKernel } from "./kernels/float_zero_point.ts";
import { HISTOGRAM_CHUNK, histogramKernel, regridKernel } from "./kernels/histogram.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { MINMAX_CHUNK, minmaxKernel } from "./kernels/minmax.ts";
import { movingAverageKernel, movingAverageWorkgroups } from "./kernels/moving_average.ts";
import { groupSumsKernel, packNibblesKernel } from "./kernels/pack_nibbles.ts";
import { packRowsKernel, quantizeRowsDynamicKernel } from "./kernels/pack_rows.ts";
import { quantizationLossKernel } from "./kernels/quantization_loss.ts";
import { quantizeKernel } from "./kernels/quantize.ts";
import { reciprocalKernel } from "./kernels/reciprocal.ts";
import { unpackRowsKernel } from "./kernels/unpack_rows.ts";
import { lower } from "./lower.ts";
import * as movement from "./movement.ts";
import { checkFits, type PooledBuffer } from "./pool.ts";
import { pooledBytes, poolInto } from "./pooling.ts";
import { weightOnlyProduct } from "./products.ts";
import * as reduction from "./reduction.ts";
import { Runtime } from "./runtime.ts";
import { recurrentSteps } from "./recurrent.ts";
import { sideBySide } from "../side_by_side.ts";
import type { StepList, StepSink } from "./steps.ts";

/** Whether every block is a run of whole vectors of four float32. */
function inVectors(x: Operand, dims: readonly BlockedDim[]): boolean {
  return x.dtype === float32 && dims.length === 1 && dims[0].block % 4 === 0;
}

/** Tensors in the memory of a WebGPU device. */
export class WebGpuBackend implements Backend, DispatchTarget {
  readonly device = "webgpu";
  /** The queue and the buffers; for tests and benchmarks. */
  readonly runtime: Runtime;

  readonly description: string;
  /** Whether the adapter is a software one. */
  readonly software: boolean;
  /** Lanes of every subgroup, which choose the tiles of products; 1 if they cannot be used. */
  subgroupSize: number;
  /** What is recorded now; while there is such a list, nothing runs. */
  private recorded: StepList<Operation> | undefined;

  constructor({ device, description, software, subgroupSize, dialect }: OpenedDevice) {
    this.runtime = new Runtime(device, dialect);
    this.description = description;
    this.software = software;
    this.subgroupSize = subgroupSize;
  }

  /** Where work goes: into the queue, unless it is recorded. */
  get sink(): StepSink {
    return this.recorded ?? this.runtime;
  }

  /**
   * Keeps what `run` does in a list instead of enqueueing it: operations that may be joined with others,
   * and the steps of all others.
   *
   * @throws {Error} if the device is lost, or something is being recorded already.
   */
  recordInto<T>(list: StepList<Operation>, run: () => T): T {
    this.runtime.check();
    if (this.recorded) throw new Error("compile: a recording is under way already");
    this.recorded = list;
    try {
      return run();
    } finally {
      this.recorded = undefined;
    }
  }

  /** Whether work is recorded now instead of enqueued. */
  get isRecording(): boolean {
    return this.recorded !== undefined;
  }

  checkFits(byteLength: number, label: string): void {
    checkFits(this.runtime.device, byteLength, label);
  }

  upload(bytes: Uint8Array): DeviceBuffer {
    return this.runtime.upload(bytes, "tensor", this.sink.pool);
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
    return this.sink.pool.acquire(numel * dtype.itemSize, operation);
  }

  private elementwise(
    operation: string,
    kernel: Kernel,
    inputs: DeviceBuffer[],
    numel: number,
    dtype: DType,
    params: number[] = [],
  ): DeviceBuffer {
    const y = this.output(operation, numel, dtype);
    elementwiseStep(this, kernel, inputs, y, numel, dtype, params);
    return y;
  }

  /** Records an operation, or enqueues what it consists of. */
  private operate(operation: Operation): void {
    try {
      if (this.recorded) this.recorded.items.push(operation);
      else lower(operation, this);
    } catch (error) {
      written(operation).forEach((buffer) => this.release(buffer));
      throw error;
    }
  }

  /** `y`, which `enqueue` writes; given back if that fails. */
  private into(y: DeviceBuffer, enqueue: () => void): DeviceBuffer {
    try {
      enqueue();
    } catch (error) {
      this.release(y);
      throw error;
    }
    return y;
  }

  copy(x: DeviceBuffer): DeviceBuffer {
    const y = this.sink.pool.acquire(x.byteLength, "copy");
    this.sink.copy(gpu(x), y);
    return y;
  }

  cast(x: Operand, dtype: DType): DeviceBuffer {
    return this.elementwise(
      "cast",
      castKernel(x.dtype, dtype),
      [x.buffer],
      numelOf(x.shape),
      dtype,
    );
  }

  pointwise(
    expression: Expression,
    inputs: readonly (Operand | ChannelsLast)[],
    shape: readonly number[],
    dtype: DType,
    layout?: ChannelsLast["layout"],
  ): DeviceBuffer {
    const bytes = layout ? channelsLastBytes(shape, dtype) : numelOf(shape) * dtype.itemSize;
    const y = this.sink.pool.acquire(bytes, "pointwise");
    this.operate({ op: "pointwise", expression, inputs, shape, dtype, layout, y });
    return y;
  }

  /** A buffer that `fill` writes; given back if that throws. */
  private made(
    operation: string,
    numel: number,
    dtype: DType,
    fill: (y: DeviceBuffer) => void,
  ): DeviceBuffer {
    const y = this.output(operation, numel, dtype);
    return this.into(y, () => fill(y));
  }

  strided(x: Operand, args: StridedArgs): DeviceBuffer {
    return this.made(
      "strided",
      numelOf(args.shape),
      x.dtype,
      (y) => movement.strided(x, args, y, this),
    );
  }

  cat(xs: readonly (Operand | ChannelsLast)[], dim: number): DeviceBuffer {
    const { count, width } = sideBySide(xs, dim);
    const fill = (y: DeviceBuffer) => movement.cat(xs, dim, y, this);
    return this.made("cat", count * width, xs[0].dtype, fill);
  }

  pad(x: Operand, args: PadArgs): DeviceBuffer {
    return this.made("pad", numelOf(args.shape), x.dtype, (y) => movement.pad(x, args, y, this));
  }

  gather(x: Operand, index: Operand, args: GatherArgs): DeviceBuffer {
    return this.made(
      "gather",
      numelOf(args.shape),
      x.dtype,
      (y) => movement.gather(x, index, args, y, this),
    );
  }

  toChannelsLast(x: Operand): DeviceBuffer {
    const y = this.sink.pool.acquire(channelsLastBytes(x.shape, x.dtype), "channels last");
    return this.into(y, () => channelsLast(x, y, this));
  }

  toContiguous(x: ChannelsLast): DeviceBuffer {
    const y = this.output("contiguous", numelOf(x.shape), x.dtype);
    return this.into(y, () => contiguous(x, y, this));
  }

  reduce(x: Operand, args: ReduceArgs): DeviceBuffer {
    return this.made(
      "reduce",
      args.outer * args.inner,
      args.dtype,
      (y) => reduction.reduce(x, args, y, this),
    );
  }

  softmax(x: Operand, args: SoftmaxArgs): DeviceBuffer {
    return this.made(
      "softmax",
      numelOf(x.shape),
      x.dtype,
      (y) => reduction.softmax(x, args, y, this),
    );
  }

  cumsum(x: Operand, args: CumSumArgs): DeviceBuffer {
    return this.made(
      "cumsum",
      numelOf(x.shape),
      args.dtype,
      (y) => reduction.cumsum(x, args, y, this),
    );
  }

  resample(x: Operand, args: ResampleArgs): DeviceBuffer {
    const numel = args.outer * args.size * args.inner;
    return this.made("resample", numel, args.dtype, (y) => reduction.resample(x, args, y, this));
  }

  normalize(x: Operand, args: NormalizeArgs): DeviceBuffer {
    return this.made(
      "normalize",
      numelOf(x.shape),
      x.dtype,
      (y) => reduction.normalize(x, args, y, this),
    );
  }

  relu(x: Operand): DeviceBuffer {
    const y = this.output("relu", numelOf(x.shape), x.dtype);
    this.operate({ op: "relu", x, y });
    return y;
  }

  recur(x: Operand, args: RecurrentArgs): Recurrence {
    return recurrentSteps(x, args, this);
  }

  reciprocal(x: Operand): DeviceBuffer {
    return this.elementwise(
      "reciprocal",
      reciprocalKernel(x.dtype),
      [x.buffer],
      numelOf(x.shape),
      float32,
    );
  }

  quantizeAffine(x: Operand, args: QuantizeArgs): DeviceBuffer {
    const { outputDtype, productDtype, quantMin, quantMax } = args;
    const dims = collapseBlocks(x.shape, args.blockSize);
    return this.elementwise(
      "quantize",
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
      "dequantize",
      dequantizeKernel(q.dtype, args.outputDtype, dims.length, args.productDtype),
      [q.buffer, args.scale, args.zeroPoint],
      numelOf(q.shape),
      args.outputDtype,
      blockParams(dims),
    );
  }

  quantizeAboutFloat(x: Operand, args: QuantizeAboutFloatArgs): DeviceBuffer {
    const { leastDtype: least, productDtype: product, outputDtype: output } = args;
    const { quantMin, quantMax } = args;
    const dims = collapseBlocks(x.shape, args.blockSize);
    const rank = dims.length;
    return this.elementwise(
      "quantize about float",
      quantizeAboutFloatKernel({ x: x.dtype, output, rank, least, product, quantMin, quantMax }),
      [x.buffer, args.scale, args.zeroPoint, args.shift],
      numelOf(x.shape),
      output,
      blockParams(dims),
    );
  }

  addBlocks(x: Operand, { blockSize, values, sumDtype }: AddBlocksArgs): DeviceBuffer {
    const dims = collapseBlocks(x.shape, blockSize);
    const kernel = addBlocksKernel(x.dtype, dims.length, sumDtype);
    return this.elementwise(
      "add blocks",
      kernel,
      [x.buffer, values],
      numelOf(x.shape),
      x.dtype,
      blockParams(dims),
    );
  }

  updateMinMax(state: DeviceBuffer, x: Operand, blockSize: readonly number[], batch: number): void {
    const dims = collapseBlocks(x.shape, blockSize);
    const blocks = countBlocks(dims);
    const elements = numelOf(x.shape) / blocks;
    const chunks = Math.ceil(elements / MINMAX_CHUNK);
    const wide = inVectors(x, dims);
    this.sink.dispatch(
      minmaxKernel(x.dtype, dims.length, this.subgroupSize > 1, wide),
      [gpu(x.buffer), gpu(state)],
      [blocks, elements, chunks, batch, ...blockParams(dims)],
      blocks * chunks,
    );
  }

  moveAverages(state: DeviceBuffer, blocks: number, constant: number): void {
    const bits = new Uint32Array(Float32Array.of(constant).buffer)[0];
    const workgroups = movingAverageWorkgroups(blocks);
    this.sink.dispatch(movingAverageKernel, [gpu(state)], [blocks, bits], workgroups);
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
    this.sink.dispatch(regridKernel, [gpu(state)], [blocks], blocks);
    this.sink.dispatch(
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
    this.sink.dispatch(
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

  packRows(q: Operand, args: PackRowsArgs = {}): PackedRows {
    const [rows, k] = q.shape;
    const { bits = 8, groupSize = k, sums = true } = args;
    if (bits === 8) {
      const float8 = q.dtype.isFloat ? q.dtype : undefined;
      const dtype = float8 ? int8 : q.dtype; // floats are copied as they are
      const offset = dtype.min < 0 ? 0 : 128;
      const packed = bytesFor(this, q.shape, offset, "pack rows");
      rowsStep(
        this,
        (team, whole) => packRowsKernel(dtype, offset, team, whole),
        [q.buffer],
        packed,
      );
      if (sums && groupSize === k && !float8) return packed;
      this.release(packed.sums);
      return this.grouped({ ...packed, groupSize, float8 }, sums && !float8);
    }
    const words = packedRowBytes(k, 4) / 4;
    const kernel = packNibblesKernel(q.dtype);
    const data = this.elementwise("pack rows", kernel, [q.buffer], rows * words, int32, [k, words]);
    return this.grouped({ data, rows, k, bits, groupSize, offset: q.dtype.min }, sums);
  }

  /** Sums the groups of packed rows, if that is asked for. */
  private grouped(packed: Omit<PackedRows, "sums">, sum: boolean): PackedRows {
    if (!sum) return { ...packed, sums: null };
    const { data, rows, k, bits } = packed;
    const words = packedRowBytes(k, bits) / 4;
    const groups = packedGroups({ ...packed, sums: null });
    const params = [words / groups, groups, words];
    const sums = this.elementwise(
      "sum groups",
      groupSumsKernel(bits),
      [data],
      rows * groups,
      int32,
      params,
    );
    return { ...packed, sums };
  }

  unpackRows(packed: PackedRows): DeviceBuffer {
    const { rows, k, bits, offset } = packed;
    const dtype = offset === 128 ? uint8 : int8;
    const params = [k, packedRowBytes(k, bits) / 4];
    return this.elementwise(
      "unpack rows",
      unpackRowsKernel(dtype, bits, offset),
      [packed.data],
      rows * k,
      dtype,
      params,
    );
  }

  quantizeRows(x: Operand, args: QuantizeRowsArgs): PackedRows {
    const offset = args.outputDtype.min < 0 ? 0 : 128;
    const y = bytesFor(this, x.shape, offset, "quantize rows");
    this.operate({ op: "quantize rows", x, args: { ...args, offset }, y });
    return y;
  }

  quantizeRowsDynamic(x: Operand, args: QuantizeRowsDynamicArgs): DynamicRows {
    const { scaleDtype, productDtype: product, quantMin, quantMax, eps } = args;
    const packed = bytesFor(this, x.shape, 0, "quantize rows");
    const scale = this.output("quantize rows", packed.rows, float32);
    const spec = { x: x.dtype, product, quantMin, quantMax };
    rowsStep(
      this,
      (team, whole) => quantizeRowsDynamicKernel(spec, scaleDtype, eps, team, whole),
      [x.buffer],
      packed,
      [scale],
    );
    return { packed, scale };
  }

  linear(x: Operand, w: Operand, bias: Operand | null): DeviceBuffer {
    const y = this.output("linear", x.shape[0] * w.shape[0], x.dtype);
    this.operate({ op: "linear", x, w, bias, relu: false, y });
    return y;
  }

  matmul(a: Operand, b: Operand, args: MatmulArgs = {}): DeviceBuffer {
    const { shape } = batchDims(a.shape.slice(0, -2), b.shape.slice(0, -2))!;
    const n = b.shape.at(args.transposeB ? -2 : -1)!;
    const y = this.output("matmul", numelOf(shape) * a.shape.at(-2)! * n, a.dtype);
    return this.into(y, () => batchedProduct(a, b, args, y, this));
  }

  matmulInteger(a: Operand, b: Operand, args: MatmulIntegerArgs): DeviceBuffer {
    const { shape } = batchDims(a.shape.slice(0, -2), b.shape.slice(0, -2))!;
    const n = b.shape.at(args.transposeB ? -2 : -1)!;
    const numel = numelOf(shape) * a.shape.at(-2)! * n;
    return this.made("matmul", numel, int32, (y) => byteProduct(a, b, args, y, this));
  }

  convWeight(w: Operand, args: ConvWeightArgs): ConvWeight {
    return readyWeight(w, args, this);
  }

  conv(x: ChannelsLast, w: ConvWeight, bias: Operand | null, args: ConvArgs): DeviceBuffer {
    const y = this.sink.pool.acquire(convBytes(x, w, args, x.dtype), "convolution");
    this.operate({ op: "conv", x, w, bias, args, y });
    return y;
  }

  packedConv(x: ChannelsLast, w: ConvWeight, args: PackedConvArgs): DeviceBuffer {
    const y = this.sink.pool.acquire(convBytes(x, w, args, args.result.dtype), "convolution");
    this.operate({ op: "packed conv", x, w, args, y });
    return y;
  }

  quantizePixels(x: Operand | ChannelsLast, args: QuantizeRowsArgs): DeviceBuffer {
    const { outputDtype } = args;
    const y = this.sink.pool.acquire(channelsLastBytes(x.shape, outputDtype), "quantize pixels");
    const offset = byteOffset(outputDtype);
    this.operate({ op: "quantize pixels", x, args: { ...args, offset }, y });
    return y;
  }

  pool(x: ChannelsLast, args: PoolArgs): DeviceBuffer {
    const y = this.sink.pool.acquire(pooledBytes(x, args), "pool");
    return this.into(y, () => poolInto(x, args, y, this));
  }

  packedLinear(x: PackedRows, w: PackedRows, args: PackedLinearArgs): DeviceBuffer {
    const y = this.output("linear", x.rows * w.rows, args.outputDtype);
    this.operate({ op: "packed linear", x, w, args, relu: false, y });
    return y;
  }

  weightOnlyLinear(x: Operand, w: PackedRows, args: WeightOnlyLinearArgs): DeviceBuffer {
    const y = this.output("linear", x.shape[0] * w.rows, x.dtype);
    return this.into(y, () => weightOnlyProduct(x, w, args, y, this));
  }
}
