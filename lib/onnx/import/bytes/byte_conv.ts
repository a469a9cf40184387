import { Module } from "../../../nn/module.ts";
import { python } from "../../../nn/python_text.ts";
import { formatShape } from "../../../numbers/shape.ts";
import { convWeightFacts } from "../../../backend/convolution.ts";
import { PreparedConvWeight } from "../../../tensor/conv.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { ByteType } from "./byte_type.ts";
import { type ConvPlaces, integerConv } from "./integer_conv.ts";

/** What a {@linkcode ByteConv} consists of. */
export interface ByteConvParts {
  /** int8 or uint8, (out, in / groups, …), or transposed (in, out / groups, …). */
  readonly weight: Tensor;
  /** float32, one or one an output channel; or null for zeros. */
  readonly weightZeroPoint: Tensor | null;
  /** int32, one an output channel, or null. */
  readonly bias: Tensor | null;
  /** float32, one or one an output channel: what sums are multiplied with. */
  readonly multiplier: Tensor;
  /** float32, one number each. */
  readonly inputZeroPoint: Tensor;
  readonly outputZeroPoint: Tensor;
  readonly input: ByteType;
  readonly output: ByteType;
  readonly groups: number;
  /** Whether it is a transposed convolution. */
  readonly transposed: boolean;
  /** Where windows lie, for an input of these sizes. */
  readonly places: (input: readonly number[]) => ConvPlaces;
}

/** Weights in the order in which devices read them, made once for as long as a weight is held. */
const ready = new WeakMap<Tensor, PreparedConvWeight>();

/** A convolution of bytes with the scales of a file: bytes in, exact int32 sums, bytes out. */
export class ByteConv extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ByteConv";

  /** (out, in / groups, …), or transposed (in, out / groups, …). */
  weight: Tensor;
  /** Zero points of the weight, or null for zeros. */
  weightZeroPoint: Tensor | null;
  /** int32, in units of the sums, or null. */
  bias: Tensor | null;
  /** What sums are multiplied with. */
  multiplier: Tensor;
  /** As the kernels read it. */
  inputZeroPoint: Tensor;
  /** As the kernels read it. */
  outputZeroPoint: Tensor;
  /** How the bytes that come in are read. */
  readonly input: ByteType;
  /** How those that come out are. */
  readonly output: ByteType;
  /** Parts that channels fall into. */
  readonly groups: number;
  /** Whether it is a transposed convolution. */
  readonly transposed: boolean;
  private readonly places: ByteConvParts["places"];

  /** A layer of parts. @throws {RangeError} if shapes do not fit. */
  constructor(parts: ByteConvParts) {
    super();
    this.weight = parts.weight;
    this.weightZeroPoint = parts.weightZeroPoint;
    this.bias = parts.bias;
    this.multiplier = parts.multiplier;
    this.inputZeroPoint = parts.inputZeroPoint;
    this.outputZeroPoint = parts.outputZeroPoint;
    this.input = parts.input;
    this.output = parts.output;
    this.groups = parts.groups;
    this.transposed = parts.transposed;
    this.places = parts.places;
    const { bias } = this;
    const { outChannels } = convWeightFacts(this.weight.shape, this);
    if (bias && (bias.ndim !== 1 || bias.numel !== outChannels)) {
      throw new RangeError(
        `the bias must have shape (${outChannels},), got ${formatShape(bias.shape)}`,
      );
    }
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x bytes, (N, in, …).
   * @throws {TypeError} if the input is of another type.
   * @throws {RangeError} if its shape does not fit.
   */
  override forward(x: Tensor): Tensor {
    const { weight, weightZeroPoint, bias, multiplier, output, groups, transposed, input } = this;
    if (x.dtype !== input.dtype) {
      throw new TypeError(
        `${this.displayName}: the input must be of ${input.dtype.name}, got ${x.dtype.name}`,
      );
    }
    let prepared = ready.get(weight);
    if (!prepared || prepared.data.disposed) {
      const options = { groups, transposed, zeroPoint: weightZeroPoint };
      prepared = new PreparedConvWeight(weight, options);
      ready.set(weight, prepared);
    }
    const { dtype } = output;
    return integerConv(
      x,
      prepared,
      this.places(x.shape.slice(2)),
      { x: this.inputZeroPoint, xValue: input.zeroPoint, w: weightZeroPoint },
      multiplier.numel,
      {
        kind: "bytes",
        multiplier: multiplier.operand.buffer,
        bias: bias && bias.operand,
        zeroPoint: this.outputZeroPoint.operand.buffer,
        quantMin: dtype.min,
        quantMax: dtype.max,
        dtype,
      },
    );
  }

  /** Sizes and types. */
  override extraRepr(): string {
    const { channels, outChannels, kernel } = convWeightFacts(this.weight.shape, this);
    const { stride, padding } = this.places(kernel.map(() => 0));
    const parts = [
      `${channels}, ${outChannels}, kernel_size=${python(kernel)}`,
      `stride=${python(stride)}`,
      ...padding.flat().some(Boolean) ? [`padding=${JSON.stringify(padding)}`] : [],
      ...this.transposed ? ["transposed"] : [],
      ...this.groups > 1 ? [`groups=${this.groups}`] : [],
      `bias=${this.bias ? "True" : "False"}`,
    ];
    const { input, weight, output } = this;
    return `${parts.join(", ")}, ${input.dtype.name} × ${weight.dtype.name} → ${output.dtype.name}`;
  }
}
