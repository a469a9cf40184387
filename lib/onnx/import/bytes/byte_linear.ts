import { Module } from "../../../nn/module.ts";
import { float32, int32 } from "../../../numbers/dtype.ts";
import { formatShape, numelOf } from "../../../numbers/shape.ts";
import {
  AffineQuantizedTensor,
  checkAccumulator,
  releaseRows,
} from "../../../quantization/tensors/quantized_tensor.ts";
import { requantize } from "../../../tensor/byte_matmul.ts";
import { Formula } from "../../../tensor/formula.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { type ByteType, rangeOf } from "./byte_type.ts";

/** What a {@linkcode ByteLinear} consists of. */
export interface ByteLinearParts {
  /** Integers (outFeatures, inFeatures), which this owns from now on. */
  readonly weight: Tensor;
  /** float32, one for all or one a row of the weight. */
  readonly scale: Tensor;
  /** float32, as many; or null for zeros. */
  readonly zeroPoint: Tensor | null;
  /** One number a row of the weight, or null: int32, or float32 where floats come out. */
  readonly bias: Tensor | null;
  readonly input: ByteType;
  /** float32, one number; null where it is 0. */
  readonly inputZeroPoint: Tensor | null;
  /** Bytes that come out, or nothing for floats. */
  readonly output: ByteType | undefined;
  /** float32, one for all or one a row of the weight: what sums are multiplied with. */
  readonly multiplier: Tensor;
}

/**
 * `y = x·Wᵀ + b` on bytes with the scales of a file: bytes in, exact int32 sums, bytes out, or floats. The weight is
 * kept in the layout of the kernels alone once it was multiplied.
 */
export class ByteLinear extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ByteLinear";

  /** (outFeatures, inFeatures). */
  weight: AffineQuantizedTensor;
  /** int32, in units of the sums; float32, in those of the floats that come out; or null. */
  bias: Tensor | null;
  /** As the kernels read it. */
  inputZeroPoint: Tensor | null;
  /** What sums are multiplied with. */
  multiplier: Tensor;
  /** How the bytes that come in are read. */
  readonly input: ByteType;
  /** How those that come out are; nothing if floats come out. */
  readonly output: ByteType | undefined;

  /** A layer of parts. @throws {RangeError} if shapes do not fit. */
  constructor(parts: ByteLinearParts) {
    super();
    const { weight, scale, zeroPoint, bias, input, output, multiplier } = parts;
    const [rows, columns] = weight.shape;
    const blockSize = scale.numel === 1 ? [rows, columns] : [1, columns];
    this.weight = new AffineQuantizedTensor({
      ...{ intData: weight, scale, zeroPoint, blockSize, dtype: float32 },
      ...{ quantMin: weight.dtype.min, quantMax: weight.dtype.max },
    });
    if (bias && (bias.ndim !== 1 || bias.numel !== rows)) {
      throw new RangeError(`the bias must have shape (${rows},), got ${formatShape(bias.shape)}`);
    }
    this.bias = bias;
    this.multiplier = multiplier;
    this.inputZeroPoint = parts.inputZeroPoint;
    this.input = input;
    this.output = output;
    const range = rangeOf(weight.dtype, zeroPoint ? undefined : 0);
    checkAccumulator("the integer product", columns, rangeOf(input.dtype, input.zeroPoint), range);
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x bytes, (…, inFeatures).
   * @throws {RangeError} if the last dimension is another.
   */
  override forward(x: Tensor): Tensor {
    const { weight, bias, multiplier, input, output } = this;
    const [outFeatures, inFeatures] = weight.shape;
    if (x.dtype !== input.dtype || x.shape.at(-1) !== inFeatures) {
      throw new RangeError(
        `${this.displayName}: the input must be ${input.dtype.name} of shape (…, ${inFeatures}), got ` +
          `${x.dtype.name} of shape ${formatShape(x.shape)}`,
      );
    }
    using sums = this.sums(x);
    using y = output
      ? requantize(sums, { multiplier, bias, zeroPoint: output.zeroPoint, dtype: output.dtype })
      : this.scaled(sums);
    return y.reshape([...x.shape.slice(0, -1), outFeatures]);
  }

  /** The products, exact in int32. */
  private sums(x: Tensor): Tensor {
    const { weight, inputZeroPoint } = this;
    const { backend } = x;
    const [outFeatures, inFeatures] = weight.shape;
    const count = numelOf(x.shape.slice(0, -1));
    using matrix = x.reshape(count, inFeatures);
    const rows = backend.packRows(matrix.operand);
    try {
      const { scale, zeroPoint } = weight;
      const sums = backend.packedLinear(rows, weight.packedRows(), {
        // No scale is read for int32.
        xScale: scale.operand.buffer,
        xZeroPoint: inputZeroPoint && inputZeroPoint.operand.buffer,
        wScale: scale.operand.buffer,
        wZeroPoint: zeroPoint && zeroPoint.operand.buffer,
        wParamCount: scale.numel,
        bias: null,
        outputDtype: int32,
      });
      return new Tensor(backend, sums, [count, outFeatures], int32);
    } finally {
      releaseRows(backend, rows);
    }
  }

  /** The floats that sums stand for. */
  private scaled(sums: Tensor): Tensor {
    const { bias, multiplier } = this;
    const f = new Formula(this.displayName);
    const sum = f.read(sums, "int");
    const first = bias?.dtype === int32 ? f.apply("add", sum, f.read(bias, "int")) : sum;
    const value = f.apply("mul", f.apply("float", first), f.read(multiplier, "float"));
    if (bias && bias.dtype !== int32) f.apply("add", value, f.read(bias, "float"));
    return f.result(float32);
  }

  /** Sizes and types. */
  override extraRepr(): string {
    const [outFeatures, inFeatures] = this.weight.shape;
    const types = [this.input.dtype, this.weight.targetDtype, this.output?.dtype ?? float32];
    const [x, w, y] = types.map(({ name }) => name);
    const bias = this.bias ? "True" : "False";
    return `in_features=${inFeatures}, out_features=${outFeatures}, bias=${bias}, ${x} × ${w} → ${y}`;
  }
}
