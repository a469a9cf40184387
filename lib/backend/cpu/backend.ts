/**
 * The reference backend: host memory and plain loops. Slow where it must be, right everywhere; the
 * WebGPU backend is tested against it.
 *
 * @module
 */
import { bool, type DType, float32, int32, int8 } from "../../numbers/dtype.ts";
import { decode, emptyArray, encode } from "../../numbers/encoding.ts";
import { roundHalfEven, roundTo } from "../../numbers/rounding.ts";
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
import { type ChannelsLast, storedDtype } from "../channels_last.ts";
import {
  type ConvArgs,
  type ConvWeight,
  type ConvWeightArgs,
  convWeightFacts,
  type PackedConvArgs,
} from "../convolution.ts";
import { blockOf, collapseBlocks, countBlocks } from "../blocks.ts";
import { countValue, countValues, regrid } from "../histogram_state.ts";
import type { Expression } from "../expression.ts";
import { floatKey, keyFloat, NO_BAD_BATCH } from "../minmax_state.ts";
import { bytesInRows, toChannelsLast, toContiguous } from "./channels_last.ts";
import { conv } from "./convolution.ts";
import { packedConv } from "./packed_convolution.ts";
import { bytesOf, CpuBuffer, floatsOf, valuesOf } from "./buffer.ts";
import { matmul, matmulInteger } from "./matmul.ts";
import * as movement from "./movement.ts";
import { pool } from "./pooling.ts";
import { pointwise } from "./pointwise.ts";
import { recur } from "./recurrent.ts";
import * as reduction from "./reduction.ts";

const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/** More than this is a slip: it would take the memory of a whole machine. */
const MOST_BYTES = 2 ** 33;

/** Tensors in host memory, computed on by the thread that asks. */
export class CpuBackend implements Backend {
  readonly device = "cpu";
  readonly isRecording = false;
  readonly description = "CPU (plain TypeScript)";
  private liveBytes = 0;
  private liveBuffers = 0;

  private hold(bytes: Uint8Array, reuse?: () => void): CpuBuffer {
    this.liveBytes += bytes.byteLength;
    this.liveBuffers++;
    return new CpuBuffer(bytes, reuse);
  }

  checkFits(byteLength: number, label: string): void {
    if (byteLength <= MOST_BYTES) return;
    throw new RangeError(
      `${label}: a tensor of ${byteLength} bytes is more than the ${MOST_BYTES} that one may have on the ` +
        `CPU; split it, or use a narrower dtype`,
    );
  }

  upload(bytes: Uint8Array): DeviceBuffer {
    return this.hold(new Uint8Array(bytes));
  }

  /**
   * Takes bytes over as they are; whoever gave them leaves them alone while the buffer is used.
   *
   * @param reuse is called once it is not.
   */
  adopt(bytes: Uint8Array, reuse?: () => void): DeviceBuffer {
    return this.hold(bytes, reuse);
  }

  /**
   * The bytes themselves, to be read only and at once: they may be written again when the buffer is released.
   */
  view(buffer: DeviceBuffer): Uint8Array {
    return bytesOf(buffer);
  }

  /** {@linkcode CpuBackend.view} for somebody who reads later. */
  borrow(buffer: DeviceBuffer): Uint8Array {
    (buffer as CpuBuffer).borrow();
    return bytesOf(buffer);
  }

  /** Ends what {@linkcode CpuBackend.borrow} began. */
  letGo(buffer: DeviceBuffer): void {
    (buffer as CpuBuffer).letGo();
  }

  read(buffer: DeviceBuffer): Promise<Uint8Array> {
    return Promise.resolve(bytesOf(buffer).slice());
  }

  release(buffer: DeviceBuffer): void {
    this.liveBytes -= buffer.byteLength;
    this.liveBuffers--;
    (buffer as CpuBuffer).free();
  }

  memory(): MemoryStats {
    return { liveBytes: this.liveBytes, liveBuffers: this.liveBuffers, pooledBytes: 0 };
  }

  copy(x: DeviceBuffer): DeviceBuffer {
    return this.upload(bytesOf(x));
  }

  cast(x: Operand, dtype: DType): DeviceBuffer {
    const values = valuesOf(x);
    if (dtype.isFloat) return this.hold(encode(values, dtype));
    if (dtype === bool) return this.hold(Uint8Array.from(values, (v) => v === 0 ? 0 : 1));
    const { min, max } = dtype;
    if (!x.dtype.isFloat) {
      const wrap = (v: number) => v - Math.floor((v - min) / (max - min + 1)) * (max - min + 1);
      return this.hold(encode(Float64Array.from(values, wrap), dtype));
    }
    return this.hold(
      encode(Float64Array.from(values, (v) => clamp(Math.trunc(v), min, max)), dtype),
    );
  }

  pointwise(
    expression: Expression,
    inputs: readonly (Operand | ChannelsLast)[],
    shape: readonly number[],
    dtype: DType,
    layout?: ChannelsLast["layout"],
  ): DeviceBuffer {
    return this.hold(pointwise({ expression, inputs, shape, dtype, layout }));
  }

  strided(x: Operand, args: StridedArgs): DeviceBuffer {
    return this.hold(movement.strided(x, args));
  }

  cat(xs: readonly (Operand | ChannelsLast)[], dim: number): DeviceBuffer {
    return this.hold(movement.cat(xs, dim));
  }

  pad(x: Operand, args: PadArgs): DeviceBuffer {
    return this.hold(movement.pad(x, args));
  }

  gather(x: Operand, index: Operand, args: GatherArgs): DeviceBuffer {
    return this.hold(movement.gather(x, index, args));
  }

  toChannelsLast(x: Operand): DeviceBuffer {
    return this.hold(toChannelsLast(x));
  }

  toContiguous(x: ChannelsLast): DeviceBuffer {
    return this.hold(toContiguous(x));
  }

  reduce(x: Operand, args: ReduceArgs): DeviceBuffer {
    return this.hold(reduction.reduce(x, args));
  }

  softmax(x: Operand, args: SoftmaxArgs): DeviceBuffer {
    return this.hold(reduction.softmax(x, args));
  }

  cumsum(x: Operand, args: CumSumArgs): DeviceBuffer {
    return this.hold(reduction.cumsum(x, args));
  }

  resample(x: Operand, args: ResampleArgs): DeviceBuffer {
    return this.hold(reduction.resample(x, args));
  }

  normalize(x: Operand, args: NormalizeArgs): DeviceBuffer {
    return this.hold(reduction.normalize(x, args));
  }

  relu(x: Operand): DeviceBuffer {
    return this.hold(encode(valuesOf(x).map((v) => v > 0 ? v : v !== v ? v : 0), x.dtype));
  }

  linear(x: Operand, w: Operand, bias: Operand | null): DeviceBuffer {
    const [m, k] = x.shape;
    const n = w.shape[0];
    const [xs, ws] = [valuesOf(x), valuesOf(w)];
    const bs = bias && valuesOf(bias);
    const y = new Float32Array(m * n);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let t = 0, a = i * k, b = j * k; t < k; t++) sum += xs[a + t] * ws[b + t];
        y[i * n + j] = bs ? Math.fround(sum) + bs[j] : sum;
      }
    }
    return this.hold(encode(y, x.dtype));
  }

  matmul(a: Operand, b: Operand, args: MatmulArgs = {}): DeviceBuffer {
    return this.hold(encode(matmul(a, b, args), a.dtype));
  }

  matmulInteger(a: Operand, b: Operand, args: MatmulIntegerArgs): DeviceBuffer {
    return this.hold(encode(matmulInteger(a, b, args), int32));
  }

  convWeight(w: Operand, args: ConvWeightArgs): ConvWeight {
    return {
      ...convWeightFacts(w.shape, args),
      dtype: w.dtype,
      data: this.copy(w.buffer),
      sums: null,
    };
  }

  conv(x: ChannelsLast, w: ConvWeight, bias: Operand | null, args: ConvArgs): DeviceBuffer {
    return this.hold(encode(conv(x, w, bias, args), x.dtype));
  }

  recur(x: Operand, args: RecurrentArgs): Recurrence {
    const { output, hidden, state } = recur(x, args);
    const hold = (values: Float32Array) => this.hold(encode(values, float32));
    return { output: hold(output), hidden: hold(hidden), state: state && hold(state) };
  }

  packedConv(x: ChannelsLast, w: ConvWeight, args: PackedConvArgs): DeviceBuffer {
    return this.hold(encode(packedConv(x, w, args), storedDtype(args.result.dtype)));
  }

  quantizePixels(x: Operand | ChannelsLast, args: QuantizeRowsArgs): DeviceBuffer {
    const [inverse, zeroPoint] = [floatsOf(args.inverseScale)[0], floatsOf(args.zeroPoint)[0]];
    const quantize = quantizer(args);
    return this.hold(
      bytesInRows(x, args.outputDtype, (v) => quantize(v, inverse, zeroPoint)),
    );
  }

  pool(x: ChannelsLast, args: PoolArgs): DeviceBuffer {
    return this.hold(encode(pool(x, args), storedDtype(x.dtype)));
  }

  reciprocal(x: Operand): DeviceBuffer {
    return this.hold(
      encode(Float32Array.from(valuesOf(x), (v) => roundTo(x.dtype, 1 / v)), float32),
    );
  }

  quantizeAffine(x: Operand, args: QuantizeArgs): DeviceBuffer {
    const dims = collapseBlocks(x.shape, args.blockSize);
    const [inverse, zeroPoint] = [floatsOf(args.inverseScale), floatsOf(args.zeroPoint)];
    const quantize = quantizer(args);
    const q = emptyArray(args.outputDtype, valuesOf(x).length);
    valuesOf(x).forEach((v, i) => {
      const block = blockOf(i, dims);
      q[i] = quantize(v, inverse[block], zeroPoint[block]);
    });
    return this.hold(encode(q, args.outputDtype));
  }

  dequantizeAffine(q: Operand, args: DequantizeArgs): DeviceBuffer {
    const dims = collapseBlocks(q.shape, args.blockSize);
    const [scale, zeroPoint] = [floatsOf(args.scale), floatsOf(args.zeroPoint)];
    const x = Float32Array.from(valuesOf(q), (v, i) => {
      const block = blockOf(i, dims);
      const steps = roundTo(args.outputDtype, v - zeroPoint[block]);
      return roundTo(args.productDtype, steps * scale[block]);
    });
    return this.hold(encode(x, args.outputDtype));
  }

  quantizeAboutFloat(x: Operand, args: QuantizeAboutFloatArgs): DeviceBuffer {
    const dims = collapseBlocks(x.shape, args.blockSize);
    const [scale, zeroPoint, shift] = [args.scale, args.zeroPoint, args.shift].map(floatsOf);
    const { leastDtype, productDtype, quantMin, quantMax, outputDtype } = args;
    const q = Array.from(valuesOf(x), (v, i) => {
      const block = blockOf(i, dims);
      const least = roundTo(leastDtype, zeroPoint[block] - shift[block]);
      const above = roundTo(productDtype, v - least);
      const steps = roundHalfEven(roundTo(productDtype, above / scale[block]));
      return clamp(Number.isNaN(steps) ? 0 : steps, quantMin, quantMax);
    });
    return this.hold(encode(q, outputDtype));
  }

  addBlocks(x: Operand, { blockSize, values, sumDtype }: AddBlocksArgs): DeviceBuffer {
    const dims = collapseBlocks(x.shape, blockSize);
    const added = floatsOf(values);
    const y = Float32Array.from(
      valuesOf(x),
      (v, i) => roundTo(sumDtype, v + added[blockOf(i, dims)]),
    );
    return this.hold(encode(y, x.dtype));
  }

  updateMinMax(
    state: DeviceBuffer,
    x: Operand,
    blockSize: readonly number[],
    batch: number,
  ): void {
    const dims = collapseBlocks(x.shape, blockSize);
    const blocks = countBlocks(dims);
    const words = new Uint32Array(bytesOf(state).buffer);
    if (blocks === 1 && x.dtype === float32) return widenRange(words, bitsOf(x), batch);
    valuesOf(x).forEach((v, i) => {
      if (!Number.isFinite(v)) words[2 * blocks] = Math.min(words[2 * blocks], batch);
      const block = blockOf(i, dims);
      const key = floatKey(v);
      if (key < words[block]) words[block] = key;
      if (key > words[blocks + block]) words[blocks + block] = key;
    });
  }

  moveAverages(state: DeviceBuffer, blocks: number, constant: number): void {
    const words = new Uint32Array(bytesOf(state).buffer);
    const averages = new Float32Array(words.buffer, 4 * (2 * blocks + 1), 2 * blocks);
    averages.forEach((average, i) => {
      const now = keyFloat(words[i]);
      const moved = average + Math.fround(Math.fround(constant) * Math.fround(now - average));
      averages[i] = constant === 1 ? now : moved;
      words[i] = i < blocks ? 0xffffffff : 0;
    });
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
    const words = new Uint32Array(bytesOf(state).buffer);
    if (words[2 * blocks] !== NO_BAD_BATCH) return; // nothing sensible can be counted
    for (let block = 0; block < blocks; block++) regrid(words, blocks, block);
    if (blocks === 1 && x.dtype === float32) {
      const { buffer, byteOffset, length } = bitsOf(x);
      return countValues(words, new Float32Array(buffer, byteOffset, length));
    }
    valuesOf(x).forEach((v, i) => countValue(words, blocks, blockOf(i, dims), v));
  }

  quantizationLoss(x: Operand, args: LossArgs): DeviceBuffer {
    const dims = collapseBlocks(x.shape, args.blockSize);
    const blocks = countBlocks(dims);
    const [scale, inverse, zeroPoint] = [args.scale, args.inverseScale, args.zeroPoint].map(
      floatsOf,
    );
    const quantize = quantizer(args);
    const values = valuesOf(x);
    const loss = new Float32Array(args.candidates * blocks);
    for (let c = 0; c < args.candidates; c++) {
      const sums = new Float64Array(blocks);
      values.forEach((v, i) => {
        const block = blockOf(i, dims);
        const at = c * blocks + block;
        const steps = quantize(v, inverse[at], zeroPoint[at]) - zeroPoint[at];
        sums[block] += Math.fround(roundTo(x.dtype, steps * scale[at]) - v) ** 2;
      });
      loss.set(sums, c * blocks);
    }
    return this.hold(encode(loss, float32));
  }

  packRows(q: Operand, args: PackRowsArgs = {}): PackedRows {
    const { bits = 8 } = args;
    if (q.dtype.isFloat) {
      const bytes = { ...q, dtype: int8 };
      return {
        ...this.pack(q.shape, 0, valuesOf(bytes), { ...args, sums: false }),
        float8: q.dtype,
      };
    }
    const offset = bits === 4 ? q.dtype.min : q.dtype.min < 0 ? 0 : 128;
    return this.pack(q.shape, offset, valuesOf(q), args);
  }

  unpackRows(packed: PackedRows): DeviceBuffer {
    return this.hold(Uint8Array.from(storedNumbers(packed), (v) => v + packed.offset));
  }

  quantizeRows(x: Operand, args: QuantizeRowsArgs): PackedRows {
    const [inverse, zeroPoint] = [floatsOf(args.inverseScale)[0], floatsOf(args.zeroPoint)[0]];
    const quantize = quantizer(args);
    const q = Int16Array.from(valuesOf(x), (v) => quantize(v, inverse, zeroPoint));
    return this.pack(x.shape, args.outputDtype.min < 0 ? 0 : 128, q);
  }

  quantizeRowsDynamic(x: Operand, args: QuantizeRowsDynamicArgs): DynamicRows {
    const { quantMin, quantMax, eps, scaleDtype } = args;
    const [rows, k] = x.shape;
    const values = valuesOf(x);
    const quantize = quantizer({ ...args, outputDtype: int8 });
    const q = new Int16Array(rows * k);
    const scale = new Float32Array(rows);
    for (let r = 0; r < rows; r++) {
      const row = Array.from(values.subarray(r * k, r * k + k));
      const largest = row.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      scale[r] = Math.max(roundTo(x.dtype, largest / ((quantMax - quantMin) / 2)), eps);
      const inverse = roundTo(scaleDtype, 1 / scale[r]);
      row.forEach((v, i) => q[r * k + i] = quantize(v, inverse, 0));
    }
    return { packed: this.pack(x.shape, 0, q), scale: this.hold(new Uint8Array(scale.buffer)) };
  }

  private pack(
    [rows, k]: readonly number[],
    offset: number,
    q: ArrayLike<number>,
    { bits = 8, groupSize = k, sums = true }: PackRowsArgs = {},
  ): PackedRows {
    const stride = packedRowBytes(k, bits);
    const data = new Uint8Array(rows * stride);
    const groups = groupSize === k ? 1 : k / groupSize;
    const totals = new Int32Array(rows * groups);
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < k; i++) {
        const stored = q[r * k + i] - offset;
        totals[r * groups + (groups === 1 ? 0 : Math.floor(i / groupSize))] += stored;
        if (bits === 8) data[r * stride + i] = stored;
        else data[r * stride + nibbleByte(i)] |= stored << nibbleShift(i);
      }
    }
    return {
      data: this.hold(data),
      sums: sums ? this.hold(new Uint8Array(totals.buffer)) : null,
      rows,
      k,
      bits,
      groupSize,
      offset,
    };
  }

  packedLinear(x: PackedRows, w: PackedRows, args: PackedLinearArgs): DeviceBuffer {
    const { rows: m, k } = x;
    const n = w.rows;
    const [xs, ws] = [storedNumbers(x), storedNumbers(w)];
    const [xScale, wScale] = [floatsOf(args.xScale), floatsOf(args.wScale)];
    const xZeroPoint = args.xZeroPoint && floatsOf(args.xZeroPoint);
    const wZeroPoint = args.wZeroPoint && floatsOf(args.wZeroPoint);
    const bias = args.bias && valuesOf(args.bias);
    const exact = !args.outputDtype.isFloat;
    const y = exact ? new Int32Array(m * n) : new Float32Array(m * n);
    const groups = packedGroups(w);
    for (let i = 0; i < m; i++) {
      const xParam = (args.xParamCount ?? 1) === 1 ? 0 : i;
      const zx = (xZeroPoint?.[xParam] ?? 0) - x.offset;
      for (let j = 0; j < n; j++) {
        let acc = 0;
        let scaled = 0;
        for (let g = 0; g < groups; g++) {
          const param = args.wParamCount === 1 ? 0 : j * groups + g;
          const zw = (wZeroPoint?.[param] ?? 0) - w.offset;
          acc = 0;
          for (let t = g * w.groupSize; t < (g + 1) * w.groupSize; t++) {
            acc += (xs[i * k + t] - zx) * (ws[j * k + t] - zw);
          }
          scaled += groups === 1
            ? Math.fround(acc) * Math.fround(xScale[xParam] * wScale[param])
            : Math.fround(acc) * wScale[param];
        }
        const product = Math.fround(groups === 1 ? scaled : Math.fround(scaled) * xScale[xParam]);
        y[i * n + j] = exact ? acc : bias ? product + bias[j] : product;
      }
    }
    return this.hold(encode(y, args.outputDtype));
  }

  weightOnlyLinear(x: Operand, w: PackedRows, args: WeightOnlyLinearArgs): DeviceBuffer {
    const [m, k] = x.shape;
    const n = w.rows;
    const stored = storedNumbers(w);
    const ws = w.float8 ? decode(new Uint8Array(stored.buffer), w.float8) : stored;
    const xs = valuesOf(x);
    const scale = valuesOf(args.wScale);
    const zeroPoint = args.wZeroPoint && valuesOf(args.wZeroPoint);
    const bias = args.bias && valuesOf(args.bias);
    const groups = packedGroups(w);
    const y = new Float32Array(m * n);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let total = 0;
        for (let g = 0; g < groups; g++) {
          const param = scale.length === 1 ? 0 : j * groups + g;
          const zw = (zeroPoint?.[param] ?? 0) - w.offset;
          let sum = 0;
          for (let t = g * w.groupSize; t < (g + 1) * w.groupSize; t++) {
            sum += xs[i * k + t] * (ws[j * k + t] - zw);
          }
          total += sum * scale[param];
        }
        y[i * n + j] = bias ? Math.fround(total) + bias[j] : total;
      }
    }
    return this.hold(encode(y, x.dtype));
  }
}

/** The bits of float32 numbers. */
function bitsOf({ buffer }: Operand): Int32Array {
  const bytes = bytesOf(buffer);
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Int32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

/** Widens the one range of a min-max state by float32 numbers, given by their bits. */
function widenRange(words: Uint32Array, bits: Int32Array, batch: number): void {
  // As signed integers that order as the numbers do; keys are the same with the sign bit flipped.
  let low = words[0] ^ SIGN;
  let high = words[1] ^ SIGN;
  let bad = false;
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i];
    const ordered = b ^ ((b >> 31) >>> 1);
    if (ordered < low) low = ordered;
    if (ordered > high) high = ordered;
    if ((b & EXPONENT) === EXPONENT) bad = true;
  }
  words[0] = low ^ SIGN;
  words[1] = high ^ SIGN;
  if (bad) words[2] = Math.min(words[2], batch);
}

const SIGN = 0x80000000;
/** The exponent bits of a float32, which are all set in NaNs and infinities. */
const EXPONENT = 0x7f800000;

/** The byte of a row that nibble `i` lies in, and where in that byte. */
const nibbleByte = (i: number) => Math.floor(i / 8) * 4 + i % 4;
const nibbleShift = (i: number) => i % 8 < 4 ? 0 : 4;

/** The numbers that packed rows hold, as stored, without the padding. */
function storedNumbers({ data, rows, k, bits }: PackedRows): Int8Array {
  const bytes = new Int8Array(bytesOf(data).buffer);
  const stride = packedRowBytes(k, bits);
  const stored = new Int8Array(rows * k);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < k; i++) {
      stored[r * k + i] = bits === 8
        ? bytes[r * stride + i]
        : (bytes[r * stride + nibbleByte(i)] >> nibbleShift(i)) & 15;
    }
  }
  return stored;
}

/** `clamp(round(x · inverse) + zeroPoint)`, the product rounded in its dtype. */
function quantizer(args: Omit<QuantizeRowsArgs, "inverseScale" | "zeroPoint">) {
  const { productDtype, quantMin, quantMax, outputDtype } = args;
  return (x: number, inverse: number, zeroPoint: number): number => {
    const product = roundTo(productDtype, x * inverse);
    if (outputDtype.isFloat) return roundTo(outputDtype, clamp(product, quantMin, quantMax));
    const steps = roundHalfEven(product);
    return clamp((Number.isNaN(steps) ? 0 : steps) + zeroPoint, quantMin, quantMax);
  };
}
