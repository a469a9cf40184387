/**
 * A swish of straight lines.
 *
 * @module
 */
import { hardswish } from "../tensor/activations.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * `x · clamp(x + 3, 0, 6) / 6`, element by element, as `torch.nn.Hardswish`.
 *
 * @example
 * ```ts
 * import { Hardswish, tensor } from "@staticquant/staticquant";
 * console.log(await new Hardswish().forward(tensor([-1, 0, 2])).data()); // about -0.333, 0, 1.667
 * ```
 */
export class Hardswish extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Hardswish";

  /** Element by element. */
  override forward(x: Tensor): Tensor {
    return hardswish(x);
  }
}
