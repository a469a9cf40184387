/**
 * Modules by name.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";
import { addChild, Module, setField } from "./module.ts";
import type { NamedModules } from "./sequential.ts";

/**
 * Modules by name, as `torch.nn.ModuleDict`: children of a model whose `forward` calls them itself.
 *
 * @example
 * ```ts
 * import { Linear, ModuleDict, randn, ReLU } from "@staticquant/staticquant";
 * const heads = new ModuleDict({ small: new Linear(8, 2), act: new ReLU() });
 * console.log(heads.get("small").forward(randn([1, 8])).shape, Object.keys(heads.stateDict()));
 * // [ 1, 2 ] [ "small.weight", "small.bias" ]
 * ```
 */
export class ModuleDict extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ModuleDict";

  /**
   * Modules by name.
   *
   * @param modules an object or a Map, in order.
   * @throws {TypeError} if a value is no Module, or a name is one that a child cannot have.
   */
  constructor(modules: NamedModules = {}) {
    super();
    this.update(modules);
  }

  /** How many there are. */
  get length(): number {
    return this.namedChildren().length;
  }

  /** Whether there is a module of that name. */
  has(name: string): boolean {
    return this.namedChildren().some(([own]) => own === name);
  }

  /**
   * The module of that name.
   *
   * @throws {RangeError} if there is none.
   */
  get(name: string): Module {
    const found = this.namedChildren().find(([own]) => own === name);
    if (found) return found[1];
    throw new RangeError(
      `ModuleDict: there is no module ${JSON.stringify(name)}, only ${
        [...this.keys()].join(", ") || "none at all"
      }`,
    );
  }

  /** Puts a module under a name, in place of the one that is there. */
  set(name: string, module: Module): this {
    if (this.has(name) && module instanceof Module) setField(this, name, module);
    else addChild(this, name, module);
    return this;
  }

  /** Puts in modules by name. */
  update(modules: NamedModules): void {
    const entries: [string, Module][] = modules instanceof Map
      ? [...modules]
      : Object.entries(modules);
    for (const [name, module] of entries) this.set(name, module);
  }

  /**
   * Takes out the module of that name and gives it.
   *
   * @throws {RangeError} if there is none.
   */
  pop(name: string): Module {
    const module = this.get(name);
    delete (this as unknown as Record<string, unknown>)[name];
    return module;
  }

  /** Takes out all. */
  clear(): void {
    for (const [name] of this.namedChildren()) this.pop(name);
  }

  /** The names, in order. */
  keys(): IterableIterator<string> {
    return this.namedChildren().map(([name]) => name).values();
  }

  /** The modules, in order. */
  values(): IterableIterator<Module> {
    return this.namedChildren().map(([, module]) => module).values();
  }

  /** Names and modules, in order. */
  items(): IterableIterator<[string, Module]> {
    return this.namedChildren().values();
  }

  /** A dictionary computes nothing. @throws {Error} always. */
  override forward(): Tensor {
    throw new Error(`${this.displayName}: a ModuleDict has no forward; call the modules in it`);
  }
}
