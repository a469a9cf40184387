/**
 * What a device must be able to do. A backend stores bytes and runs operations on them; it knows
 * dtypes and shapes but not tensors, models or quantization schemes.
 *
 * Every operation only enqueues work: none but {@linkcode Backend.read} waits. Operands are
 * contiguous and row-major, their bytes as `lib/numbers/encoding.ts` lays them out, padded to whole
 * 32-bit words.
 *
 * @module
 */
import type { DType } from "../numbers/dtype.ts";
import type { Expression } from "./expression.ts";
import type { ChannelsLast } from "./channels_last.ts";
import type { ConvArgs, ConvWeight, ConvWeightArgs, PackedConvArgs } from "./convolution.ts";
import type { DeviceBuffer, Operand } from "./operand.ts";
import type { PoolArgs } from "./pooling.ts";

export type { ChannelsLast } from "./channels_last.ts";
export type {
  Clip,
  ConvArgs,
  ConvBytes,
  ConvFloats,
  ConvWeight,
  ConvWeightArgs,
  PackedConvArgs,
} from "./convolution.ts";
export type { DeviceBuffer, Operand } from "./operand.ts";
export type { PoolArgs, PoolRescaling, PoolWindows } from "./pooling.ts";

/** The name of a device. */
export type Device = "cpu" | "webgpu";

/**
 * A matrix of small integers in rows of whole 16-byte vectors, for the products that read them.
 *
 * With 8 bits an element is a signed byte (unsigned input shifted by −128). With 4 bits an element
 * is a nibble counted from the dtype's least value, eight to a 32-bit word: the low nibbles of the
 * word's bytes are elements 0 to 3, the high ones 4 to 7. The padding of a row is zeros.
 */
export interface PackedRows {
  /** `rows` × `packedRowBytes(k, bits)` bytes. */
  readonly data: DeviceBuffer;
  /** int32, `rows` × groups: the sum of the stored numbers of each group; null if not wanted. */
  readonly sums: DeviceBuffer | null;
  /** The number of rows. */
  readonly rows: number;
  /** Elements a row, without the padding. */
  readonly k: number;
  /** Bits an element. */
  readonly bits: 4 | 8;
  /** Neighbours in a row that share parameters: `k`, or a divisor of it that fills vectors. */
  readonly groupSize: number;
  /** What was subtracted from each element: 0 or 128 with 8 bits, the dtype's minimum with 4. */
  readonly offset: number;
  /** The dtype of 8-bit floats, which lie as they are and have no sums; undefined for integers. */
  readonly float8?: DType;
}

/** Bytes that one packed row of `k` elements takes: a whole number of 16-byte vectors. */
export function packedRowBytes(k: number, bits: 4 | 8 = 8): number {
  return Math.ceil(k * bits / 128) * 16;
}

/** The groups that a packed row consists of. */
export function packedGroups({ k, groupSize }: PackedRows): number {
  return k === groupSize ? 1 : k / groupSize;
}

/** Inputs that one expression may have: with the output, the buffers that every WebGPU device binds. */
export const MOST_INPUTS = 7;

/** Arguments of {@linkcode Backend.packRows}. */
export interface PackRowsArgs {
  /** Bits an element; 8 by default. */
  readonly bits?: 4 | 8;
  /** Neighbours in a row that share parameters; the whole row by default. */
  readonly groupSize?: number;
  /** Whether to sum the groups; true by default. */
  readonly sums?: boolean;
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

/** Arguments of {@linkcode Backend.quantizeAboutFloat}; the parameters are float32, one a block. */
export interface QuantizeAboutFloatArgs extends Omit<QuantizeArgs, "inverseScale"> {
  /** Scales. */
  readonly scale: DeviceBuffer;
  /** What is subtracted from the zero points. */
  readonly shift: DeviceBuffer;
  /** The dtype that `zeroPoint − shift` is rounded in. */
  readonly leastDtype: DType;
}

/** Arguments of {@linkcode Backend.addBlocks}. */
export interface AddBlocksArgs {
  /** The block that shares a number, one size a dimension. */
  readonly blockSize: readonly number[];
  /** float32, one a block. */
  readonly values: DeviceBuffer;
  /** The dtype that the sum is rounded in, before that of `x`. */
  readonly sumDtype: DType;
}

/** Arguments of {@linkcode Backend.quantizationLoss}; the parameters are float32. */
export interface LossArgs extends QuantizeArgs {
  /** Scales, candidate by candidate, one a block. */
  readonly scale: DeviceBuffer;
  /** How many candidates there are. */
  readonly candidates: number;
}

/** Arguments of {@linkcode Backend.quantizeRows}; one float32 scale and zero point for all rows. */
export type QuantizeRowsArgs = Omit<QuantizeArgs, "blockSize">;

/** Arguments of {@linkcode Backend.quantizeRowsDynamic}. */
export interface QuantizeRowsDynamicArgs {
  /** The least integer to give. */
  readonly quantMin: number;
  /** The greatest integer to give; symmetric about zero but for the least integer. */
  readonly quantMax: number;
  /** The least scale, a value of the dtype of `x`. */
  readonly eps: number;
  /** The dtype that the reciprocal of a scale is rounded in. */
  readonly scaleDtype: DType;
  /** The dtype that `x · inverseScale` is rounded in. */
  readonly productDtype: DType;
}

/** What {@linkcode Backend.quantizeRowsDynamic} gives. */
export interface DynamicRows {
  /** Signed bytes, zero points 0. */
  readonly packed: PackedRows;
  /** float32, one scale a row. */
  readonly scale: DeviceBuffer;
}

/**
 * Arguments of {@linkcode Backend.packedLinear}; scales and zero points are float32, and zero points
 * are those of the integers as quantized, before any shift.
 */
export interface PackedLinearArgs {
  /** One scale for all of `x`, or one a row. */
  readonly xScale: DeviceBuffer;
  /** As many zero points; null where they are 0. */
  readonly xZeroPoint: DeviceBuffer | null;
  /** How many scales `x` has; 1 by default. */
  readonly xParamCount?: number;
  /** One scale, one a row of `w`, or one a group of each row. */
  readonly wScale: DeviceBuffer;
  /** As many zero points; null where they are 0. */
  readonly wZeroPoint: DeviceBuffer | null;
  /** How many scales `w` has. */
  readonly wParamCount: number;
  /** One number a row of `w`, or null. */
  readonly bias: Operand | null;
  /** A float dtype, or int32 for the corrected accumulator itself (no scales, no bias). */
  readonly outputDtype: DType;
}

/** Arguments of {@linkcode Backend.weightOnlyLinear}. */
export interface WeightOnlyLinearArgs {
  /** One scale, one a row of `w`, or one a group of each row, in any float dtype. */
  readonly wScale: Operand;
  /** As many zero points, whole numbers of any dtype; null where they are 0. */
  readonly wZeroPoint: Operand | null;
  /** One number a row of `w`, or null. */
  readonly bias: Operand | null;
}

/** Arguments of {@linkcode Backend.matmul}. */
export interface MatmulArgs {
  /** Whether the matrices of `b` are given as (N, K), each with its rows for columns. */
  readonly transposeB?: boolean;
}

/** Arguments of {@linkcode Backend.matmulInteger}. Zero points are int32 and those of the integers as given. */
export interface MatmulIntegerArgs extends MatmulArgs {
  /** One zero point of `a`. */
  readonly aZeroPoint: Operand;
  /** One zero point of `b`, or one a column. */
  readonly bZeroPoint: Operand;
}

/** Arguments of {@linkcode Backend.strided}, all counted in elements. */
export interface StridedArgs {
  /** The shape of the result. */
  readonly shape: readonly number[];
  /** How far apart in the input neighbours along each dimension lie; may be 0 or negative. */
  readonly strides: readonly number[];
  /** Where in the input the first element lies. */
  readonly offset: number;
}

/** Arguments of {@linkcode Backend.pad}. */
export interface PadArgs {
  /** The shape of the result. */
  readonly shape: readonly number[];
  /** How many elements come before the input's in each dimension; negative where some are cut off. */
  readonly before: readonly number[];
  /**
   * What stands outside: a constant, the input mirrored about its first and last elements, these
   * elements themselves, or the input again.
   */
  readonly mode: "constant" | "reflect" | "edge" | "wrap";
  /** The constant's bits, as an element of the dtype has them. */
  readonly bits: number;
}

/** Arguments of {@linkcode Backend.gather}, all counted in elements. */
export interface GatherArgs {
  /** The shape of the result. */
  readonly shape: readonly number[];
  /** How the input is walked along with the result, but for what the indices say. */
  readonly strides: readonly number[];
  /** How the indices are walked along with the result. */
  readonly indexStrides: readonly number[];
  /** The size of the dimension that indices count along; a negative index counts from its end. */
  readonly size: number;
  /** The input's stride along it. */
  readonly stride: number;
}

/** Arguments of {@linkcode Backend.recur}. All operands are float32. */
export interface RecurrentArgs {
  /** Of which gates a step is made: input, forget, cell and output, or reset, update and new. */
  readonly cell: "lstm" | "gru";
  /** Multiplies the hidden state, (gates · H, H). */
  readonly weight: Operand;
  /** One number a row of the weight, or null. */
  readonly bias: Operand | null;
  /** What the hidden state begins from, (B, H); null for zeros. */
  readonly hidden: Operand | null;
  /** What an LSTM's cell state begins from, (B, H); null for zeros. */
  readonly state: Operand | null;
  /** Whether inputs and outputs are (B, T, …), not (T, B, …). */
  readonly batchFirst: boolean;
  /** Whether the last step comes first. */
  readonly reverse: boolean;
}

/** What {@linkcode Backend.recur} gives, in float32. */
export interface Recurrence {
  /** The hidden state after each step, laid out as the inputs. */
  readonly output: DeviceBuffer;
  /** That after the step that came last, (B, H). */
  readonly hidden: DeviceBuffer;
  /** An LSTM's cell state after it; null without one. */
  readonly state: DeviceBuffer | null;
}

/** The sizes of a recurrence over `x`, and the row of `x` that a step and a sample have. */
export function recurrentSizes(
  x: Operand,
  { cell, weight, batchFirst }: RecurrentArgs,
): {
  steps: number;
  batch: number;
  size: number;
  gates: number;
  rowOf: (step: number, sample: number) => number;
} {
  const [outer, inner] = x.shape;
  const [steps, batch] = batchFirst ? [inner, outer] : [outer, inner];
  const rowOf = (t: number, b: number) => batchFirst ? b * steps + t : t * batch + b;
  return { steps, batch, size: weight.shape[1], gates: cell === "lstm" ? 4 : 3, rowOf };
}

/** A tensor walked along a dimension of `n`, with `outer` elements before and `inner` after it. */
export interface Rows {
  /** The product of the sizes before the dimension. */
  readonly outer: number;
  /** The size of the dimension. */
  readonly n: number;
  /** The product of the sizes after it. */
  readonly inner: number;
}

/** What {@linkcode Backend.reduce} finds; places are those of the first of several. */
export type ReduceKind = "sum" | "mean" | "prod" | "amax" | "amin" | "argmax" | "argmin";

/** Arguments of {@linkcode Backend.reduce}. */
export interface ReduceArgs extends Rows {
  /** What is found. */
  readonly kind: ReduceKind;
  /** The dtype of the result: a float one of floats, but for places, and else an integer one. */
  readonly dtype: DType;
}

/** Arguments of {@linkcode Backend.softmax}. */
export interface SoftmaxArgs extends Rows {
  /** Whether the logarithm is wanted. */
  readonly log: boolean;
}

/** Arguments of {@linkcode Backend.cumsum}. */
export interface CumSumArgs extends Rows {
  /** Whether an element's own value is left out of its sum. */
  readonly exclusive: boolean;
  /** Whether sums run from the end. */
  readonly reverse: boolean;
  /** The dtype of the result: a float one of floats, else an integer one. */
  readonly dtype: DType;
}

/** Arguments of {@linkcode Backend.resample}. */
export interface ResampleArgs extends Rows {
  /** The size of the dimension in the result. */
  readonly size: number;
  /** Elements that one is made of. */
  readonly taps: number;
  /** int32, `size` × `taps`: which they are. */
  readonly index: DeviceBuffer;
  /** float32, as many: their weights. */
  readonly weight: DeviceBuffer;
  /** The float dtype of the result. */
  readonly dtype: DType;
}

/** Arguments of {@linkcode Backend.normalize}. */
export interface NormalizeArgs {
  /** The number of rows. */
  readonly rows: number;
  /** Elements a row. */
  readonly n: number;
  /** Whether the mean is taken away. */
  readonly center: boolean;
  /** Float, `groups · n / spread` factors: row r uses those of group r mod `groups`; or null. */
  readonly weight: Operand | null;
  /** As many numbers that are added, or null. */
  readonly bias: Operand | null;
  /** How many rows have factors of their own before these begin anew. */
  readonly groups: number;
  /** How many neighbours share a factor. */
  readonly spread: number;
  /** Added to the variance. */
  readonly eps: number;
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

  /**
   * Throws a RangeError if no buffer of the device holds so many bytes; `label` opens the message.
   * Nothing is allocated.
   */
  checkFits(byteLength: number, label: string): void;
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
  /**
   * `x` in another dtype: floats rounded to nearest even, float to integer truncated and saturated,
   * integer to a narrower integer wrapped around, what is not zero to 1 in bool.
   */
  cast(x: Operand, dtype: DType): DeviceBuffer;
  /**
   * An expression's value element by element, in `dtype` (a float one if its value is a float, else an
   * integer one). Inputs broadcast to `shape` as NumPy's and PyTorch's do; there are at most
   * {@linkcode MOST_INPUTS}. Floats are computed in float32 and rounded once, integers in int32. Tables do
   * not broadcast. With `layout` the result has its channels last, and inputs may have.
   */
  pointwise(
    expression: Expression,
    inputs: readonly (Operand | ChannelsLast)[],
    shape: readonly number[],
    dtype: DType,
    layout?: ChannelsLast["layout"],
  ): DeviceBuffer;
  /** The elements of `x` that lie at strides, one after the other. */
  strided(x: Operand, args: StridedArgs): DeviceBuffer;
  /**
   * Tensors of one dtype one after the other along `dim`; their other sizes are the same. If all have
   * their channels last, so has the result.
   */
  cat(xs: readonly (Operand | ChannelsLast)[], dim: number): DeviceBuffer;
  /** `x` with a border, or without its edge. */
  pad(x: Operand, args: PadArgs): DeviceBuffer;
  /**
   * The elements that indices of an integer dtype point at. An index that points outside is refused on
   * the CPU with a RangeError, and brought inside where nobody waits to see it.
   */
  gather(x: Operand, index: Operand, args: GatherArgs): DeviceBuffer;
  /** Whether what is enqueued now is kept to run later, with buffers that have no contents till then. */
  readonly isRecording: boolean;
  /** A contiguous tensor (N, C, …) of any dtype with its channels last. */
  toChannelsLast(x: Operand): DeviceBuffer;
  /** The contiguous tensor of one with its channels last. */
  toContiguous(x: ChannelsLast): DeviceBuffer;
  /**
   * What is found along a dimension, one number for all of it. Floats are added up in float32 and rounded
   * once, integers in int32. A NaN is the greatest and the least.
   */
  reduce(x: Operand, args: ReduceArgs): DeviceBuffer;
  /** `exp(x − m)/Σ exp(x − m)` along a dimension of a float tensor, `m` being its greatest element. */
  softmax(x: Operand, args: SoftmaxArgs): DeviceBuffer;
  /** Running sums along a dimension. */
  cumsum(x: Operand, args: CumSumArgs): DeviceBuffer;
  /** Weighted sums of elements along a dimension of a float tensor, in float32 and rounded once. */
  resample(x: Operand, args: ResampleArgs): DeviceBuffer;
  /**
   * `(x − mean)/√(variance + eps)·weight + bias` for each row of a float tensor, the variance being the
   * mean square about the mean, or about 0 where that is not taken away.
   */
  normalize(x: Operand, args: NormalizeArgs): DeviceBuffer;
  /** `max(x, 0)`. */
  relu(x: Operand): DeviceBuffer;
  /** `x·wᵀ + bias` for x (M, K), w (N, K), accumulated in float32 and rounded once to x's dtype. */
  linear(x: Operand, w: Operand, bias: Operand | null): DeviceBuffer;
  /**
   * `a·b` for a (…, M, K), b (…, K, N) of one float dtype, their leading dimensions broadcast;
   * accumulated in float32 and rounded once.
   */
  matmul(a: Operand, b: Operand, args?: MatmulArgs): DeviceBuffer;
  /**
   * `(a − za)·(b − zb)` for bytes a (…, M, K), b (…, K, N), their leading dimensions broadcast: exact sums in
   * int32, which `K` is small enough for.
   */
  matmulInteger(a: Operand, b: Operand, args: MatmulIntegerArgs): DeviceBuffer;
  /** A weight of floats or bytes, (out, in / groups, …) or transposed (in, out / groups, …), made ready. */
  convWeight(w: Operand, args: ConvWeightArgs): ConvWeight;
  /**
   * The convolution of `x` (N, C, …spatial) in the weight's float dtype, with a bias of one number an
   * output channel: channels last, accumulated in float32, clipped and rounded once.
   */
  conv(x: ChannelsLast, w: ConvWeight, bias: Operand | null, args: ConvArgs): DeviceBuffer;
  /**
   * A recurrent cell over all steps of `x`, (T, B, gates · H) or (B, T, gates · H), which holds the
   * products of the inputs, biases added.
   */
  recur(x: Operand, args: RecurrentArgs): Recurrence;
  /** Floats, contiguous or with channels last, as bytes with channels last; one scale for all. */
  quantizePixels(x: Operand | ChannelsLast, args: QuantizeRowsArgs): DeviceBuffer;
  /**
   * The convolution of bytes `x` (N, C, …spatial), int8 or uint8 as is the weight: exact int32 sums of
   * `(qx − zx)·(qw − zw[n])`, and what `args.result` makes of them, channels last. With no spatial
   * dimensions it is a product of matrices.
   */
  packedConv(x: ChannelsLast, w: ConvWeight, args: PackedConvArgs): DeviceBuffer;
  /** Maxima or means of windows of `x` (N, C, …one or two spatial dimensions), channels last. */
  pool(x: ChannelsLast, args: PoolArgs): DeviceBuffer;
  /** `1 / x`, correctly rounded in x's dtype; the result is float32. */
  reciprocal(x: Operand): DeviceBuffer;
  /** `clamp(round(x · inverseScale) + zeroPoint)`, with parameters a block. */
  quantizeAffine(x: Operand, args: QuantizeArgs): DeviceBuffer;
  /** `(q − zeroPoint) · scale`, with parameters a block. */
  dequantizeAffine(q: Operand, args: DequantizeArgs): DeviceBuffer;
  /**
   * `clamp(round((x − (zeroPoint − shift)) / scale))`, with parameters a block; each step but the last is
   * rounded in the dtype given for it.
   */
  quantizeAboutFloat(x: Operand, args: QuantizeAboutFloatArgs): DeviceBuffer;
  /** `x + value`, with a value a block, in the dtype of `x`. */
  addBlocks(x: Operand, args: AddBlocksArgs): DeviceBuffer;
  /**
   * Folds a batch into running minima and maxima, in place. `state` holds uint32 words: per block
   * the key of the minimum, per block the key of the maximum (see `minmax_state.ts`), then the
   * lowest batch number that held a NaN or an infinity.
   */
  updateMinMax(state: DeviceBuffer, x: Operand, blockSize: readonly number[], batch: number): void;
  /**
   * Moves averages towards the minima and maxima that stand as keys in `state`, and empties the
   * keys. The averages, float32, follow the min-max part; with constant 1 they are set.
   */
  moveAverages(state: DeviceBuffer, blocks: number, constant: number): void;
  /** Counts a batch into the histograms of `state`, laid out as `histogram_state.ts` says. */
  updateHistogram(
    state: DeviceBuffer,
    x: Operand,
    blockSize: readonly number[],
    batch: number,
  ): void;
  /**
   * The sum over each block of `((q − zeroPoint)·scale − x)²` for several candidates of the block's
   * parameters: float32, candidate by candidate, a number a block.
   */
  quantizationLoss(x: Operand, args: LossArgs): DeviceBuffer;
  /** Brings a matrix, stored a byte an element, into the layout of {@linkcode PackedRows}; 8-bit floats too. */
  packRows(q: Operand, args?: PackRowsArgs): PackedRows;
  /** The matrix that was packed, a byte an element. */
  unpackRows(packed: PackedRows): DeviceBuffer;
  /** Quantizes a float matrix with one scale straight into packed rows. */
  quantizeRows(x: Operand, args: QuantizeRowsArgs): PackedRows;
  /**
   * Quantizes a float matrix into packed signed bytes, each row with a scale of its own:
   * `max(absmax / ((quantMax − quantMin) / 2), eps)`, rounded in the dtype of `x`.
   */
  quantizeRowsDynamic(x: Operand, args: QuantizeRowsDynamicArgs): DynamicRows;
  /**
   * `sx·Σ_g sw[n, g]·Σ(qx − zx)(qw − zw[n, g]) + bias[n]`: exact int32 sums a group, then scales and
   * bias. `x` has 8 bits and one group a row.
   */
  packedLinear(x: PackedRows, w: PackedRows, args: PackedLinearArgs): DeviceBuffer;
  /**
   * `Σ_g sw[n, g]·Σ x·(qw − zw[n, g]) + bias[n]` for a float `x` (M, K), accumulated in float32 and
   * rounded once to its dtype. Reads the packed integers, or 8-bit floats; nothing is dequantized in memory.
   */
  weightOnlyLinear(x: Operand, w: PackedRows, args: WeightOnlyLinearArgs): DeviceBuffer;
}
