/**
 * Modules one after another.
 *
 * @module
 */
import { given } from "../numbers/arguments.ts";
import { Tensor } from "../tensor/tensor.ts";
import { addChild, Module } from "./module.ts";

/** Modules by name, in order. */
export type NamedModules = Readonly<Record<string, Module>> | ReadonlyMap<string, Module>;

/**
 * Feeds each module's output to the next, as `torch.nn.Sequential`. Children are named `0`, `1`, …
 * or, given as an object or a Map, by its keys. What lies between two modules is freed at once.
 *
 * @example
 * ```ts
 * import { Linear, randn, ReLU, Sequential } from "@staticquant/staticquant";
 * const mlp = new Sequential({ fc1: new Linear(784, 256), relu: new ReLU(), fc2: new Linear(256, 10) });
 * using y = mlp.forward(randn([32, 784]));
 * console.log(y.shape); // [ 32, 10 ]
 * console.log(new Sequential(new Linear(4, 8), new ReLU()).forward(randn([2, 4])).shape); // [ 2, 8 ]
 * ```
 */
export class Sequential extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Sequential";

  /**
   * A chain of modules.
   *
   * @param modules one after the other, as a list, or by name in order.
   * @throws {TypeError} if something is no Module, or a name is one that a child cannot have.
   */
  constructor(...modules: readonly Module[] | [readonly Module[] | NamedModules]) {
    super();
    for (const [name, module] of named(modules)) addChild(this, name, module);
  }

  /**
   * The output of the last module.
   *
   * @throws {TypeError} if a module gives no Tensor.
   */
  override forward(x: Tensor): Tensor {
    let y = x;
    for (const [name, module] of this.namedChildren()) {
      const next = module.forward(y);
      if (!(next instanceof Tensor)) {
        throw new TypeError(
          `${this.displayName}: module ${name} (${module.constructor.name}) must give a Tensor, got ${
            given(next)
          }` + (next && "then" in next ? "; compile the whole model in its place" : ""),
        );
      }
      if (y !== x && y !== next) y.dispose();
      y = next;
    }
    return y;
  }

  /**
   * The child after another, which alone reads its output; unknown of a derived class that computes something else.
   *
   * @ignore
   */
  readersOf(field: string): readonly string[] | undefined {
    if (this.forward !== Sequential.prototype.forward) return undefined;
    const fields = this.namedChildren().map(([name]) => name);
    const at = fields.indexOf(field);
    return at < 0 ? undefined : [fields[at + 1] ?? ""];
  }
}

/** The names and modules of a Sequential's arguments. */
function named(modules: readonly unknown[]): [string, unknown][] {
  const [first] = modules;
  if (modules.length === 1 && !(first instanceof Module)) {
    if (Array.isArray(first)) return byIndex(first);
    if (first instanceof Map) return [...first];
    const plain = typeof first === "object" && first !== null &&
      [Object.prototype, null].includes(Object.getPrototypeOf(first));
    if (plain) return Object.entries(first);
  }
  return byIndex(modules);
}

function byIndex(modules: readonly unknown[]): [string, unknown][] {
  return Array.from(modules, (module, i) => [String(i), module]);
}
