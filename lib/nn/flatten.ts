/**
 * Dimensions made one.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { formatShape, numelOf } from "../numbers/shape.ts";
import { dimOf } from "../tensor/dims.ts";
import { checkTensor, type Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./layer_arguments.ts";
import { Module } from "./module.ts";

/** Options of {@linkcode Flatten}. */
export interface FlattenOptions {
  /** The first dimension that is merged; 1 by default. */
  startDim?: number;
  /** The last one; −1, the last of all, by default. */
  endDim?: number;
}

/**
 * The same numbers with some dimensions merged into one, as `torch.nn.Flatten`: all but the first by
 * default. A view; nothing is copied.
 *
 * @example
 * ```ts
 * import { Flatten, randn } from "@staticquant/staticquant";
 * console.log(new Flatten().forward(randn([2, 3, 4, 5])).shape); // [ 2, 60 ]
 * ```
 */
export class Flatten extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Flatten";

  /** The first dimension that is merged. */
  readonly startDim: number;
  /** The last one. */
  readonly endDim: number;

  /**
   * Takes the dimensions.
   *
   * @throws {RangeError} if one is no integer.
   */
  constructor(options: FlattenOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["startDim", "endDim"]);
    this.startDim = checkSize(where, "startDim", options.startDim ?? 1, -Infinity);
    this.endDim = checkSize(where, "endDim", options.endDim ?? -1, -Infinity);
  }

  /** A view of `x`. @throws {RangeError} if `x` has no such dimensions, or the last comes before the first. */
  override forward(x: Tensor): Tensor {
    const where = this.displayName;
    checkTensor(where, x);
    const { shape } = x;
    const start = dimOf(where, this.startDim, shape);
    const end = dimOf(where, this.endDim, shape);
    if (end < start) {
      throw new RangeError(
        `${where}: endDim = ${this.endDim} comes before startDim = ${this.startDim} in an input of shape ${
          formatShape(shape)
        }`,
      );
    }
    const merged = numelOf(shape.slice(start, end + 1));
    return x.reshape([...shape.slice(0, start), merged, ...shape.slice(end + 1)]);
  }

  /** PyTorch's words for the dimensions. */
  override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}
