/**
 * The sum of a tensor and a number, as a layer.
 *
 * @module
 */
import { add } from "../tensor/pointwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkNumber } from "./layer_arguments.ts";
import { Module } from "./module.ts";

/**
 * `x + value`, a layer of its own so that it can be observed and quantized: what PyTorch's eager mode has as
 * `FloatFunctional().add_scalar`.
 *
 * @example
 * ```ts
 * import { AddScalar, tensor } from "@staticquant/staticquant";
 * console.log(await new AddScalar(2).forward(tensor([1, 2])).data()); // Float32Array [ 3, 4 ]
 * ```
 */
export class AddScalar extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AddScalar";

  /**
   * With a number.
   *
   * @throws {TypeError} if it is none.
   */
  constructor(readonly value: number) {
    super();
    checkNumber("AddScalar", "value", value);
  }

  /** Element by element. Enqueued. */
  override forward(x: Tensor): Tensor {
    return add(x, this.value);
  }

  /** The number. */
  override extraRepr(): string {
    return `${this.value}`;
  }
}
