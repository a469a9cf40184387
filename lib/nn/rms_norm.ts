/**
 * Normalization by the root mean square.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { rmsNorm } from "../tensor/normalize.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { all } from "./initial.ts";
import {
  checkBoolean,
  checkFloatDType,
  checkNumber,
  LAYER_OPTIONS,
  type LayerOptions,
} from "./layer_arguments.ts";
import { checkLastDims, normalizedShapeOf } from "./layer_norm.ts";
import { Module } from "./module.ts";
import { python, pythonFloat } from "./python_text.ts";

/** Options of {@linkcode RMSNorm}. */
export interface RMSNormOptions extends LayerOptions {
  /** What is added to the mean of the squares; null, the default, is the eps of the input's dtype. */
  eps?: number | null;
  /** Whether each number has a factor; true by default. */
  elementwiseAffine?: boolean;
}

/**
 * `x / √(mean of x² + eps) · weight` over the last dimensions, as `torch.nn.RMSNorm`.
 *
 * @example
 * ```ts
 * import { RMSNorm, tensor } from "@staticquant/staticquant";
 * console.log(await new RMSNorm(2).forward(tensor([[3, 4]])).data()); // about 0.849, 1.131
 * ```
 */
export class RMSNorm extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "RMSNorm";

  /** The sizes of the dimensions that are normalized together, the last of an input. */
  readonly normalizedShape: readonly number[];
  /** What is added to the mean of the squares; null for the eps of the input's dtype. */
  readonly eps: number | null;
  /** Factors, of that shape, or null. */
  weight: Tensor | null;

  /**
   * A layer with factors 1.
   *
   * @throws {RangeError} if a size is no positive integer.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(normalizedShape: number | readonly number[], options: RMSNormOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["eps", "elementwiseAffine", ...LAYER_OPTIONS]);
    checkFloatDType(where, options);
    const { eps = null, elementwiseAffine = true } = options;
    this.normalizedShape = normalizedShapeOf(where, normalizedShape);
    this.eps = eps === null ? null : checkNumber(where, "eps", eps);
    checkBoolean(where, "elementwiseAffine", elementwiseAffine);
    this.weight = elementwiseAffine ? all(1, this.normalizedShape, options) : null;
  }

  /** The shape of `x`, (…, …normalizedShape). @throws {RangeError} if it ends otherwise. */
  override forward(x: Tensor): Tensor {
    const { normalizedShape, weight, eps } = this;
    checkLastDims(this.displayName, x, normalizedShape);
    return rmsNorm(x, normalizedShape, weight, eps ?? undefined);
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    return `${python(this.normalizedShape)}, eps=${pythonFloat(this.eps)}, elementwise_affine=${
      python(this.weight !== null)
    }`;
  }
}
