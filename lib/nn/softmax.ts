/**
 * Numbers that add up to one.
 *
 * @module
 */
import { softmax } from "../tensor/softmax.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./layer_arguments.ts";
import { Module } from "./module.ts";

/**
 * `exp(x) / Σ exp(x)` along a dimension, as `torch.nn.Softmax`.
 *
 * @example
 * ```ts
 * import { Softmax, tensor } from "@staticquant/staticquant";
 * console.log(await new Softmax(-1).forward(tensor([1, 2])).data()); // about 0.269, 0.731
 * ```
 */
export class Softmax extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Softmax";

  /** The dimension, counted from the end if negative. */
  readonly dim: number;

  /**
   * Takes the dimension.
   *
   * @throws {RangeError} if it is no integer.
   */
  constructor(dim: number) {
    super();
    this.dim = checkSize(this.displayName, "dim", dim, -Infinity);
  }

  /** The shape of `x`. @throws {RangeError} if `x` has no such dimension. */
  override forward(x: Tensor): Tensor {
    return softmax(x, this.dim);
  }

  /** PyTorch's words for the dimension. */
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}
