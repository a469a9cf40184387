/**
 * A dimension made several.
 *
 * @module
 */
import { given } from "../numbers/arguments.ts";
import { formatShape, numelOf } from "../numbers/shape.ts";
import { dimOf } from "../tensor/dims.ts";
import { checkTensor, type Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./layer_arguments.ts";
import { Module } from "./module.ts";
import { python } from "./python_text.ts";

/**
 * The same numbers with one dimension cut into several, as `torch.nn.Unflatten`. A view; nothing is
 * copied.
 *
 * @example
 * ```ts
 * import { randn, Unflatten } from "@staticquant/staticquant";
 * const layer = new Unflatten(1, [2, -1]);
 * console.log(layer.forward(randn([4, 6])).shape); // [ 4, 2, 3 ]
 * ```
 */
export class Unflatten extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Unflatten";

  /** The dimension, counted from the end if negative. */
  readonly dim: number;
  /** The sizes that it becomes; one may be −1, to be found out. */
  readonly unflattenedSize: readonly number[];

  /**
   * Takes the dimension and the sizes.
   *
   * @throws {RangeError} if one is no integer, a size lies below −1, or several are −1.
   * @throws {TypeError} if the sizes are no list.
   */
  constructor(dim: number, unflattenedSize: readonly number[]) {
    super();
    const where = this.displayName;
    this.dim = checkSize(where, "dim", dim, -Infinity);
    if (!Array.isArray(unflattenedSize) || unflattenedSize.length === 0) {
      throw new TypeError(
        `${where}: unflattenedSize must be a list of sizes, got ${given(unflattenedSize)}`,
      );
    }
    unflattenedSize.forEach((size, i) => checkSize(where, `unflattenedSize[${i}]`, size, -1));
    if (unflattenedSize.filter((size) => size === -1).length > 1) {
      throw new RangeError(`${where}: one size of unflattenedSize may be -1, not several`);
    }
    this.unflattenedSize = [...unflattenedSize];
  }

  /** A view of `x`. @throws {RangeError} if `x` has no such dimension, or the sizes do not fill it. */
  override forward(x: Tensor): Tensor {
    const where = this.displayName;
    checkTensor(where, x);
    const at = dimOf(where, this.dim, x.shape);
    const whole = x.shape[at];
    const known = numelOf(this.unflattenedSize.filter((size) => size !== -1));
    const sizes = this.unflattenedSize.map((size) => size === -1 ? whole / known : size);
    if (numelOf(sizes) !== whole || !sizes.every(Number.isInteger)) {
      throw new RangeError(
        `${where}: sizes ${
          formatShape(this.unflattenedSize)
        } do not fill dimension ${this.dim} of an ` +
          `input of shape ${formatShape(x.shape)}`,
      );
    }
    return x.reshape([...x.shape.slice(0, at), ...sizes, ...x.shape.slice(at + 1)]);
  }

  /** PyTorch's words for dimension and sizes. */
  override extraRepr(): string {
    return `dim=${this.dim}, unflattened_size=${python(this.unflattenedSize)}`;
  }
}
