/**
 * The logistic function.
 *
 * @module
 */
import { sigmoid } from "../tensor/activations.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * `1 / (1 + exp(−x))`, element by element, as `torch.nn.Sigmoid`.
 *
 * @example
 * ```ts
 * import { Sigmoid, tensor } from "@staticquant/staticquant";
 * console.log(await new Sigmoid().forward(tensor([-1, 0, 2])).data()); // about 0.269, 0.5, 0.881
 * ```
 */
export class Sigmoid extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Sigmoid";

  /** Element by element. */
  override forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}
