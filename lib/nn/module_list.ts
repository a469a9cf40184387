/**
 * Modules in a list.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";
import { checkChild, Module, setField } from "./module.ts";

/**
 * Modules by index, as `torch.nn.ModuleList`: children `0`, `1`, … of a model whose `forward` calls them
 * itself. A plain array in a field does as well; this one can also be a model of its own.
 *
 * @example
 * ```ts
 * import { Linear, Module, ModuleList, randn, type Tensor } from "@staticquant/staticquant";
 * class Mlp extends Module {
 *   layers = new ModuleList([new Linear(8, 8), new Linear(8, 2)]);
 *   override forward(x: Tensor): Tensor {
 *     for (const layer of this.layers) x = layer.forward(x);
 *     return x;
 *   }
 * }
 * const m = new Mlp();
 * console.log(Object.keys(m.stateDict())[0], m.forward(randn([1, 8])).shape); // layers.0.weight [ 1, 2 ]
 * ```
 */
export class ModuleList extends Module implements Iterable<Module> {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ModuleList";

  /** The modules, by index. */
  [index: number]: Module;

  /**
   * A list of modules.
   *
   * @param modules in order.
   * @throws {TypeError} if one is no Module.
   */
  constructor(modules: Iterable<Module> = []) {
    super();
    this.extend(modules);
  }

  /** How many there are. */
  get length(): number {
    return this.namedChildren().length;
  }

  /** The module at an index, counted from the end if negative; undefined where there is none. */
  at(index: number): Module | undefined {
    return [...this].at(index);
  }

  /** Puts a module at the end. */
  append(module: Module): this {
    return this.extend([module]);
  }

  /** Puts modules at the end; all, or none if one is no Module. */
  extend(modules: Iterable<Module>): this {
    this.replace([...this, ...modules]);
    return this;
  }

  /** Puts a module before the one at `index`. */
  insert(index: number, module: Module): void {
    const modules = [...this];
    modules.splice(index, 0, module);
    this.replace(modules);
  }

  /**
   * Takes out a module, the last by default, and gives it.
   *
   * @throws {RangeError} if there is none at the index.
   */
  pop(index = -1): Module {
    const modules = [...this];
    const at = index < 0 ? index + modules.length : index;
    const module = modules[at];
    if (!module) throw new RangeError(`ModuleList: no module ${index} of ${modules.length}`);
    modules.splice(at, 1);
    this.replace(modules);
    return module;
  }

  /** The modules in order. */
  *[Symbol.iterator](): IterableIterator<Module> {
    for (const [, module] of this.namedChildren()) yield module;
  }

  /** A list computes nothing. @throws {Error} always. */
  override forward(): Tensor {
    throw new Error(`${this.displayName}: a ModuleList has no forward; call the modules in it`);
  }

  /** PyTorch's tree, in which neighbours that read the same are counted: `(0-5): 6 x Block(…)`. */
  override toString(): string {
    const groups: { from: string; to: string; count: number; text: string }[] = [];
    for (const [name, module] of this.namedChildren()) {
      const text = String(module).replaceAll("\n", "\n  ");
      const before = groups.at(-1);
      if (before?.text === text) Object.assign(before, { to: name, count: before.count + 1 });
      else groups.push({ from: name, to: name, count: 1, text });
    }
    const lines = groups.map(({ from, to, count, text }) =>
      count === 1 ? `(${from}): ${text}` : `(${from}-${to}): ${count} x ${text}`
    );
    return lines.length ? `ModuleList(\n  ${lines.join("\n  ")}\n)` : "ModuleList()";
  }

  /** Puts these modules in the place of all; or none if one is no Module. */
  private replace(modules: readonly Module[]): void {
    modules.forEach((module, i) => checkChild(this, String(i), module));
    for (const [name] of this.namedChildren()) delete this[Number(name)];
    modules.forEach((module, i) => setField(this, String(i), module));
  }
}
