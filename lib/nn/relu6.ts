/**
 * The rectifier that stops at six.
 *
 * @module
 */
import { clamp } from "../tensor/pointwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * `clamp(x, 0, 6)`, element by element, as `torch.nn.ReLU6`.
 *
 * @example
 * ```ts
 * import { ReLU6, tensor } from "@staticquant/staticquant";
 * console.log(await new ReLU6().forward(tensor([-1, 2, 9])).data()); // Float32Array [ 0, 2, 6 ]
 * ```
 */
export class ReLU6 extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ReLU6";

  /** Element by element. */
  override forward(x: Tensor): Tensor {
    return clamp(x, { min: 0, max: 6 });
  }
}
