/**
 * Modules one after another.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";
import { Module, setField } from "./module.ts";

/**
 * Feeds each module's output to the next, as `torch.nn.Sequential`. Children are named `0`, `1`, …
 * or, given as an object, by its keys. What lies between two modules is freed at once.
 *
 * @example
 * ```ts
 * import { Linear, randn, ReLU, Sequential } from "@staticquant/staticquant";
 * const mlp = new Sequential({ fc1: new Linear(784, 256), relu: new ReLU(), fc2: new Linear(256, 10) });
 * using y = mlp.forward(randn([32, 784]));
 * console.log(y.shape); // [ 32, 10 ]
 * ```
 */
export class Sequential extends Module {
  /**
   * A chain of modules.
   *
   * @param modules a list, or named modules in order.
   */
  constructor(modules: readonly Module[] | Readonly<Record<string, Module>>) {
    super();
    for (const [name, module] of Object.entries(modules)) setField(this, name, module);
  }

  /** The output of the last module. */
  override forward(x: Tensor): Tensor {
    let y = x;
    for (const [, module] of this.namedChildren()) {
      const next = module.forward(y);
      if (y !== x && y !== next) y.dispose();
      y = next;
    }
    return y;
  }
}
