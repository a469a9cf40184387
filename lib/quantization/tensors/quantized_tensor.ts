/**
 * A tensor of integers that stands for a float one.
 *
 * @module
 */
import {
  type Backend,
  type Device,
  packedGroups,
  packedRowBytes,
  type PackedRows,
} from "../../backend/backend.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import type { LinearWeight } from "../../nn/module.ts";
import { type DType, float32, int32, int8, uint8 } from "../../numbers/dtype.ts";
import { asRows, checkLinearShapes, checkSameDevice, linear } from "../../tensor/ops.ts";
import { formatShape, numelOf } from "../../numbers/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { checkQParams, dequantizeAffine, quantizeAffine } from "../affine/primitives.ts";
import { quantRange } from "../affine/range.ts";
import { float8Product } from "./float8_product.ts";

/** The parts of an {@linkcode AffineQuantizedTensor}. */
export interface AffineQuantizedParts {
  /** The integers, of the shape that the whole has. */
  readonly intData: Tensor;
  /** One a block. */
  readonly scale: Tensor;
  /** One a block, or null for zeros. */
  readonly zeroPoint: Tensor | null;
  /** The block that shares parameters, one size a dimension. */
  readonly blockSize: readonly number[];
  /** The float dtype that the whole stands for. */
  readonly dtype: DType;
  /** The least integer used; the dtype's by default. */
  readonly quantMin?: number;
  /** The greatest integer used; the dtype's by default. */
  readonly quantMax?: number;
  /** The least and the greatest zero point, if they are known; longer rows can be multiplied then. */
  readonly zeroPoints?: readonly [least: number, greatest: number];
  /** Whether disposing of the whole frees scale and zero point too; false by default. */
  readonly ownsParams?: boolean;
}

/** The parts of an {@linkcode AffineQuantizedTensor} whose integers are packed already. */
export interface PackedQuantizedParts extends Omit<AffineQuantizedParts, "intData"> {
  /** The integers in the layout of the kernels; leading dimensions are flattened into rows. */
  readonly packed: PackedRows;
  /** The shape of the whole. */
  readonly shape: readonly number[];
  /** The integers' dtype. */
  readonly targetDtype: DType;
}

/** The packed form as tensors, which own their memory. */
interface Packed
  extends Pick<PackedRows, "rows" | "k" | "bits" | "groupSize" | "offset" | "float8"> {
  readonly data: Tensor;
  readonly sums: Tensor | null;
}

/** Takes packed rows into tensors that own them. */
function own(backend: Backend, packed: PackedRows): Packed {
  const { rows, k, bits, groupSize, offset, float8, data, sums } = packed;
  const groups = packedGroups(packed);
  const dtype = float8 ?? (bits === 8 ? int8 : uint8);
  const all = new Tensor(backend, data, [rows, packedRowBytes(k, bits)], dtype).keep();
  const shape = groups > 1 ? [rows, groups] : [rows];
  return {
    ...{ rows, k, bits, groupSize, offset, float8 },
    data: all,
    sums: sums && all.freeWith(new Tensor(backend, sums, shape, int32).keep()),
  };
}

/**
 * Integers with scales and zero points that stand for a float tensor: `x ≈ (q − zeroPoint)·scale`.
 * As a weight it brings its own product: with a quantized input it multiplies integers, with a float
 * one it multiplies floats by integers that are unpacked in registers.
 *
 * Multiplying first brings the integers into the layout of the kernels (rows padded to 16 bytes, a
 * signed byte an element, or two elements a byte for dtypes of at most 4 bits); from then on they
 * are kept in that layout alone.
 *
 * @example
 * ```ts
 * import { randn, tensor, toAffineQuantizedIntxStatic, uint8 } from "@staticquant/staticquant";
 * const w = toAffineQuantizedIntxStatic(randn([4, 8]), tensor([0.02]), tensor([128]), [4, 8], uint8);
 * console.log(String(w), (await w.intData().data()).length);
 * ```
 */
export class AffineQuantizedTensor implements LinearWeight, Disposable {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "AffineQuantizedTensor";

  /** The shape that the integers and the float tensor have. */
  readonly shape: readonly number[];
  /** The float dtype that this stands for. */
  readonly dtype: DType;
  /** The integers' dtype. */
  readonly targetDtype: DType;
  /** One a block. */
  readonly scale: Tensor;
  /** One a block, or null for zeros. */
  readonly zeroPoint: Tensor | null;
  /** The block that shares parameters, one size a dimension. */
  readonly blockSize: readonly number[];
  /** The least integer used. */
  readonly quantMin: number;
  /** The greatest integer used. */
  readonly quantMax: number;
  private plain: Tensor | undefined;
  private packed: Packed | undefined;
  private readonly ownsParams: boolean;
  /** The least and the greatest zero point, where that is known: both 0 without any. */
  readonly zeroPoints: readonly [least: number, greatest: number] | undefined;

  /**
   * Takes over integers and parameters; most users call `toAffineQuantizedIntxStatic`.
   *
   * @param parts the integers, which this owns from now on, and their parameters.
   * @throws {RangeError} if quantMin and quantMax leave the dtype, or there is not one scale a block.
   */
  constructor(parts: AffineQuantizedParts | PackedQuantizedParts) {
    const { scale, zeroPoint, blockSize, dtype } = parts;
    const integers = "packed" in parts
      ? parts
      : { shape: parts.intData.shape, targetDtype: parts.intData.dtype };
    this.shape = Object.freeze([...integers.shape]);
    this.dtype = dtype;
    this.targetDtype = integers.targetDtype;
    this.scale = scale;
    this.zeroPoint = zeroPoint;
    this.zeroPoints = zeroPoint ? parts.zeroPoints : [0, 0];
    this.blockSize = Object.freeze([...blockSize]);
    const range = quantRange(
      "AffineQuantizedTensor",
      this.targetDtype,
      parts.quantMin,
      parts.quantMax,
    );
    this.quantMin = range.quantMin;
    this.quantMax = range.quantMax;
    checkQParams("AffineQuantizedTensor", this.shape, blockSize, scale, zeroPoint);
    if ("packed" in parts) this.packed = own(scale.backend, parts.packed);
    else this.plain = parts.intData.keep();
    this.ownsParams = parts.ownsParams === true;
  }

  /** The device that holds the integers. */
  get device(): Device {
    return this.scale.device;
  }

  /** Whether the integers are in the layout of the kernels. */
  get isPacked(): boolean {
    return this.packed !== undefined;
  }

  /** Bytes that integers and parameters take. */
  get nbytes(): number {
    return Object.values(this.tensors()).reduce((sum, t) => sum + t.nbytes, 0);
  }

  /** The integers as a plain tensor of the target dtype, to be disposed of by the caller. */
  intData(): Tensor {
    if (this.plain) return this.plain.reshape(...this.shape);
    const { backend } = this.scale;
    const packed = this.packedRows({ sums: false });
    return new Tensor(backend, backend.unpackRows(packed), this.shape, this.targetDtype);
  }

  /** The float tensor that this stands for. Enqueued. */
  dequantize(): Tensor {
    using q = this.intData();
    const { blockSize, scale, zeroPoint, targetDtype, dtype, quantMin, quantMax } = this;
    return dequantizeAffine(q, blockSize, scale, zeroPoint, targetDtype, {
      outputDtype: dtype,
      quantMin,
      quantMax,
    });
  }

  /**
   * The matrix in the layout of the kernels; made on the first call. Leading dimensions are
   * flattened into rows. Two elements share a byte if the dtype has at most 4 bits.
   *
   * @param options `sums` says whether the sums of the groups are needed; they are by default, and
   * made when they are first asked for.
   * @throws {RangeError} if elements take more than 8 bits or blocks are neither rows nor groups of
   * whole 16-byte vectors.
   */
  packedRows(options: { sums?: boolean } = {}): PackedRows {
    const { sums = true } = options;
    if (!this.packed || (sums && !this.packed.sums)) {
      const layout = this.layout();
      if (!layout) {
        throw new RangeError(
          `AffineQuantizedTensor: products take numbers of at most 8 bits with one scale for all, one a ` +
            `row, or one for each 16 neighbours or a multiple (32 with 4 bits), this is ${this.targetDtype.name} of shape ${
              formatShape(this.shape)
            } in blocks of ${formatShape(this.blockSize)}`,
        );
      }
      const { backend } = this.scale;
      using q = this.intData();
      const { rows, k, bits } = layout;
      using matrix = q.reshape(rows, k);
      const wanted = !this.targetDtype.isFloat && (sums || bits === 8);
      const packed = backend.packRows(matrix.operand, { ...layout, sums: wanted });
      const old = [this.plain, this.packed?.data, this.packed?.sums];
      this.packed = own(backend, packed);
      this.plain = undefined;
      old.forEach((t) => t?.dispose());
    }
    const { data, sums: held, ...facts } = this.packed!;
    return { ...facts, data: data.operand.buffer, sums: held && held.operand.buffer };
  }

  /** How the integers can be packed, or null where no kernel reads them. */
  private layout(): Pick<PackedRows, "rows" | "k" | "bits" | "groupSize"> | null {
    const { shape, blockSize, targetDtype } = this;
    const k = shape.at(-1) ?? 0;
    const rows = numelOf(shape.slice(0, -1));
    const narrow = !targetDtype.isFloat && targetDtype.max - targetDtype.min <= 15;
    const bits = narrow ? 4 : 8;
    const groupSize = blockSize.at(-1)!;
    const whole = groupSize === k;
    const alone = blockSize.slice(0, -1).every((size) => size === 1);
    const all = whole && blockSize.every((size, i) => size === shape[i]);
    const fits = shape.length >= 2 && targetDtype.itemSize === 1 && (alone || all) &&
      (whole || (groupSize > 0 && groupSize % (128 / bits) === 0));
    return fits ? { rows, k, bits, groupSize } : null;
  }

  /**
   * `x·Wᵀ + b` with this as the weight. If `x` is quantized too, an integer product: exact int32 sums,
   * then scales. If it is float, the packed integers become floats in registers and are multiplied
   * there; blocks that no kernel reads (neither rows nor groups of whole vectors) are dequantized
   * first. 8-bit floats are multiplied as the float32 numbers that they are. Enqueued.
   *
   * @param x shape (…, inFeatures); if quantized, 8 bits with one scale for all of it or one a row.
   * If float, of the dtype that this stands for.
   * @param bias shape (outFeatures,), or null.
   * @throws {RangeError} if shapes or granularities do not fit, or inFeatures is so large that
   * the int32 accumulator could overflow.
   * @throws {TypeError} if `x` is of another float dtype.
   */
  linear(x: Tensor | AffineQuantizedTensor, bias: Tensor | null): Tensor {
    if (x instanceof AffineQuantizedTensor) {
      return this.targetDtype.isFloat
        ? float8Linear(x, this, bias)
        : quantizedLinear(x, this, bias);
    }
    if (x.dtype === this.dtype && this.shape.length === 2 && this.layout()) {
      return weightOnlyLinear(x, this, bias);
    }
    using weight = this.dequantize();
    return linear(x, weight, bias);
  }

  /** The tensors that this consists of. */
  tensors(): Record<string, Tensor> {
    return {
      ...(this.plain ? { intData: this.plain } : {}),
      ...(this.packed ? { packed: this.packed.data } : {}),
      ...(this.packed?.sums ? { rowSums: this.packed.sums } : {}),
      scale: this.scale,
      ...(this.zeroPoint ? { zeroPoint: this.zeroPoint } : {}),
    };
  }

  /** A copy in memory of its own; `copies` maps what was copied before to its copy. */
  clone(copies?: Map<unknown, unknown>): AffineQuantizedTensor {
    const known = copies?.get(this) as AffineQuantizedTensor | undefined;
    if (known) return known;
    const copy = this.copy();
    copies?.set(this, copy);
    return copy;
  }

  /** A copy, whatever was copied before. */
  private copy(): AffineQuantizedTensor {
    const { blockSize, dtype, quantMin, quantMax, shape, targetDtype, zeroPoints } = this;
    const scale = this.scale.clone().keep();
    const zeroPoint = this.zeroPoint && this.zeroPoint.clone().keep();
    const common = { scale, zeroPoint, blockSize, dtype, quantMin, quantMax, zeroPoints };
    if (this.plain) return new AffineQuantizedTensor({ ...common, intData: this.plain.clone() });
    const { backend } = this.scale;
    const packed = this.packedRows({ sums: false });
    const copy = {
      ...packed,
      data: backend.copy(packed.data),
      sums: packed.sums && backend.copy(packed.sums),
    };
    return new AffineQuantizedTensor({ ...common, packed: copy, shape, targetDtype });
  }

  /** The same with other tensors in place of those that `values` has, whose shapes and dtypes they have. */
  withTensors(values: ReadonlyMap<Tensor, Tensor>): AffineQuantizedTensor {
    const { blockSize, dtype, quantMin, quantMax, shape, targetDtype } = this;
    const other = (t: Tensor) => values.get(t) ?? t;
    const scale = other(this.scale);
    const zeroPoint = this.zeroPoint && other(this.zeroPoint);
    const common = { scale, zeroPoint, blockSize, dtype, quantMin, quantMax };
    if (this.plain) return new AffineQuantizedTensor({ ...common, intData: other(this.plain) });
    const { backend } = this.scale;
    const { data, sums, ...facts } = this.packed!;
    const copied = (t: Tensor) => backend.copy(other(t).operand.buffer);
    const packed = { ...facts, data: copied(data), sums: sums && copied(sums) };
    return new AffineQuantizedTensor({ ...common, packed, shape, targetDtype });
  }

  /** The same on another device; itself if it is there. `moved` maps what was moved before. */
  async to(device: Device, moved?: Map<unknown, unknown>): Promise<AffineQuantizedTensor> {
    if (device === this.device) return this;
    const known = moved?.get(this) as AffineQuantizedTensor | undefined;
    if (known) return known;
    using q = this.intData();
    const { blockSize, dtype, quantMin, quantMax, zeroPoints } = this;
    const there = new AffineQuantizedTensor({
      intData: await q.to(device),
      scale: (await this.scale.to(device)).keep(),
      zeroPoint: this.zeroPoint && (await this.zeroPoint.to(device)).keep(),
      ...{ blockSize, dtype, quantMin, quantMax, zeroPoints },
    });
    moved?.set(this, there);
    return there;
  }

  /** Frees the integers; scale and zero point, which others may share, are left unless owned. */
  dispose(): void {
    this.plain?.dispose();
    this.packed?.data.dispose();
    this.packed?.sums?.dispose();
    if (!this.ownsParams) return;
    this.scale.dispose();
    this.zeroPoint?.dispose();
  }

  /** The same as {@linkcode AffineQuantizedTensor.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** What this is, without its elements. */
  toString(): string {
    return `AffineQuantizedTensor(shape=[${this.shape.join(", ")}], block_size=[${
      this.blockSize.join(", ")
    }], target_dtype=${this.targetDtype.name}, dtype=${this.dtype.name}, device=${this.device})`;
  }
}

/** Integers, and whether their zero points are known to be 0. */
export interface IntegerRange {
  readonly quantMin: number;
  readonly quantMax: number;
  /** The least and the greatest zero point; without them, any of the integers. */
  readonly zeroPoints?: readonly [least: number, greatest: number];
}

/** The farthest that an integer can lie from its zero point. */
function farthest({ quantMin, quantMax, zeroPoints = [quantMin, quantMax] }: IntegerRange): number {
  return Math.max(zeroPoints[1] - quantMin, quantMax - zeroPoints[0]);
}

/** Throws where the sum of `k` products of such integers, less their zero points, could leave an int32. */
export function checkAccumulator(
  where: string,
  k: number,
  x: IntegerRange,
  w: IntegerRange,
): void {
  const largest = farthest(x) * farthest(w);
  const most = Math.floor((2 ** 31 - 1) / largest);
  if (k > most) {
    throw new RangeError(
      `${where}: with inFeatures = ${k} the int32 accumulator could overflow (each product may reach ` +
        `${largest}, so at most ${most} fit); split the layer, or narrow quantMin and quantMax`,
    );
  }
}

/**
 * Throws unless the integer product takes `w` as a weight, with a scale for all, for a row or, with at
 * most 4 bits, for a group of whole vectors.
 */
export function checkIntegerWeight(where: string, w: AffineQuantizedTensor): void {
  const { shape, blockSize, targetDtype } = w;
  const [rows, k] = shape;
  const [blockRows, blockColumns] = blockSize;
  const narrow = targetDtype.max - targetDtype.min <= 15;
  const whole = blockColumns === k && (blockRows === 1 || blockRows === rows);
  const groups = narrow && blockRows === 1 && blockColumns % 32 === 0;
  if (shape.length === 2 && isByte(targetDtype) && (whole || groups)) return;
  throw new RangeError(
    `${where}: the integer product takes weights with one scale for all or one a row, and weights of at ` +
      `most 4 bits also in groups of a multiple of 32, not ${targetDtype.name} in blocks of ${
        formatShape(blockSize)
      } in ${
        formatShape(shape)
      }; use PerTensor or PerAxis(0), or PerGroup with an int4 or uint4 weight`,
  );
}

/** The elements whose products one int32 sum holds. */
export function accumulated(w: AffineQuantizedTensor): number {
  return w.blockSize[1];
}

/** Gives packed rows back. */
export function releaseRows(backend: Backend, packed: PackedRows): void {
  backend.release(packed.data);
  if (packed.sums) backend.release(packed.sums);
}

function quantizedLinear(
  x: AffineQuantizedTensor,
  w: AffineQuantizedTensor,
  bias: Tensor | null,
): Tensor {
  const where = "AffineQuantizedTensor.linear";
  checkLinearShapes(where, x, w.shape, bias);
  checkSameDevice(where, w.scale, x.scale, ...(bias ? [bias] : []));
  checkIntegerWeight(where, w);
  checkAccumulator(where, accumulated(w), x, w);
  const leading = x.shape.slice(0, -1);
  const rows = numelOf(leading);
  const perRow = x.scale.numel !== 1;
  if (
    x.targetDtype.itemSize !== 1 || x.targetDtype.isFloat ||
    (perRow && (x.scale.numel !== rows || !rowBlocks(x)))
  ) {
    throw new RangeError(
      `${where}: the input must be of 8 bits with one scale for all of it or one a row, got ` +
        `${x.targetDtype.name} of shape ${formatShape(x.shape)} in blocks of ${
          formatShape(x.blockSize)
        }; use PerTensor or PerToken`,
    );
  }
  const { backend } = w.scale;
  using packed = inputRows(x, rows);
  const like = { backend, numel: 1 };
  using xScale = float32Param(x.scale, like);
  using wScale = float32Param(w.scale, like);
  using xZeroPoint = x.zeroPoint && float32Param(x.zeroPoint, like);
  using wZeroPoint = w.zeroPoint && float32Param(w.zeroPoint, like);
  const y = backend.packedLinear(packed.rows, w.packedRows({ sums: needsSums(x) }), {
    xScale: xScale.operand.buffer,
    xZeroPoint: xZeroPoint && xZeroPoint.operand.buffer,
    xParamCount: x.scale.numel,
    wScale: wScale.operand.buffer,
    wZeroPoint: wZeroPoint && wZeroPoint.operand.buffer,
    wParamCount: w.scale.numel,
    bias: bias && bias.operand,
    outputDtype: x.dtype,
  });
  return new Tensor(backend, y, [...leading, w.shape[0]], x.dtype);
}

/** The product of 8-bit floats, whose scales are those of `x` as a whole or its rows, and those of `w`. */
function float8Linear(
  x: AffineQuantizedTensor,
  w: AffineQuantizedTensor,
  bias: Tensor | null,
): Tensor {
  const where = "AffineQuantizedTensor.linear";
  checkLinearShapes(where, x, w.shape, bias);
  checkSameDevice(where, w.scale, x.scale, ...(bias ? [bias] : []));
  const leading = x.shape.slice(0, -1);
  const rows = numelOf(leading);
  const perRow = x.scale.numel !== 1;
  if (!x.targetDtype.isFloat || (perRow && (x.scale.numel !== rows || !rowBlocks(x)))) {
    throw new RangeError(
      `${where}: a weight of ${w.targetDtype.name} takes inputs of 8-bit floats with one scale for all or one ` +
        `a row, got ${x.targetDtype.name} of shape ${formatShape(x.shape)} in blocks of ${
          formatShape(x.blockSize)
        }`,
    );
  }
  using q = x.intData();
  using wide = q.to(float32);
  using matrix = wide.reshape(rows, x.shape.at(-1)!);
  const input = { numbers: matrix, scale: x.scale, dtype: x.dtype };
  using y = float8Product(input, { rows: w.packedRows({ sums: false }), scale: w.scale }, bias);
  return y.reshape(...leading, w.shape[0]);
}

/** Whether a dtype is an integer one of at most 8 bits. */
export function isByte(dtype: DType): boolean {
  return !dtype.isFloat && dtype.itemSize === 1;
}

/** Whether blocks are rows. */
function rowBlocks({ shape, blockSize }: AffineQuantizedTensor): boolean {
  return blockSize.every((size, i) => size === (i === shape.length - 1 ? shape[i] : 1));
}

/** Whether a product with `x` takes a zero point out of it, for which it needs the weight's sums. */
function needsSums(x: AffineQuantizedTensor): boolean {
  return x.zeroPoint !== null || x.targetDtype.min === 0;
}

/** An input as rows of bytes, which the integer kernels read, whatever the bits of its dtype. */
function inputRows(
  x: AffineQuantizedTensor,
  rows: number,
): { rows: PackedRows } & Disposable {
  const { backend } = x.scale;
  if (x.isPacked && x.targetDtype.max - x.targetDtype.min > 15) {
    return { rows: x.packedRows(), [Symbol.dispose]: () => {} };
  }
  using integers = x.intData();
  using matrix = integers.reshape(rows, x.shape.at(-1)!);
  const packed = backend.packRows(matrix.operand);
  return { rows: packed, [Symbol.dispose]: () => releaseRows(backend, packed) };
}

function weightOnlyLinear(x: Tensor, w: AffineQuantizedTensor, bias: Tensor | null): Tensor {
  const where = "AffineQuantizedTensor.linear";
  checkLinearShapes(where, x, w.shape, bias);
  checkSameDevice(where, x, w.scale, ...(bias ? [bias] : []));
  const { backend } = x;
  const { leading, rows } = asRows(x);
  using matrix = rows;
  const y = backend.weightOnlyLinear(matrix.operand, w.packedRows({ sums: false }), {
    wScale: w.scale.operand,
    wZeroPoint: w.zeroPoint && w.zeroPoint.operand,
    bias: bias && bias.operand,
  });
  return new Tensor(backend, y, [...leading, w.shape[0]], x.dtype);
}

/** A float32 tensor with the numbers of `t`, zeros if that is null; the caller disposes of it. */
export function float32Param(
  t: Tensor | null,
  like: { readonly backend: Backend; readonly numel: number },
): Tensor {
  if (t?.dtype === float32) return t.reshape(...t.shape);
  if (t) return t.to(float32);
  const { backend, numel } = like;
  return new Tensor(backend, backend.upload(new Uint8Array(4 * numel)), [numel], float32);
}

/** Options of {@linkcode toAffineQuantizedIntxStatic}. */
export type StaticTensorOptions = Pick<
  AffineQuantizedParts,
  "quantMin" | "quantMax" | "zeroPoints"
>;

/**
 * Quantizes a float tensor with parameters that are already fixed. Enqueued.
 *
 * @param input float, any shape.
 * @param scale one a block.
 * @param zeroPoint one a block, or null for zeros.
 * @param blockSize the block that shares parameters, one size a dimension.
 * @param targetDtype the integer dtype.
 * @param options the integer range.
 * @throws {RangeError} if shapes do not fit or the range leaves the dtype.
 *
 * @example
 * ```ts
 * import { randn, tensor, toAffineQuantizedIntxStatic, uint8 } from "@staticquant/staticquant";
 * const q = toAffineQuantizedIntxStatic(randn([1, 8]), tensor([0.02]), tensor([128]), [1, 8], uint8);
 * console.log(await q.dequantize().data());
 * ```
 */
export function toAffineQuantizedIntxStatic(
  input: Tensor,
  scale: Tensor,
  zeroPoint: Tensor | null,
  blockSize: readonly number[],
  targetDtype: DType,
  options: StaticTensorOptions = {},
): AffineQuantizedTensor {
  const where = "toAffineQuantizedIntxStatic";
  checkOptions(where, options, ["quantMin", "quantMax", "zeroPoints"]);
  const { zeroPoints, ...range } = options;
  const intData = quantizeAffine(input, blockSize, scale, zeroPoint, targetDtype, range);
  const { dtype } = input;
  return new AffineQuantizedTensor({
    ...{ intData, scale, zeroPoint, blockSize, dtype, zeroPoints },
    ...range,
  });
}
