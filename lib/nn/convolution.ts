/**
 * What the convolutions have in common.
 *
 * @module
 */
import { checkChoice, checkOptions, given } from "../numbers/arguments.ts";
import { convolve, PreparedConvWeight } from "../tensor/conv.ts";
import { pad } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Padding, windowPlaces } from "../tensor/window.ts";
import { fanInBound, uniform } from "./initial.ts";
import {
  checkFloatDType,
  checkParameter,
  checkParametersFit,
  checkSize,
  LAYER_OPTIONS,
  type LayerOptions,
  sizesOf,
} from "./layer_arguments.ts";
import { Module } from "./module.ts";
import { python } from "./python_text.ts";

/** What a convolution reads outside of its input. */
export type PaddingMode = "zeros" | "reflect" | "replicate" | "circular";

/** Options of {@linkcode Conv1d}, {@linkcode Conv2d} and {@linkcode Conv3d}. */
export interface ConvLayerOptions extends LayerOptions {
  /** Steps between outputs, one for all dimensions or one each; 1 by default. */
  stride?: number | readonly number[];
  /**
   * What is added on both sides, one number for all dimensions or one each; "same" for as much as keeps the
   * sizes, with stride 1; "valid" is 0, the default.
   */
  padding?: number | readonly number[] | "same" | "valid";
  /** What is read there; zeros by default. */
  paddingMode?: PaddingMode;
  /** Steps between the weights that meet neighbours of the input; 1 by default. */
  dilation?: number | readonly number[];
  /** Parts that channels fall into, each with weights of its own; 1 by default. */
  groups?: number;
  /** Whether there is a bias, or the one to hold; true by default. */
  bias?: boolean | Tensor | null;
  /** The weight to hold, (outChannels, inChannels / groups, …kernelSize); by default one is drawn. */
  weight?: Tensor;
}

const PADDING_MODES = ["zeros", "reflect", "replicate", "circular"] as const;

/** Channels and groups that fit together. */
export function checkChannels(
  where: string,
  inChannels: number,
  outChannels: number,
  groups: number,
): void {
  checkSize(where, "groups", groups);
  for (const [name, size] of Object.entries({ inChannels, outChannels })) {
    checkSize(where, name, size);
    if (size % groups === 0) continue;
    throw new RangeError(
      `${where}: ${name} must be a multiple of groups, got ${name} = ${size} and groups = ${groups}`,
    );
  }
}

/** A layer's weight and bias: those given, or such as PyTorch's layers start with. */
export function convParameters(
  where: string,
  shape: readonly number[],
  outChannels: number,
  options: LayerOptions & Pick<ConvLayerOptions, "bias" | "weight">,
): { weight: Tensor; bias: Tensor | null } {
  const { weight, bias = true } = options;
  checkFloatDType(where, options);
  checkParameter(where, "weight", weight, shape);
  if (bias !== null && typeof bias !== "boolean") {
    checkParameter(where, "bias", bias, [outChannels]);
  }
  if (!weight) checkParametersFit(where, [shape], options);
  const bound = fanInBound(shape.slice(1).reduce((product, size) => product * size, 1));
  return {
    weight: weight ?? uniform(shape, bound, options),
    bias: bias === true ? uniform([outChannels], bound, options) : bias || null,
  };
}

/** Weights in the order in which devices read them, made once for as long as a weight is held. */
const prepared = new WeakMap<Tensor, PreparedConvWeight>();

/** A layer's weight as convolutions read it. */
export function preparedWeight(
  weight: Tensor,
  options: { groups: number; transposed: boolean },
): PreparedConvWeight {
  let found = prepared.get(weight);
  if (!found || found.data.disposed) {
    found = weight.freeWith(new PreparedConvWeight(weight, options));
    prepared.set(weight, found);
  }
  return found;
}

/** A convolution over one, two or three dimensions; {@linkcode Conv2d} and its like say which. */
export abstract class Convolution extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Convolution";

  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** Sizes of the window. */
  readonly kernelSize: readonly number[];
  /** Steps between outputs, one a dimension. */
  readonly stride: readonly number[];
  /** What is added on both sides, one a dimension, or "same" or "valid". */
  readonly padding: readonly number[] | "same" | "valid";
  /** Steps between weights, one a dimension. */
  readonly dilation: readonly number[];
  /** Parts that channels fall into. */
  readonly groups: number;
  /** What is read outside of the input. */
  readonly paddingMode: PaddingMode;
  /** (outChannels, inChannels / groups, …kernelSize). */
  weight: Tensor;
  /** (outChannels,), or null. */
  bias: Tensor | null;

  /** A layer over `spatial` dimensions. */
  protected constructor(
    spatial: number,
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvLayerOptions = {},
  ) {
    super();
    const where = this.displayName;
    checkOptions(where, options, [
      "stride",
      "padding",
      "dilation",
      "groups",
      "bias",
      "paddingMode",
      ...LAYER_OPTIONS,
      "weight",
    ]);
    const { stride = 1, padding = 0, dilation = 1, groups = 1, paddingMode = "zeros" } = options;
    checkChannels(where, inChannels, outChannels, groups);
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = sizesOf(where, "kernelSize", kernelSize, spatial);
    this.stride = sizesOf(where, "stride", stride, spatial);
    this.dilation = sizesOf(where, "dilation", dilation, spatial);
    this.padding = typeof padding === "string"
      ? checkChoice(where, "padding", padding, ["same", "valid"] as const)
      : sizesOf(where, "padding", padding, spatial, 0);
    if (padding === "same" && this.stride.some((step) => step !== 1)) {
      throw new RangeError(
        `${where}: padding "same" keeps sizes only with stride 1, got ${given(stride)}`,
      );
    }
    this.groups = groups;
    this.paddingMode = checkChoice(where, "paddingMode", paddingMode, PADDING_MODES);
    const shape = [outChannels, inChannels / groups, ...this.kernelSize];
    const { weight, bias } = convParameters(where, shape, outChannels, options);
    this.weight = weight;
    this.bias = bias;
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, of the weight's dtype: (N, inChannels, …), or without N.
   * @returns (N, outChannels, …), each size ⌊(size + 2·padding − dilation·(kernelSize − 1) − 1) / stride⌋ + 1.
   * @throws {RangeError} if the shape does not fit.
   * @throws {TypeError} if the dtypes differ.
   */
  override forward(x: Tensor): Tensor {
    const { paddingMode, padding } = this;
    if (paddingMode === "zeros") return this.convolve(x, padding);
    const { displayName: where, kernelSize } = this;
    const { before, after } = windowPlaces(
      where,
      x.shape.slice(-kernelSize.length),
      kernelSize,
      this,
    );
    const edges = before.map((size, d) => [size, after[d]]).reverse().flat();
    using wider = pad(x, edges, { mode: paddingMode });
    return this.convolve(wider, 0);
  }

  /** With zeros around the input, or nothing. */
  private convolve(x: Tensor, padding: Padding): Tensor {
    const { weight, bias, stride, dilation, groups, kernelSize } = this;
    return convolve({
      where: this.displayName,
      rank: kernelSize.length,
      x,
      weight: preparedWeight(weight, { groups, transposed: false }),
      bias,
      transposed: false,
      options: { stride, padding, dilation, groups },
    });
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    const { padding, paddingMode, dilation, groups } = this;
    const parts = [
      `${this.inChannels}, ${this.outChannels}, kernel_size=${python(this.kernelSize)}`,
      `stride=${python(this.stride)}`,
    ];
    if (typeof padding === "string") parts.push(`padding=${padding}`);
    else if (padding.some((size) => size !== 0)) parts.push(`padding=${python(padding)}`);
    if (dilation.some((step) => step !== 1)) parts.push(`dilation=${python(dilation)}`);
    if (groups !== 1) parts.push(`groups=${groups}`);
    if (!this.bias) parts.push("bias=False");
    if (paddingMode !== "zeros") parts.push(`padding_mode=${paddingMode}`);
    return parts.join(", ");
  }
}
