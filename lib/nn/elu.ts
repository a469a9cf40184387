/**
 * The exponential linear unit.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { elu } from "../tensor/activations.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkNumber } from "./layer_arguments.ts";
import { Module } from "./module.ts";
import { pythonFloat } from "./python_text.ts";

/** Options of {@linkcode ELU}. */
export interface ELUOptions {
  /** What large negative numbers end at, negated; 1 by default. */
  alpha?: number;
}

/**
 * `x` where it is positive and `alpha · (exp(x) − 1)` elsewhere, element by element, as `torch.nn.ELU`.
 *
 * @example
 * ```ts
 * import { ELU, tensor } from "@staticquant/staticquant";
 * console.log(await new ELU().forward(tensor([-1, 2])).data()); // about -0.632, 2
 * ```
 */
export class ELU extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ELU";

  /** What large negative numbers end at, negated. */
  readonly alpha: number;

  /**
   * Takes alpha.
   *
   * @throws {TypeError} if an option does not exist, or alpha is no number.
   */
  constructor(options: ELUOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["alpha"]);
    this.alpha = checkNumber(where, "alpha", options.alpha ?? 1);
  }

  /** Element by element. */
  override forward(x: Tensor): Tensor {
    return elu(x, this.alpha);
  }

  /** PyTorch's words for alpha. */
  override extraRepr(): string {
    return `alpha=${pythonFloat(this.alpha)}`;
  }
}
