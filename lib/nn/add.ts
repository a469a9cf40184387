/**
 * The sum of two tensors, as a layer.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { relu } from "../tensor/ops.ts";
import { add } from "../tensor/pointwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkBoolean } from "./layer_arguments.ts";
import { Module } from "./module.ts";

/** Options of {@linkcode Add}. */
export interface AddOptions {
  /** Whether negative sums become 0; false by default. */
  relu?: boolean;
}

/**
 * `a + b`, a layer of its own so that it can be observed and quantized: what PyTorch's eager mode has as
 * `FloatFunctional().add`, and with `relu` as `add_relu`.
 *
 * @example
 * ```ts
 * import { Add, Conv2d, Module, randn, type Tensor } from "@staticquant/staticquant";
 * class Block extends Module {
 *   conv = new Conv2d(8, 8, 3, { padding: 1 });
 *   skip = new Add({ relu: true });
 *   override forward(x: Tensor): Tensor {
 *     return this.skip.forward(this.conv.forward(x), x);
 *   }
 * }
 * console.log(new Block().forward(randn([1, 8, 4, 4])).shape); // [ 1, 8, 4, 4 ]
 * ```
 */
export class Add extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Add";

  /** Whether negative sums become 0. */
  readonly relu: boolean;

  /**
   * A sum.
   *
   * @throws {TypeError} if an option does not exist.
   */
  constructor(options: AddOptions = {}) {
    super();
    checkOptions(this.displayName, options, ["relu"]);
    this.relu = checkBoolean(this.displayName, "relu", options.relu ?? false);
  }

  /**
   * Element by element; the tensors broadcast. Enqueued.
   *
   * @throws {RangeError} if the shapes do not broadcast.
   */
  override forward(a: Tensor, b: Tensor): Tensor {
    const sum = add(a, b);
    if (!this.relu) return sum;
    using all = sum;
    return relu(all);
  }

  /** Whether it cuts off what is negative. */
  override extraRepr(): string {
    return this.relu ? "relu=True" : "";
  }
}
