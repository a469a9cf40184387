/**
 * A tensor of integers that stands for a float one.
 *
 * @module
 */
import type { Device, PackedRows } from "../backend/backend.ts";
import { packedRowBytes } from "../backend/backend.ts";
import type { LinearWeight } from "../nn/module.ts";
import { type DType, float32, int32, int8 } from "../tensor/dtype.ts";
import { asRows, checkLinearShapes, checkSameDevice, linear } from "../tensor/ops.ts";
import { formatShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { dequantizeAffine, quantizeAffine, type QuantizeOptions } from "./primitives.ts";
import { quantRange } from "./range.ts";

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
}

/** The packed form as tensors, which own their memory. */
interface Packed {
  readonly data: Tensor;
  readonly sums: Tensor;
  readonly offset: 0 | 128;
}

/**
 * Integers with scales and zero points that stand for a float tensor: `x ≈ (q − zeroPoint)·scale`.
 * As a weight it brings its own product: with a quantized input it multiplies integers.
 *
 * Multiplying first brings the integers into the layout of the integer kernels (rows of signed
 * bytes, padded to 16, and the sum of each row); from then on they are kept in that layout alone.
 *
 * @example
 * ```ts
 * import { randn, tensor, toAffineQuantizedIntxStatic, uint8 } from "@staticquant/staticquant";
 * const w = toAffineQuantizedIntxStatic(randn([4, 8]), tensor([0.02]), tensor([128]), [4, 8], uint8);
 * console.log(String(w), (await w.intData().data()).length);
 * ```
 */
export class AffineQuantizedTensor implements LinearWeight, Disposable {
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

  /**
   * Takes over integers and parameters; most users call `toAffineQuantizedIntxStatic`.
   *
   * @param parts the integers, which this owns from now on, and their parameters.
   */
  constructor(parts: AffineQuantizedParts) {
    const { intData, scale, zeroPoint, blockSize, dtype } = parts;
    this.shape = intData.shape;
    this.dtype = dtype;
    this.targetDtype = intData.dtype;
    this.scale = scale;
    this.zeroPoint = zeroPoint;
    this.blockSize = Object.freeze([...blockSize]);
    const range = quantRange(
      "AffineQuantizedTensor",
      intData.dtype,
      parts.quantMin,
      parts.quantMax,
    );
    this.quantMin = range.quantMin;
    this.quantMax = range.quantMax;
    this.plain = intData.keep();
  }

  /** The device that holds the integers. */
  get device(): Device {
    return this.scale.device;
  }

  /** Bytes that integers and parameters take. */
  get nbytes(): number {
    return Object.values(this.tensors()).reduce((sum, t) => sum + t.nbytes, 0);
  }

  /** The integers as a plain tensor of the target dtype, to be disposed of by the caller. */
  intData(): Tensor {
    if (this.plain) return this.plain.reshape(...this.shape);
    const { backend } = this.scale;
    return new Tensor(backend, backend.unpackRows(this.packedRows()), this.shape, this.targetDtype);
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

  /** The matrix in the layout of the integer kernels; made on the first call. */
  packedRows(): PackedRows {
    const { backend } = this.scale;
    const [rows, k] = this.shape;
    if (!this.packed) {
      if (this.shape.length !== 2 || this.targetDtype.itemSize !== 1) {
        throw new RangeError(
          `AffineQuantizedTensor: integer products take 8-bit matrices, this is ${this.targetDtype.name} ` +
            `of shape ${formatShape(this.shape)}`,
        );
      }
      const { data, sums, offset } = backend.packRows(this.plain!.operand);
      this.packed = {
        data: new Tensor(backend, data, [rows, packedRowBytes(k)], int8).keep(),
        sums: new Tensor(backend, sums, [rows], int32).keep(),
        offset,
      };
      this.plain!.dispose();
      this.plain = undefined;
    }
    const { data, sums, offset } = this.packed;
    return { data: data.operand.buffer, sums: sums.operand.buffer, rows, k, offset };
  }

  /**
   * `x·Wᵀ + b` with this as the weight: an integer product if `x` is quantized too, else a float
   * product with the weight dequantized. Enqueued.
   *
   * @param x shape (…, inFeatures); if quantized, 8 bits with one scale for all of it.
   * @param bias shape (outFeatures,), or null.
   * @throws {RangeError} if shapes or granularities do not fit, or inFeatures is so large that
   * the int32 accumulator could overflow.
   */
  linear(x: Tensor | AffineQuantizedTensor, bias: Tensor | null): Tensor {
    if (x instanceof AffineQuantizedTensor) return quantizedLinear(x, this, bias);
    using weight = this.dequantize();
    return linear(x, weight, bias);
  }

  /** The tensors that this consists of. */
  tensors(): Record<string, Tensor> {
    return {
      ...(this.plain ? { intData: this.plain } : {}),
      ...(this.packed ? { packed: this.packed.data, rowSums: this.packed.sums } : {}),
      scale: this.scale,
      ...(this.zeroPoint ? { zeroPoint: this.zeroPoint } : {}),
    };
  }

  /** A copy in memory of its own. */
  clone(): AffineQuantizedTensor {
    return new AffineQuantizedTensor({
      ...this,
      intData: this.plain?.clone() ?? this.intData(),
      scale: this.scale.clone().keep(),
      zeroPoint: this.zeroPoint && this.zeroPoint.clone().keep(),
    });
  }

  /** Frees the integers; scale and zero point, which others may share, are left. */
  dispose(): void {
    this.plain?.dispose();
    this.packed?.data.dispose();
    this.packed?.sums.dispose();
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

/**
 * Throws where `k` products of these integers could overflow an int32, whatever the zero points.
 */
export function checkAccumulator(
  where: string,
  k: number,
  x: { quantMin: number; quantMax: number },
  w: { quantMin: number; quantMax: number },
): void {
  const largest = (x.quantMax - x.quantMin) * (w.quantMax - w.quantMin);
  const most = Math.floor((2 ** 31 - 1) / largest);
  if (k > most) {
    throw new RangeError(
      `${where}: with inFeatures = ${k} the int32 accumulator could overflow (each product may reach ` +
        `${largest}, so at most ${most} fit); split the layer, or narrow quantMin and quantMax`,
    );
  }
}

/** One scale for all (`false`), one a row (`true`); throws for anything between. */
export function scalesPerRow(where: string, w: AffineQuantizedTensor): boolean {
  const [rows, k] = w.shape;
  const [blockRows, blockColumns] = w.blockSize;
  if (blockColumns !== k || (blockRows !== 1 && blockRows !== rows)) {
    throw new RangeError(
      `${where}: the integer product takes weights with one scale for all or one a row, not blocks of ` +
        `${formatShape(w.blockSize)} in ${formatShape(w.shape)}; use PerTensor or PerAxis(0)`,
    );
  }
  return blockRows === 1;
}

function quantizedLinear(
  x: AffineQuantizedTensor,
  w: AffineQuantizedTensor,
  bias: Tensor | null,
): Tensor {
  const where = "AffineQuantizedTensor.linear";
  using integers = x.intData();
  checkLinearShapes(where, integers, w.shape, bias);
  checkSameDevice(where, w.scale, x.scale, ...(bias ? [bias] : []));
  checkAccumulator(where, w.shape[1], x, w);
  scalesPerRow(where, w);
  if (x.scale.numel !== 1) {
    throw new RangeError(
      `${where}: the input must have one scale for all of it, got ${x.scale.numel}; use PerTensor`,
    );
  }
  const { leading, rows } = asRows(integers);
  using matrix = rows;
  const { backend } = w.scale;
  const packed = backend.packRows(matrix.operand);
  const params = [x.scale, x.zeroPoint, w.scale, w.zeroPoint].map((t) => float32Param(t, w.scale));
  const [xScale, xZeroPoint, wScale, wZeroPoint] = params.map((t) => t.operand.buffer);
  const y = backend.packedLinear(packed, w.packedRows(), {
    xScale,
    xZeroPoint,
    wScale,
    wZeroPoint,
    wParamCount: w.scale.numel,
    bias: bias && bias.operand,
    outputDtype: x.dtype,
  });
  backend.release(packed.data);
  backend.release(packed.sums);
  params.forEach((t) => t.dispose());
  return new Tensor(backend, y, [...leading, w.shape[0]], x.dtype);
}

/** A float32 tensor with the numbers of `t`, zeros if that is null; the caller disposes of it. */
export function float32Param(t: Tensor | null, like: Tensor): Tensor {
  if (t?.dtype === float32) return t.reshape(...t.shape);
  if (t) return t.to(float32);
  const { backend, numel } = like;
  return new Tensor(backend, backend.upload(new Uint8Array(4 * numel)), [numel], float32);
}

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
  options: QuantizeOptions = {},
): AffineQuantizedTensor {
  const intData = quantizeAffine(input, blockSize, scale, zeroPoint, targetDtype, options);
  const { dtype } = input;
  return new AffineQuantizedTensor({ intData, scale, zeroPoint, blockSize, dtype, ...options });
}
