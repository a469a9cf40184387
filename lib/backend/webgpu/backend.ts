/**
 * The WebGPU backend: which kernel an operation runs, over which buffers.
 *
 * @module
 */
import { type DType, float32, int32, int8, uint8 } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
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
import type { Kernel } from "./kernels/kernel.ts";
import { HISTOGRAM_CHUNK, histogramKernel, regridKernel } from "./kernels/histogram.ts";
import { linearKernel, linearSteps } from "./kernels/linear.ts";
import { MATMUL_FIELDS } from "./kernels/matmul.ts";
import { MINMAX_CHUNK, minmaxKernel } from "./kernels/minmax.ts";
import { movingAverageKernel, movingAverageWorkgroups } from "./kernels/moving_average.ts";
import { groupSumsKernel, packNibblesKernel } from "./kernels/pack_nibbles.ts";
import {
  packRowsKernel,
  quantizeRowsDynamicKernel,
  quantizeRowsKernel,
  type RowTeam,
  rowTeam,
} from "./kernels/pack_rows.ts";
import { nibbleLinearKernel } from "./kernels/nibble_linear.ts";
import {
  boundSums,
  packedLinearKernel,
  type PackedLinearSpec,
  type Quantization,
} from "./kernels/packed_linear.ts";
import { padRowsKernel } from "./kernels/pad_rows.ts";
import { quantizationLossKernel } from "./kernels/quantization_loss.ts";
import { quantizeKernel } from "./kernels/quantize.ts";
import { reciprocalKernel } from "./kernels/reciprocal.ts";
import { reluKernel } from "./kernels/relu.ts";
import {
  candidateTiles,
  chooseTile,
  FEW_ROWS,
  matmulWorkgroups,
  type Product,
  type Tile,
} from "./kernels/tile.ts";
import { unpackRowsKernel } from "./kernels/unpack_rows.ts";
import { weightOnlyKernel } from "./kernels/weight_only.ts";
import type { PooledBuffer } from "./pool.ts";
import type { Retile } from "./recording.ts";
import { Runtime } from "./runtime.ts";

const gpu = (buffer: DeviceBuffer) => buffer as PooledBuffer;

/**
 * Products of few rows that are at most so large quantize their input on the way: doing it once a
 * workgroup costs less than a dispatch of its own.
 */
const QUANTIZED_INSIDE = 2 ** 16;

/** A product of floats. */
interface FloatProduct {
  readonly op: "linear";
  readonly x: Operand;
  readonly w: Operand;
  readonly bias: Operand | null;
  readonly relu?: boolean;
}

/** A product of packed integers. */
interface PackedProduct {
  readonly op: "packed linear";
  readonly x: PackedRows;
  readonly w: PackedRows;
  readonly args: PackedLinearArgs;
  readonly relu?: boolean;
}

/** How packed rows are quantized, and what is subtracted from their integers. */
type Quantized = QuantizeRowsArgs & { readonly offset: 0 | 128 };

/** How a recorded buffer came to be, for what can be done in one kernel with it. */
type Produced = FloatProduct | PackedProduct | {
  readonly op: "quantize rows";
  readonly x: Operand;
  readonly args: Quantized;
};

function quantization({ productDtype, quantMin, quantMax, offset }: Quantized): Quantization {
  return { productDtype, quantMin, quantMax, offset };
}

function packedSpec({ x, w, args, relu }: PackedProduct, output: DType): PackedLinearSpec {
  return {
    xOffset: x.offset,
    wOffset: w.offset,
    xPerRow: (args.xParamCount ?? 1) > 1,
    wParams: packedGroups(w) > 1 ? "group" : args.wParamCount > 1 ? "row" : "one",
    xZeroPoint: args.xZeroPoint !== null,
    wZeroPoint: args.wZeroPoint !== null,
    bias: args.bias?.dtype,
    output,
    xSums: x.sums !== null,
    relu,
  };
}

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
  private readonly produced = new WeakMap<DeviceBuffer, Produced & { readonly number: number }>();

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
    return this.runtime.buffers.stats();
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
    const number = this.runtime.recorder?.next();
    const made = this.onlyFor(x.buffer);
    if (made?.op === "linear" && !made.relu) {
      return this.floatProduct({ ...made, relu: true }, number);
    }
    if (made?.op === "packed linear" && !made.relu && made.w.bits === 8) {
      return this.packedProduct({ ...made, relu: true }, number);
    }
    const y = this.elementwise(reluKernel(x.dtype), [x.buffer], numelOf(x.shape), x.dtype);
    if (number !== undefined) this.runtime.recorder!.note(number, gpu(y));
    return y;
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
    kernel: (team: RowTeam, whole: boolean) => Kernel,
    inputs: DeviceBuffer[],
    [rows, k]: readonly number[],
    offset: 0 | 128,
    outputs: DeviceBuffer[] = [],
  ): PackedRows & { sums: DeviceBuffer } {
    const team = rowTeam(rows, this.subgroupSize);
    const built = kernel(team, k % 4 === 0);
    const data = this.runtime.pool.acquire(rows * packedRowBytes(k), built.key);
    const sums = this.runtime.pool.acquire(rows * 4, built.key);
    const params = [k, packedRowBytes(k) / 4, rows];
    const buffers = [...inputs, data, sums, ...outputs].map(gpu);
    this.runtime.dispatch(built, buffers, params, Math.ceil(rows / team.rows));
    return { data, sums, rows, k, bits: 8, groupSize: k, offset };
  }

  packRows(q: Operand, args: PackRowsArgs = {}): PackedRows {
    const [rows, k] = q.shape;
    const { bits = 8, groupSize = k, sums = true } = args;
    if (bits === 8) {
      const offset = q.dtype.min < 0 ? 0 : 128;
      const packed = this.writeRows(
        (team, whole) => packRowsKernel(q.dtype, offset, team, whole),
        [q.buffer],
        q.shape,
        offset,
      );
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
    const { productDtype: product, quantMin, quantMax, outputDtype } = args;
    const offset = outputDtype.min < 0 ? 0 : 128;
    const number = this.runtime.recorder?.next();
    const made = this.onlyFor(x.buffer);
    if (made?.op === "packed linear" && made.w.bits === 8 && x.shape[1] === made.w.rows) {
      return this.requantized(made, { ...args, offset });
    }
    const spec = { x: x.dtype, product, quantMin, quantMax };
    const packed = this.writeRows(
      (team, whole) => quantizeRowsKernel(spec, offset, team, whole),
      [x.buffer, args.inverseScale, args.zeroPoint],
      x.shape,
      offset,
    );
    this.note(packed.data, { op: "quantize rows", x, args: { ...args, offset } }, number);
    return packed;
  }

  linear(x: Operand, w: Operand, bias: Operand | null): DeviceBuffer {
    return this.floatProduct({ op: "linear", x, w, bias }, this.runtime.recorder?.next());
  }

  private floatProduct(product: FloatProduct, number: number | undefined): DeviceBuffer {
    const { x, w, bias, relu = false } = product;
    const [m, k] = x.shape;
    const n = w.shape[0];
    const y = this.stored(x.dtype, m, n, (output, y) => {
      const spec = { dtype: x.dtype, k, bias: bias?.dtype, output, relu };
      const buffers = [x.buffer, w.buffer, ...(bias ? [bias.buffer] : []), y].map(gpu);
      this.product(
        `${x.dtype.name} ${m} ${n} ${k}`,
        (tile) => linearKernel(spec, tile),
        buffers,
        [m, n, k, linearSteps(spec)],
        { m, n, exact: false },
      );
    });
    this.note(y, product, number);
    return y;
  }

  quantizeRowsDynamic(x: Operand, args: QuantizeRowsDynamicArgs): DynamicRows {
    const { scaleDtype, productDtype: product, quantMin, quantMax, eps } = args;
    const scale = this.runtime.pool.acquire(x.shape[0] * 4, "quantize rows");
    const spec = { x: x.dtype, product, quantMin, quantMax };
    const packed = this.writeRows(
      (team, whole) => quantizeRowsDynamicKernel(spec, scaleDtype, eps, team, whole),
      [x.buffer],
      x.shape,
      0,
      [scale],
    );
    return { packed, scale };
  }

  packedLinear(x: PackedRows, w: PackedRows, args: PackedLinearArgs): DeviceBuffer {
    return this.packedProduct({ op: "packed linear", x, w, args }, this.runtime.recorder?.next());
  }

  /** A product of integers, and ReLU after it if the product says so. */
  private packedProduct(product: PackedProduct, number: number | undefined): DeviceBuffer {
    const { x, w, args } = product;
    const y = this.stored(args.outputDtype, x.rows, w.rows, (output, y) => {
      if (w.bits === 8) return this.byteProduct(product, output, y);
      const { k, rows: m } = x;
      const { rows: n } = w;
      const groups = packedGroups(w);
      const xSteps = packedRowBytes(k) / 16;
      const spec = packedSpec(product, output);
      const { wSums } = boundSums(spec);
      const { xZeroPoint, wZeroPoint, xScale, wScale, bias } = args;
      const buffers = [
        ...[x.data, w.data, wSums && w.sums, xZeroPoint, wZeroPoint],
        ...(output.isFloat ? [xScale, wScale, bias?.buffer] : []),
        y,
      ].filter((buffer) => !!buffer).map(gpu);
      this.product(
        `nibbles ${m} ${n} ${k} ${groups}`,
        (tile) => nibbleLinearKernel(spec, tile, xSteps % 2 === 1),
        buffers,
        [m, n, k, packedRowBytes(k, 4) / 16 / groups, 0, xSteps, groups],
        { m, n, grouped: groups > 1, exact: groups === 1 },
      );
    });
    if (args.outputDtype.isFloat) this.note(y, product, number);
    return y;
  }

  /** The product of bytes into `y`: numbers of a dtype, or packed rows if they are quantized anew. */
  private byteProduct(
    product: PackedProduct,
    output: DType,
    y: PooledBuffer,
    next?: Quantized,
  ): void {
    const { x, w, args } = product;
    const { rows: m, k } = x;
    const { rows: n } = w;
    const source = this.onlyFor(x.data);
    const inside = source?.op === "quantize rows" && m <= FEW_ROWS && m * n * k <= QUANTIZED_INSIDE
      ? source
      : undefined;
    const spec: PackedLinearSpec = {
      ...packedSpec(product, output),
      requantize: next && quantization(next),
      quantize: inside && { dtype: inside.x.dtype, ...quantization(inside.args) },
    };
    const { xSums, wSums } = boundSums(spec);
    const { xZeroPoint, wZeroPoint, xScale, wScale, bias } = args;
    const buffers = [
      ...[inside ? inside.x.buffer : x.data, w.data, xSums && x.sums, wSums && w.sums],
      ...[xZeroPoint, wZeroPoint],
      ...(output.isFloat ? [xScale, wScale, bias?.buffer] : []),
      ...(inside ? [inside.args.inverseScale, inside.args.zeroPoint] : []),
      ...(next ? [next.inverseScale, next.zeroPoint] : []),
      y,
    ].filter((buffer) => !!buffer).map(gpu);
    const words = next ? packedRowBytes(n) / 4 : 0;
    this.product(
      `int8 ${m} ${n} ${k}${next ? " requantized" : ""}`,
      (tile) => packedLinearKernel(spec, tile),
      buffers,
      [m, n, k, packedRowBytes(k) / 16, words],
      { m, n, exact: true, packed: next !== undefined, large: m >= this.manyRows },
    );
  }

  /** What `quantizeRows` would make of a product's floats, without the floats. */
  private requantized(product: PackedProduct, next: Quantized): PackedRows {
    const { x, w, args } = product;
    const data = this.runtime.pool.acquire(x.rows * packedRowBytes(w.rows), "requantized");
    this.byteProduct(product, args.outputDtype, data, next);
    const { offset } = next;
    return { data, sums: null, rows: x.rows, k: w.rows, bits: 8, groupSize: w.rows, offset };
  }

  /** From how many rows on a large tile of integers is worth compiling: sooner if it is kept. */
  private get manyRows(): number {
    return this.runtime.recorder ? 32 : 128;
  }

  /** Runs a product with the tile by rule; a recording may choose another. */
  private product(
    key: string,
    kernel: (tile: Tile) => Kernel,
    buffers: readonly PooledBuffer[],
    params: readonly number[],
    shape: Omit<Product, "subgroup"> & { readonly exact: boolean },
  ): void {
    const { exact, ...rest } = shape;
    const { m, n } = rest;
    const product: Product = { ...rest, subgroup: this.subgroupSize };
    const width = params[4] ? params[4] * 4 : n;
    const build = (tile: Tile) => ({
      kernel: kernel(tile),
      workgroups: matmulWorkgroups(m, width, tile),
    });
    const rule = chooseTile(product);
    const built = build(rule);
    const retile: Retile | undefined = this.runtime.recorder
      ? { key, candidates: candidateTiles(product, exact), build }
      : undefined;
    const all = [...params, ...new Array(MATMUL_FIELDS.length - params.length).fill(0)];
    this.runtime.dispatch(built.kernel, buffers, all, built.workgroups, retile);
  }

  /** Remembers, while something is recorded, how a buffer came to be. */
  private note(buffer: DeviceBuffer, made: Produced, number: number | undefined): void {
    if (number === undefined) return;
    this.runtime.recorder!.note(number, gpu(buffer));
    this.produced.set(buffer, { ...made, number });
  }

  /** How a buffer came to be that only the operation which asks will read. */
  private onlyFor(buffer: DeviceBuffer): Produced | undefined {
    const made = this.produced.get(buffer);
    return made && this.runtime.recorder?.onlyOne(made.number) ? made : undefined;
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
        const spec = {
          bits: w.bits,
          offset: w.offset,
          params: groups > 1 ? "group" : numelOf(wScale.shape) > 1 ? "row" : "one",
          scale: wScale.dtype,
          zeroPoint: wZeroPoint?.dtype,
          bias: bias?.dtype,
          output,
        } as const;
        const buffers = [wide, w.data, wScale.buffer, wZeroPoint?.buffer, bias?.buffer, y]
          .filter((buffer) => buffer !== undefined).map(gpu);
        this.product(
          `float32 by int${w.bits} ${m} ${n} ${k} ${groups}`,
          (tile) => weightOnlyKernel(spec, tile),
          buffers,
          [m, n, k, vectors / groups, 0, width / 4, groups],
          { m, n, grouped: groups > 1, exact: false },
        );
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
