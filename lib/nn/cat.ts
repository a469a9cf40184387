/**
 * Tensors one after the other, as a layer.
 *
 * @module
 */
import { checkInteger } from "../tensor/dims.ts";
import { cat } from "../tensor/movement.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * Its inputs one after the other along a dimension, a layer of its own so that it can be observed and quantized:
 * what PyTorch's eager mode has as `FloatFunctional().cat`.
 *
 * @example
 * ```ts
 * import { Cat, zeros } from "@staticquant/staticquant";
 * const cat = new Cat(1);
 * console.log(cat.forward(zeros([1, 2, 4, 4]), zeros([1, 3, 4, 4])).shape); // [ 1, 5, 4, 4 ]
 * ```
 */
export class Cat extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Cat";

  /**
   * Along a dimension.
   *
   * @param dim the dimension that grows; negative ones count from the last.
   * @throws {TypeError} if it is no integer.
   */
  constructor(readonly dim: number = 0) {
    super();
    checkInteger("Cat", "dim", dim);
  }

  /**
   * All of them. Enqueued.
   *
   * @throws {RangeError} if they are not alike in all other sizes.
   */
  override forward(...xs: Tensor[]): Tensor {
    return cat(xs, this.dim);
  }

  /** The dimension. */
  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}
