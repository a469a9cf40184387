/**
 * A logistic function of straight lines.
 *
 * @module
 */
import { hardsigmoid } from "../tensor/activations.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * `clamp(x + 3, 0, 6) / 6`, element by element, as `torch.nn.Hardsigmoid`.
 *
 * @example
 * ```ts
 * import { Hardsigmoid, tensor } from "@staticquant/staticquant";
 * console.log(await new Hardsigmoid().forward(tensor([-1, 0, 2])).data()); // about 0.333, 0.5, 0.833
 * ```
 */
export class Hardsigmoid extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Hardsigmoid";

  /** Element by element. */
  override forward(x: Tensor): Tensor {
    return hardsigmoid(x);
  }
}
