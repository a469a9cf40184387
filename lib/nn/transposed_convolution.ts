/**
 * What the transposed convolutions have in common.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { convolve } from "../tensor/conv.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkChannels, convParameters, preparedWeight } from "./convolution.ts";
import { LAYER_OPTIONS, type LayerOptions, sizesOf } from "./layer_arguments.ts";
import { Module } from "./module.ts";
import { python } from "./python_text.ts";

/** Options of {@linkcode ConvTranspose1d} and {@linkcode ConvTranspose2d}. */
export interface ConvTransposeLayerOptions extends LayerOptions {
  /** Steps between the windows in the output, one for all dimensions or one each; 1 by default. */
  stride?: number | readonly number[];
  /** What is taken off both sides of the output; 0 by default. */
  padding?: number | readonly number[];
  /** What is added to one side of the output; 0 by default. */
  outputPadding?: number | readonly number[];
  /** Parts that channels fall into, each with weights of its own; 1 by default. */
  groups?: number;
  /** Whether there is a bias, or the one to hold; true by default. */
  bias?: boolean | Tensor | null;
  /** Steps between the weights of a window; 1 by default. */
  dilation?: number | readonly number[];
  /** The weight to hold, (inChannels, outChannels / groups, …kernelSize); by default one is drawn. */
  weight?: Tensor;
}

/** A transposed convolution; {@linkcode ConvTranspose2d} and its like say over how many dimensions. */
export abstract class TransposedConvolution extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "TransposedConvolution";

  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** Sizes of the window. */
  readonly kernelSize: readonly number[];
  /** Steps between windows in the output, one a dimension. */
  readonly stride: readonly number[];
  /** What is taken off both sides, one a dimension. */
  readonly padding: readonly number[];
  /** What is added to one side, one a dimension. */
  readonly outputPadding: readonly number[];
  /** Steps between weights, one a dimension. */
  readonly dilation: readonly number[];
  /** Parts that channels fall into. */
  readonly groups: number;
  /** (inChannels, outChannels / groups, …kernelSize). */
  weight: Tensor;
  /** (outChannels,), or null. */
  bias: Tensor | null;

  /** Tells layers whose weight has its input channels first from others. */
  get transposed(): boolean {
    return true;
  }

  /** A layer over `spatial` dimensions. */
  protected constructor(
    spatial: number,
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeLayerOptions = {},
  ) {
    super();
    const where = this.displayName;
    checkOptions(where, options, [
      "stride",
      "padding",
      "outputPadding",
      "groups",
      "bias",
      "dilation",
      ...LAYER_OPTIONS,
      "weight",
    ]);
    const { stride = 1, padding = 0, outputPadding = 0, dilation = 1, groups = 1 } = options;
    checkChannels(where, inChannels, outChannels, groups);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = sizesOf(where, "kernelSize", kernelSize, spatial);
    this.stride = sizesOf(where, "stride", stride, spatial);
    this.padding = sizesOf(where, "padding", padding, spatial, 0);
    this.outputPadding = sizesOf(where, "outputPadding", outputPadding, spatial, 0);
    this.dilation = sizesOf(where, "dilation", dilation, spatial);
    this.groups = groups;
    this.outputPadding.forEach((size, i) => {
      if (size < Math.max(this.stride[i], this.dilation[i])) return;
      throw new RangeError(
        `${where}: outputPadding must be smaller than stride or dilation, got ${size} for stride ${
          this.stride[i]
        } and dilation ${this.dilation[i]}`,
      );
    });
    const shape = [inChannels, outChannels / groups, ...this.kernelSize];
    const { weight, bias } = convParameters(where, shape, outChannels, options);
    this.weight = weight;
    this.bias = bias;
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, of the weight's dtype: (N, inChannels, …), or without N.
   * @returns (N, outChannels, …), each size (size − 1)·stride − 2·padding + dilation·(kernelSize − 1) +
   * outputPadding + 1.
   * @throws {RangeError} if the shape does not fit.
   * @throws {TypeError} if the dtypes differ.
   */
  override forward(x: Tensor): Tensor {
    const { weight, bias, stride, padding, outputPadding, dilation, groups } = this;
    return convolve({
      where: this.displayName,
      rank: this.kernelSize.length,
      x,
      weight: preparedWeight(weight, { groups, transposed: true }),
      bias,
      transposed: true,
      options: { stride, padding, outputPadding, dilation, groups },
    });
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    const { padding, outputPadding, dilation, groups } = this;
    const parts = [
      `${this.inChannels}, ${this.outChannels}, kernel_size=${python(this.kernelSize)}`,
      `stride=${python(this.stride)}`,
    ];
    if (padding.some((size) => size !== 0)) parts.push(`padding=${python(padding)}`);
    if (dilation.some((step) => step !== 1)) parts.push(`dilation=${python(dilation)}`);
    if (outputPadding.some((size) => size)) parts.push(`output_padding=${python(outputPadding)}`);
    if (groups !== 1) parts.push(`groups=${groups}`);
    if (!this.bias) parts.push("bias=False");
    return parts.join(", ");
  }
}
