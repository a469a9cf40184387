/**
 * What a device must be able to do. A backend stores bytes and runs operations on them; it knows
 * dtypes and shapes but not tensors, models or quantization schemes.
 *
 * Every operation only enqueues work: none but {@linkcode Backend.read} waits. Operands are
 * contiguous and row-major, their bytes as `lib/tensor/encoding.ts` lays them out, padded to whole
 * 32-bit words.
 *
 * @module
 */
import type { DType } from "../tensor/dtype.ts";

/** The name of a device. */
export type Device = "cpu" | "webgpu";

/** Memory of a backend. Only the backend that made it looks inside. */
export interface DeviceBuffer {
  /** Bytes that the contents take. */
  readonly byteLength: number;
}

/** A buffer and how to read it. */
export interface Operand {
  /** Where the elements are. */
  readonly buffer: DeviceBuffer;
  /** How they are laid out. */
  readonly dtype: DType;
  /** The sizes of the dimensions. */
  readonly shape: readonly number[];
}

/**
 * A matrix of signed bytes for the integer product: rows padded with zeros to
 * {@linkcode packedRowBytes}, unsigned input shifted by −128, and the sum of each row beside it.
 */
export interface PackedRows {
  /** int8, `rows` × `packedRowBytes(k)`. */
  readonly data: DeviceBuffer;
  /** int32, `rows`: the sum of each row's signed bytes. */
  readonly sums: DeviceBuffer;
  /** The number of rows. */
  readonly rows: number;
  /** Elements a row, without the padding. */
  readonly k: number;
  /** What was subtracted to make the bytes signed: 128 for an unsigned dtype, else 0. */
  readonly offset: 0 | 128;
}

/** Bytes that one packed row of `k` elements takes: a whole number of 16-byte vectors. */
export function packedRowBytes(k: number): number {
  return Math.ceil(k / 16) * 16;
}

/** Arguments of {@linkcode Backend.quantizeAffine}; the parameters are float32, one a block. */
export interface QuantizeArgs {
  /** The block that shares parameters, one size a dimension. */
  readonly blockSize: readonly number[];
  /** Reciprocals of the scales. */
  readonly inverseScale: DeviceBuffer;
  /** Zero points. */
  readonly zeroPoint: DeviceBuffer;
  /** The least integer to give. */
  readonly quantMin: number;
  /** The greatest integer to give. */
  readonly quantMax: number;
  /** The dtype that `x · inverseScale` is rounded in. */
  readonly productDtype: DType;
  /** The dtype of the result. */
  readonly outputDtype: DType;
}

/** Arguments of {@linkcode Backend.dequantizeAffine}; the parameters are float32, one a block. */
export interface DequantizeArgs {
  /** The block that shares parameters, one size a dimension. */
  readonly blockSize: readonly number[];
  /** Scales. */
  readonly scale: DeviceBuffer;
  /** Zero points. */
  readonly zeroPoint: DeviceBuffer;
  /** The dtype that `(q − zeroPoint) · scale` is rounded in. */
  readonly productDtype: DType;
  /** The dtype of the result. */
  readonly outputDtype: DType;
}

/** Arguments of {@linkcode Backend.quantizeRows}; one float32 scale and zero point for all rows. */
export type QuantizeRowsArgs = Omit<QuantizeArgs, "blockSize">;

/** Arguments of {@linkcode Backend.packedLinear}; scales and zero points are float32. */
export interface PackedLinearArgs {
  /** One scale and one zero point for all of `x`, as quantized (before the shift to signed). */
  readonly xScale: DeviceBuffer;
  /** The zero point of `x`. */
  readonly xZeroPoint: DeviceBuffer;
  /** One or `w.rows` scales and as many zero points. */
  readonly wScale: DeviceBuffer;
  /** The zero points of `w`, as many as its scales. */
  readonly wZeroPoint: DeviceBuffer;
  /** How many scales `w` has. */
  readonly wParamCount: number;
  /** One number a row of `w`, or null. */
  readonly bias: Operand | null;
  /** A float dtype, or int32 for the corrected accumulator itself (no scales, no bias). */
  readonly outputDtype: DType;
}

/** Memory in use, in bytes. */
export interface MemoryStats {
  /** Held by tensors. */
  readonly liveBytes: number;
  /** Buffers held by tensors. */
  readonly liveBuffers: number;
  /** Kept for reuse. */
  readonly pooledBytes: number;
}

/** A device that stores tensors and computes on them. */
export interface Backend {
  /** Which device this is. */
  readonly device: Device;
  /** For people: the adapter's name. */
  readonly description: string;

  /** Copies host bytes to the device. */
  upload(bytes: Uint8Array): DeviceBuffer;
  /** Waits for what is enqueued and copies a buffer to the host. */
  read(buffer: DeviceBuffer): Promise<Uint8Array>;
  /** Gives a buffer back. Work enqueued on it still runs. */
  release(buffer: DeviceBuffer): void;
  /** What is allocated now. */
  memory(): MemoryStats;

  /** The same contents in another buffer. */
  copy(x: DeviceBuffer): DeviceBuffer;
  /** `x` in another dtype: floats rounded to nearest even, float to integer truncated and saturated. */
  cast(x: Operand, dtype: DType): DeviceBuffer;
  /** `max(x, 0)`. */
  relu(x: Operand): DeviceBuffer;
  /** `x·wᵀ + bias` for x (M, K), w (N, K), accumulated in float32 and rounded once to x's dtype. */
  linear(x: Operand, w: Operand, bias: Operand | null): DeviceBuffer;
  /** `1 / x`, correctly rounded in x's dtype; the result is float32. */
  reciprocal(x: Operand): DeviceBuffer;
  /** `clamp(round(x · inverseScale) + zeroPoint)`, with parameters a block. */
  quantizeAffine(x: Operand, args: QuantizeArgs): DeviceBuffer;
  /** `(q − zeroPoint) · scale`, with parameters a block. */
  dequantizeAffine(q: Operand, args: DequantizeArgs): DeviceBuffer;
  /**
   * Folds a batch into running minima and maxima, in place. `state` holds uint32 words: per block
   * the key of the minimum, per block the key of the maximum (see `minmax_state.ts`), then the
   * lowest batch number that held a NaN or an infinity.
   */
  updateMinMax(state: DeviceBuffer, x: Operand, blockSize: readonly number[], batch: number): void;
  /** Brings an 8-bit matrix into the layout that {@linkcode Backend.packedLinear} reads. */
  packRows(q: Operand): PackedRows;
  /** The 8-bit matrix that was packed. */
  unpackRows(packed: PackedRows): DeviceBuffer;
  /** Quantizes a float matrix with one scale straight into packed rows. */
  quantizeRows(x: Operand, args: QuantizeRowsArgs): PackedRows;
  /** `sx·sw[n]·Σ(qx − zx)(qw − zw[n]) + bias[n]`: exact int32 sums, then scales and bias. */
  packedLinear(x: PackedRows, w: PackedRows, args: PackedLinearArgs): DeviceBuffer;
}
