/**
 * The product of two tensors, as a layer.
 *
 * @module
 */
import { mul } from "../tensor/pointwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * `a · b`, a layer of its own so that it can be observed and quantized: what PyTorch's eager mode has as
 * `FloatFunctional().mul`.
 *
 * @example
 * ```ts
 * import { Mul, tensor } from "@staticquant/staticquant";
 * console.log(await new Mul().forward(tensor([1, 2]), tensor([3])).data()); // Float32Array [ 3, 6 ]
 * ```
 */
export class Mul extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Mul";

  /**
   * Element by element; the tensors broadcast. Enqueued.
   *
   * @throws {RangeError} if the shapes do not broadcast.
   */
  override forward(a: Tensor, b: Tensor): Tensor {
    return mul(a, b);
  }
}
