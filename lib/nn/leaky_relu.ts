/**
 * The rectifier that lets some of what is negative through.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { leakyRelu } from "../tensor/activations.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkNumber } from "./layer_arguments.ts";
import { Module } from "./module.ts";
import { pythonFloat } from "./python_text.ts";

/** Options of {@linkcode LeakyReLU}. */
export interface LeakyReLUOptions {
  /** What negative numbers are multiplied with; 0.01 by default. */
  negativeSlope?: number;
}

/**
 * `max(x, 0) + negativeSlope · min(x, 0)`, element by element, as `torch.nn.LeakyReLU`.
 *
 * @example
 * ```ts
 * import { LeakyReLU, tensor } from "@staticquant/staticquant";
 * const act = new LeakyReLU({ negativeSlope: 0.5 });
 * console.log(await act.forward(tensor([-1, 2])).data()); // Float32Array [ -0.5, 2 ]
 * ```
 */
export class LeakyReLU extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "LeakyReLU";

  /** What negative numbers are multiplied with. */
  readonly negativeSlope: number;

  /**
   * Takes the slope.
   *
   * @throws {TypeError} if an option does not exist, or the slope is no number.
   */
  constructor(options: LeakyReLUOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["negativeSlope"]);
    this.negativeSlope = checkNumber(where, "negativeSlope", options.negativeSlope ?? 0.01);
  }

  /** Element by element. */
  override forward(x: Tensor): Tensor {
    return leakyRelu(x, this.negativeSlope);
  }

  /** PyTorch's words for the slope. */
  override extraRepr(): string {
    return `negative_slope=${pythonFloat(this.negativeSlope)}`;
  }
}
