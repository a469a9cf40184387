/**
 * The reference backend: host memory and plain loops. Slow where it must be, right everywhere; the
 * WebGPU backend is tested against it.
 *
 * @module
 */
import { type DType, float32 } from "../../tensor/dtype.ts";
import { decode, emptyArray, encode, type TypedArray } from "../../tensor/encoding.ts";
import { roundHalfEven, roundTo } from "../../tensor/rounding.ts";
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
import { blockOf, collapseBlocks, countBlocks } from "../blocks.ts";
import { floatKey } from "../minmax_state.ts";

class CpuBuffer implements DeviceBuffer {
  constructor(public bytes: Uint8Array) {}
  get byteLength(): number {
    return this.bytes.byteLength;
  }
}

const bytesOf = (buffer: DeviceBuffer): Uint8Array => (buffer as CpuBuffer).bytes;
const valuesOf = (x: Operand): TypedArray => decode(bytesOf(x.buffer), x.dtype);
const floatsOf = (buffer: DeviceBuffer) => new Float32Array(bytesOf(buffer).slice().buffer);
const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/** Tensors in host memory, computed on by the thread that asks. */
export class CpuBackend implements Backend {
  readonly device = "cpu";
  readonly description = "CPU (plain TypeScript)";
  private liveBytes = 0;
  private liveBuffers = 0;

  private hold(bytes: Uint8Array): CpuBuffer {
    this.liveBytes += bytes.byteLength;
    this.liveBuffers++;
    return new CpuBuffer(bytes);
  }

  upload(bytes: Uint8Array): DeviceBuffer {
    return this.hold(bytes.slice());
  }

  read(buffer: DeviceBuffer): Promise<Uint8Array> {
    return Promise.resolve(bytesOf(buffer).slice());
  }

  release(buffer: DeviceBuffer): void {
    this.liveBytes -= buffer.byteLength;
    this.liveBuffers--;
    (buffer as CpuBuffer).bytes = new Uint8Array(0);
  }

  memory(): MemoryStats {
    return { liveBytes: this.liveBytes, liveBuffers: this.liveBuffers, pooledBytes: 0 };
  }

  copy(x: DeviceBuffer): DeviceBuffer {
    return this.upload(bytesOf(x));
  }

  cast(x: Operand, dtype: DType): DeviceBuffer {
    const values = valuesOf(x);
    if (dtype.isFloat || !x.dtype.isFloat) return this.hold(encode(values, dtype));
    const { min, max } = dtype;
    return this.hold(
      encode(Float64Array.from(values, (v) => clamp(Math.trunc(v), min, max)), dtype),
    );
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

  updateMinMax(
    state: DeviceBuffer,
    x: Operand,
    blockSize: readonly number[],
    batch: number,
  ): void {
    const dims = collapseBlocks(x.shape, blockSize);
    const blocks = countBlocks(dims);
    const words = new Uint32Array(bytesOf(state).buffer);
    valuesOf(x).forEach((v, i) => {
      if (!Number.isFinite(v)) words[2 * blocks] = Math.min(words[2 * blocks], batch);
      const block = blockOf(i, dims);
      const key = floatKey(v);
      if (key < words[block]) words[block] = key;
      if (key > words[blocks + block]) words[blocks + block] = key;
    });
  }

  packRows(q: Operand): PackedRows {
    const [rows, k] = q.shape;
    const offset = q.dtype.min < 0 ? 0 : 128;
    return this.pack(rows, k, offset, valuesOf(q));
  }

  unpackRows(packed: PackedRows): DeviceBuffer {
    const { rows, k, offset } = packed;
    const stride = packedRowBytes(k);
    const data = new Int8Array(bytesOf(packed.data).buffer);
    const q = new Uint8Array(rows * k);
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < k; i++) q[r * k + i] = data[r * stride + i] + offset;
    }
    return this.hold(q);
  }

  quantizeRows(x: Operand, args: QuantizeRowsArgs): PackedRows {
    const [rows, k] = x.shape;
    const [inverse, zeroPoint] = [floatsOf(args.inverseScale)[0], floatsOf(args.zeroPoint)[0]];
    const quantize = quantizer(args);
    const q = Int16Array.from(valuesOf(x), (v) => quantize(v, inverse, zeroPoint));
    return this.pack(rows, k, args.outputDtype.min < 0 ? 0 : 128, q);
  }

  private pack(rows: number, k: number, offset: 0 | 128, q: ArrayLike<number>): PackedRows {
    const stride = packedRowBytes(k);
    const data = new Int8Array(rows * stride);
    const sums = new Int32Array(rows);
    for (let r = 0; r < rows; r++) {
      for (let i = 0; i < k; i++) {
        const signed = q[r * k + i] - offset;
        data[r * stride + i] = signed;
        sums[r] += signed;
      }
    }
    return {
      data: this.hold(new Uint8Array(data.buffer)),
      sums: this.hold(new Uint8Array(sums.buffer)),
      rows,
      k,
      offset,
    };
  }

  packedLinear(x: PackedRows, w: PackedRows, args: PackedLinearArgs): DeviceBuffer {
    const { rows: m, k } = x;
    const n = w.rows;
    const stride = packedRowBytes(k);
    const xs = new Int8Array(bytesOf(x.data).buffer);
    const ws = new Int8Array(bytesOf(w.data).buffer);
    const xSums = new Int32Array(bytesOf(x.sums).buffer);
    const wSums = new Int32Array(bytesOf(w.sums).buffer);
    const xScale = floatsOf(args.xScale)[0];
    const zx = floatsOf(args.xZeroPoint)[0] - x.offset;
    const [wScale, wZeroPoint] = [floatsOf(args.wScale), floatsOf(args.wZeroPoint)];
    const bias = args.bias && valuesOf(args.bias);
    const exact = !args.outputDtype.isFloat;
    const y = exact ? new Int32Array(m * n) : new Float32Array(m * n);
    for (let j = 0; j < n; j++) {
      const param = args.wParamCount === 1 ? 0 : j;
      const zw = wZeroPoint[param] - w.offset;
      const scale = Math.fround(xScale * wScale[param]);
      for (let i = 0; i < m; i++) {
        let sum = 0;
        for (let t = 0, a = i * stride, b = j * stride; t < k; t++) sum += xs[a + t] * ws[b + t];
        const acc = sum - zx * wSums[j] - zw * xSums[i] + k * zx * zw;
        const product = Math.fround(Math.fround(acc) * scale);
        y[i * n + j] = exact ? acc : bias ? product + bias[j] : product;
      }
    }
    return this.hold(encode(y, args.outputDtype));
  }
}

/** `clamp(round(x · inverse) + zeroPoint)`, the product rounded in its dtype. */
function quantizer(args: QuantizeRowsArgs) {
  const { productDtype, quantMin, quantMax } = args;
  return (x: number, inverse: number, zeroPoint: number): number =>
    clamp(roundHalfEven(roundTo(productDtype, x * inverse)) + zeroPoint, quantMin, quantMax);
}
