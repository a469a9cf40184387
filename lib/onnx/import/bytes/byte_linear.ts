import { Module } from "../../../nn/module.ts";
import { float32 } from "../../../numbers/dtype.ts";
import { formatShape } from "../../../numbers/shape.ts";
import { AffineQuantizedTensor } from "../../../quantization/tensors/quantized_tensor.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { type ByteType, toByte } from "./byte_type.ts";
import { integerProduct, packed } from "./integer_product.ts";
import { Formula } from "../../../tensor/formula.ts";

/** What a {@linkcode ByteLinear} consists of. */
export interface ByteLinearParts {
  /** Integers (outFeatures, inFeatures), which this owns from now on. */
  readonly weight: Tensor;
  /** float32, one for all or one a row of the weight. */
  readonly scale: Tensor;
  /** float32, as many; or null for zeros. */
  readonly zeroPoint: Tensor | null;
  /** int32, one a row of the weight, or null. */
  readonly bias: Tensor | null;
  readonly input: ByteType;
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
  /** int32, in units of the sums, or null. */
  bias: Tensor | null;
  /** What sums are multiplied with. */
  multiplier: Tensor;
  /** How the bytes that come in are read. */
  readonly input: ByteType;
  /** How those that come out are; nothing if floats come out. */
  readonly output: ByteType | undefined;

  /** A layer of parts. @throws {RangeError} if shapes do not fit. */
  constructor({ weight, scale, zeroPoint, bias, input, output, multiplier }: ByteLinearParts) {
    super();
    const [rows, columns] = weight.shape;
    const blockSize = scale.numel === 1 ? [rows, columns] : [1, columns];
    const common = { quantMin: weight.dtype.min, quantMax: weight.dtype.max };
    this.weight = new AffineQuantizedTensor({
      ...{ intData: weight, scale, zeroPoint, blockSize, dtype: float32 },
      ...common,
    });
    if (bias && (bias.ndim !== 1 || bias.numel !== rows)) {
      throw new RangeError(`the bias must have shape (${rows},), got ${formatShape(bias.shape)}`);
    }
    this.bias = bias;
    this.multiplier = multiplier;
    this.input = input;
    this.output = output;
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
    using rows = packed(x);
    using sums = integerProduct(
      x.backend,
      { rows: rows.rows, dtype: x.dtype, zeroPoint: input.zeroPoint },
      {
        rows: weight.packedRows(),
        dtype: weight.targetDtype,
        zeroPoint: weight.zeroPoint ?? 0,
      },
    );
    const f = new Formula(this.displayName);
    const sum = f.read(sums, "int");
    const all = bias ? f.apply("add", sum, f.read(bias, "int")) : sum;
    const value = f.apply("mul", f.apply("float", all), f.read(multiplier, "float"));
    if (output) toByte(f, value, output);
    using y = f.result(output ? output.dtype : float32);
    return y.reshape([...x.shape.slice(0, -1), outFeatures]);
  }

  /** Sizes and types. */
  override extraRepr(): string {
    const [outFeatures, inFeatures] = this.weight.shape;
    const types = [this.input.dtype, this.weight.targetDtype, this.output?.dtype ?? float32];
    return `in_features=${inFeatures}, out_features=${outFeatures}, bias=${
      this.bias ? "True" : "False"
    }, ${types.map(({ name }) => name).join(" · ").replace(" · ", " × ").replace(" · ", " → ")}`;
  }
}
