/**
 * A module that does nothing.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * Gives its input, as `torch.nn.Identity`: what stands in the place of a layer that was taken out.
 *
 * @example
 * ```ts
 * import { Identity, tensor } from "@staticquant/staticquant";
 * const x = tensor([1, 2]);
 * console.log(new Identity().forward(x) === x); // true
 * ```
 */
export class Identity extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Identity";

  /** The input itself. */
  override forward(x: Tensor): Tensor {
    return x;
  }
}
