/**
 * The hyperbolic tangent.
 *
 * @module
 */
import { tanh } from "../tensor/activations.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * `tanh(x)`, element by element, as `torch.nn.Tanh`.
 *
 * @example
 * ```ts
 * import { Tanh, tensor } from "@staticquant/staticquant";
 * console.log(await new Tanh().forward(tensor([-1, 0, 2])).data()); // about -0.762, 0, 0.964
 * ```
 */
export class Tanh extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Tanh";

  /** Element by element. */
  override forward(x: Tensor): Tensor {
    return tanh(x);
  }
}
