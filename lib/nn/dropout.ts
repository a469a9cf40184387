/**
 * A layer that only training needs.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkNumber } from "./layer_arguments.ts";
import { Module } from "./module.ts";
import { pythonFloat } from "./python_text.ts";

/** Options of {@linkcode Dropout}. */
export interface DropoutOptions {
  /** The share of numbers that training drops; 0.5 by default. */
  p?: number;
}

/** Throws unless `p` is a share. */
export function checkShare(where: string, name: string, p: unknown): number {
  const share = checkNumber(where, name, p);
  if (share >= 0 && share <= 1) return share;
  throw new RangeError(`${where}: ${name} must lie in [0, 1], got ${share}`);
}

/**
 * Gives its input, as `torch.nn.Dropout` does once a model is trained.
 *
 * @example
 * ```ts
 * import { Dropout, tensor } from "@staticquant/staticquant";
 * const x = tensor([1, 2]);
 * const layer = new Dropout({ p: 0.1 });
 * console.log(String(layer), layer.forward(x) === x); // Dropout(p=0.1, inplace=False) true
 * ```
 */
export class Dropout extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Dropout";

  /** The share of numbers that training drops. */
  readonly p: number;

  /**
   * Takes the share.
   *
   * @throws {RangeError} if it does not lie in [0, 1].
   */
  constructor(options: DropoutOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["p"]);
    this.p = checkShare(where, "p", options.p ?? 0.5);
  }

  /** The input itself. */
  override forward(x: Tensor): Tensor {
    return x;
  }

  /** PyTorch's words for the share. */
  override extraRepr(): string {
    return `p=${pythonFloat(this.p)}, inplace=False`;
  }
}
