/**
 * Normalization of what lies together.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { layerNorm } from "../tensor/normalize.ts";
import { formatShape, sameShape } from "../numbers/shape.ts";
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

/** Options of {@linkcode LayerNorm}. */
export interface LayerNormOptions extends LayerOptions {
  /** What is added to the variance; 1e-5 by default. */
  eps?: number;
  /** Whether each number has a factor and a summand; true by default. */
  elementwiseAffine?: boolean;
  /** Whether there are summands besides the factors; true by default. */
  bias?: boolean;
}

/** A shape given as a list, or as its only size. */
export function normalizedShapeOf(where: string, shape: number | readonly number[]): number[] {
  const sizes = Array.isArray(shape) ? shape as readonly number[] : [shape as number];
  if (sizes.length === 0) {
    throw new RangeError(`${where}: normalizedShape must have a size at least, got none`);
  }
  return sizes.map((size) => checkSize(where, "normalizedShape", size));
}

/** Throws unless the last dimensions of `x` have these sizes. */
export function checkLastDims(where: string, x: Tensor, sizes: readonly number[]): void {
  checkTensor(where, x);
  if (x.ndim >= sizes.length && sameShape(x.shape.slice(-sizes.length), sizes)) return;
  throw new RangeError(
    `${where}: the input must have shape (…, ${sizes.join(", ")}), got ${formatShape(x.shape)}`,
  );
}

/**
 * `(x − mean) / √(variance + eps) · weight + bias` over the last dimensions, as `torch.nn.LayerNorm`.
 *
 * @example
 * ```ts
 * import { LayerNorm, tensor } from "@staticquant/staticquant";
 * console.log(await new LayerNorm(2).forward(tensor([[1, 3]])).data()); // about -1, 1
 * ```
 */
export class LayerNorm extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "LayerNorm";

  /** The sizes of the dimensions that are normalized together, the last of an input. */
  readonly normalizedShape: readonly number[];
  /** What is added to the variance. */
  readonly eps: number;
  /** Factors, of that shape, or null. */
  weight: Tensor | null;
  /** Summands, of that shape, or null. */
  bias: Tensor | null;

  /**
   * A layer with factors 1 and summands 0.
   *
   * @throws {RangeError} if a size is no positive integer.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["eps", "elementwiseAffine", "bias", ...LAYER_OPTIONS]);
    checkFloatDType(where, options);
    const { eps = 1e-5, elementwiseAffine = true, bias = true } = options;
    checkBoolean(where, "elementwiseAffine", elementwiseAffine);
    checkBoolean(where, "bias", bias);
    this.normalizedShape = normalizedShapeOf(where, normalizedShape);
    this.eps = checkNumber(where, "eps", eps);
    this.weight = elementwiseAffine ? all(1, this.normalizedShape, options) : null;
    this.bias = elementwiseAffine && bias ? all(0, this.normalizedShape, options) : null;
  }

  /** The shape of `x`, (…, …normalizedShape). @throws {RangeError} if it ends otherwise. */
  override forward(x: Tensor): Tensor {
    const { normalizedShape, weight, bias, eps } = this;
    checkLastDims(this.displayName, x, normalizedShape);
    return layerNorm(x, normalizedShape, weight, bias, eps);
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    return `${python(this.normalizedShape)}, eps=${pythonFloat(this.eps)}, elementwise_affine=${
      python(this.weight !== null)
    }, bias=${python(this.bias !== null)}`;
  }
}
