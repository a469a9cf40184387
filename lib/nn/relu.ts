/**
 * The rectifier.
 *
 * @module
 */
import { relu } from "../tensor/ops.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * `max(x, 0)`, as `torch.nn.ReLU`.
 *
 * @example
 * ```ts
 * import { ReLU, tensor } from "@staticquant/staticquant";
 * console.log(await new ReLU().forward(tensor([-1, 2])).data()); // Float32Array [ 0, 2 ]
 * ```
 */
export class ReLU extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ReLU";

  /** Element by element. */
  override forward(x: Tensor): Tensor {
    return relu(x);
  }
}
