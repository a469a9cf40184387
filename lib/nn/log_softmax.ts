/**
 * The logarithms of numbers that add up to one.
 *
 * @module
 */
import { logSoftmax } from "../tensor/softmax.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./layer_arguments.ts";
import { Module } from "./module.ts";

/**
 * `x − log Σ exp(x)` along a dimension, as `torch.nn.LogSoftmax`.
 *
 * @example
 * ```ts
 * import { LogSoftmax, tensor } from "@staticquant/staticquant";
 * console.log(await new LogSoftmax(-1).forward(tensor([1, 2])).data()); // about -1.313, -0.313
 * ```
 */
export class LogSoftmax extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "LogSoftmax";

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
    return logSoftmax(x, this.dim);
  }

  /** PyTorch's words for the dimension. */
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}
