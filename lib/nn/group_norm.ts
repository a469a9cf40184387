/**
 * Normalization of groups of channels.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { formatShape } from "../numbers/shape.ts";
import { groupNorm } from "../tensor/normalize.ts";
import { checkTensor, type Tensor } from "../tensor/tensor.ts";
import { all } from "./initial.ts";
import {
  checkBoolean,
  checkFloatDType,
  checkNumber,
  checkSize,
  LAYER_OPTIONS,
  type LayerOptions,
} from "./layer_arguments.ts";
import { Module } from "./module.ts";
import { python, pythonFloat } from "./python_text.ts";

/** Options of {@linkcode GroupNorm}. */
export interface GroupNormOptions extends LayerOptions {
  /** What is added to the variance; 1e-5 by default. */
  eps?: number;
  /** Whether each channel has a factor and a summand; true by default. */
  affine?: boolean;
}

/**
 * `(x − mean) / √(variance + eps) · weight + bias`, as `torch.nn.GroupNorm`: mean and variance are
 * those of a group of neighbouring channels in one sample, weight and bias a channel's.
 *
 * @example
 * ```ts
 * import { GroupNorm, randn } from "@staticquant/staticquant";
 * const layer = new GroupNorm(2, 8);
 * console.log(layer.forward(randn([1, 8, 4, 4])).shape); // [ 1, 8, 4, 4 ]
 * ```
 */
export class GroupNorm extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "GroupNorm";

  /** How many groups there are. */
  readonly numGroups: number;
  /** How many channels there are. */
  readonly numChannels: number;
  /** What is added to the variance. */
  readonly eps: number;
  /** Factors, (numChannels,), or null. */
  weight: Tensor | null;
  /** Summands, (numChannels,), or null. */
  bias: Tensor | null;

  /**
   * A layer with factors 1 and summands 0.
   *
   * @throws {RangeError} if a number is no positive integer, or the channels are no multiple of the groups.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["eps", "affine", ...LAYER_OPTIONS]);
    checkFloatDType(where, options);
    this.numGroups = checkSize(where, "numGroups", numGroups);
    this.numChannels = checkSize(where, "numChannels", numChannels);
    if (numChannels % numGroups !== 0) {
      throw new RangeError(
        `${where}: numChannels must be a multiple of numGroups, got ${numChannels} and ${numGroups}`,
      );
    }
    const { eps = 1e-5, affine = true } = options;
    this.eps = checkNumber(where, "eps", eps);
    checkBoolean(where, "affine", affine);
    this.weight = affine ? all(1, [numChannels], options) : null;
    this.bias = affine ? all(0, [numChannels], options) : null;
  }

  /** The shape of `x`, (N, numChannels, …). @throws {RangeError} if it is another. */
  override forward(x: Tensor): Tensor {
    const where = this.displayName;
    checkTensor(where, x);
    if (x.ndim < 2 || x.shape[1] !== this.numChannels) {
      throw new RangeError(
        `${where}: the input must have shape (N, ${this.numChannels}, …), got ${
          formatShape(x.shape)
        }`,
      );
    }
    const { weight, bias, eps } = this;
    return groupNorm(x, this.numGroups, weight, bias, eps);
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    const affine = python(this.weight !== null);
    return `${this.numGroups}, ${this.numChannels}, eps=${
      pythonFloat(this.eps)
    }, affine=${affine}, bias=${affine}`;
  }
}
