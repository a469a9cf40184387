/**
 * The Gaussian error linear unit.
 *
 * @module
 */
import { checkChoice, checkOptions } from "../numbers/arguments.ts";
import { gelu, type GeluOptions } from "../tensor/activations.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";
import { python } from "./python_text.ts";

/**
 * `x · Φ(x)`, element by element, as `torch.nn.GELU`; Φ is the distribution function of the standard
 * normal distribution.
 *
 * @example
 * ```ts
 * import { GELU, tensor } from "@staticquant/staticquant";
 * console.log(await new GELU().forward(tensor([-1, 0, 2])).data()); // about -0.159, 0, 1.954
 * console.log(String(new GELU({ approximate: "tanh" }))); // GELU(approximate='tanh')
 * ```
 */
export class GELU extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "GELU";

  /** Which formula. */
  readonly approximate: "none" | "tanh";

  /**
   * Takes the formula.
   *
   * @throws {TypeError} if an option does not exist.
   */
  constructor(options: GeluOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["approximate"]);
    const { approximate = "none" } = options;
    this.approximate = checkChoice(where, "approximate", approximate, ["none", "tanh"]);
  }

  /** Element by element. */
  override forward(x: Tensor): Tensor {
    return gelu(x, { approximate: this.approximate });
  }

  /** PyTorch's words for the formula. */
  override extraRepr(): string {
    return `approximate=${python(this.approximate)}`;
  }
}
