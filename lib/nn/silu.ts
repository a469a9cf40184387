/**
 * The sigmoid linear unit.
 *
 * @module
 */
import { silu } from "../tensor/activations.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * `x · sigmoid(x)`, also called swish, element by element, as `torch.nn.SiLU`.
 *
 * @example
 * ```ts
 * import { SiLU, tensor } from "@staticquant/staticquant";
 * console.log(await new SiLU().forward(tensor([-1, 0, 2])).data()); // about -0.269, 0, 1.762
 * ```
 */
export class SiLU extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "SiLU";

  /** Element by element. */
  override forward(x: Tensor): Tensor {
    return silu(x);
  }
}
