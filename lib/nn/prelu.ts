/**
 * The rectifier with a slope that was learnt.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { formatShape } from "../numbers/shape.ts";
import { prelu } from "../tensor/activations.ts";
import { checkTensor, type Tensor } from "../tensor/tensor.ts";
import { all } from "./initial.ts";
import {
  checkFloatDType,
  checkNumber,
  checkSize,
  LAYER_OPTIONS,
  type LayerOptions,
} from "./layer_arguments.ts";
import { Module } from "./module.ts";

/** Options of {@linkcode PReLU}. */
export interface PReLUOptions extends LayerOptions {
  /** One slope for all, or as many as the second dimension has channels; 1 by default. */
  numParameters?: number;
  /** What the slopes start from; 0.25 by default. */
  init?: number;
}

/**
 * `max(x, 0) + weight · min(x, 0)`, as `torch.nn.PReLU`: one weight for all, or one a channel, which is
 * the second dimension.
 *
 * @example
 * ```ts
 * import { PReLU, tensor } from "@staticquant/staticquant";
 * console.log(await new PReLU().forward(tensor([-1, 2])).data()); // Float32Array [ -0.25, 2 ]
 * ```
 */
export class PReLU extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "PReLU";

  /** How many slopes there are. */
  readonly numParameters: number;
  /** (numParameters,). */
  weight: Tensor;

  /**
   * A layer whose slopes are all `init`.
   *
   * @throws {RangeError} if numParameters is no positive integer.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(options: PReLUOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["numParameters", "init", ...LAYER_OPTIONS]);
    checkFloatDType(where, options);
    this.numParameters = checkSize(where, "numParameters", options.numParameters ?? 1);
    const init = checkNumber(where, "init", options.init ?? 0.25);
    this.weight = all(init, [this.numParameters], options);
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float; (N, numParameters, …) if there is more than one slope.
   * @throws {RangeError} if there are not as many channels as slopes.
   */
  override forward(x: Tensor): Tensor {
    checkTensor(this.displayName, x);
    const { numParameters } = this;
    if (numParameters !== 1 && numParameters !== x.shape[1]) {
      throw new RangeError(
        `${this.displayName}: there are ${numParameters} slopes, so the input must have shape ` +
          `(N, ${numParameters}, …), got ${formatShape(x.shape)}`,
      );
    }
    return prelu(x, this.weight);
  }

  /** PyTorch's words for the number of slopes. */
  override extraRepr(): string {
    return `num_parameters=${this.numParameters}`;
  }
}
