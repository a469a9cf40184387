/**
 * Modules: the building blocks of models, as `torch.nn.Module`.
 *
 * @module
 */
import { printable } from "../numbers/printable.ts";
import type { Device } from "../backend/backend.ts";
import type { DType } from "../numbers/dtype.ts";
import { backendFor, checkDevice } from "../backend/registry.ts";
import { checkDType, given } from "../numbers/arguments.ts";
import { formatShape, sameShape } from "../numbers/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { prototypeOf } from "./override.ts";
import { StateError } from "./state_error.ts";

/**
 * A weight that brings its own arithmetic: what a `Linear` may hold instead of a plain tensor.
 * Quantized tensors implement it.
 */
export interface LinearWeight {
  /** (outFeatures, inFeatures). */
  readonly shape: readonly number[];
  /** The float dtype that this weight stands for. */
  readonly dtype: DType;
  /** The device that holds it. */
  readonly device: Device;
  /** Bytes that it takes. */
  readonly nbytes: number;
  /** `x·Wᵀ + b`. */
  linear(x: Tensor, bias: Tensor | null): Tensor;
  /** The tensors that it consists of, by name. */
  tensors(): Record<string, Tensor>;
  /**
   * A copy in memory of its own. `copies` maps what was copied before to its copy, so that what two
   * weights share stays shared.
   */
  clone(copies?: Map<unknown, unknown>): LinearWeight;
  /** The same on another device; itself if it is there. `moved` is as `copies` of `clone`. */
  to(device: Device, moved?: Map<unknown, unknown>): Promise<LinearWeight>;
  /**
   * The same with other tensors, of the same shapes and dtypes, in place of those that `values` has; for
   * `loadStateDict`, which refuses a weight without it.
   */
  withTensors?(values: ReadonlyMap<Tensor, Tensor>): LinearWeight;
}

/** Whether a field's value is a {@linkcode LinearWeight}. */
export function isLinearWeight(value: unknown): value is LinearWeight {
  return typeof value === "object" && value !== null && !(value instanceof Tensor) &&
    typeof (value as LinearWeight).linear === "function" &&
    typeof (value as LinearWeight).tensors === "function";
}

/**
 * The base class of layers and models. Fields that hold modules are its children, fields that hold
 * tensors its parameters; both have the field's name, and a module inside a model has a full name
 * such as `encoder.linear1`. Modules in a field's array are children too, by index: `layers.0`; for modules
 * by name there is `ModuleDict`. A subclass implements {@linkcode Module.forward}.
 *
 * @example
 * ```ts
 * import { Linear, Module, randn, type Tensor } from "@staticquant/staticquant";
 * class Toy extends Module {
 *   linear1 = new Linear(64, 32, { bias: false });
 *   linear2 = new Linear(32, 64, { bias: false });
 *   override forward(x: Tensor): Tensor {
 *     return this.linear2.forward(this.linear1.forward(x));
 *   }
 * }
 * const m = new Toy();
 * console.log(String(m), m.forward(randn([1, 64])).shape);
 * ```
 */
export abstract class Module {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "Module";

  /** The full name in the model, once a function that walks the model has set it; for messages. */
  fullName = "";

  /** Computes the module's output, its first if there are several. */
  abstract forward(...inputs: Tensor[]): Tensor;

  /** All outputs, in order; `compile` records them together. One, from `forward`, unless overridden. */
  forwardAll(...inputs: Tensor[]): Tensor[] {
    return [this.forward(...inputs)];
  }

  /**
   * The direct children, by field name, in the order in which they were set. An array that holds modules
   * counts as one child, whose own are the modules in it, by index.
   *
   * @throws {TypeError} if a child has a name that a module cannot have.
   */
  namedChildren(): [string, Module][] {
    const children: [string, Module][] = [];
    for (const [name, value] of Object.entries(this)) {
      const child = childOf(value);
      if (!child) continue;
      checkChildName(this, name);
      children.push([name, child]);
    }
    return children;
  }

  /**
   * This module (under the name `""`) and all below it, by full name, parents first.
   *
   * @throws {Error} if a module lies inside itself.
   */
  namedModules(prefix = ""): [string, Module][] {
    const found: [string, Module][] = [];
    const above = new Set<Module>();
    const visit = (module: Module, name: string) => {
      if (above.has(module)) {
        throw new Error(`${module.constructor.name} lies inside itself, as ${name}; take it out`);
      }
      above.add(module);
      found.push([name, module]);
      for (const [field, child] of module.namedChildren()) visit(child, join(name, field));
      above.delete(module);
    };
    visit(this, prefix);
    return found;
  }

  /** Whether the state dict of a model that this is in holds its tensors; an observer's it does not. */
  protected get inStateDict(): boolean {
    return true;
  }

  /** The fields of this module that a state dict may lack: they stay as they are then. */
  protected get optionalState(): readonly string[] {
    return [];
  }

  /** Every tensor of this module and those below it, by full name. */
  stateDict(): Record<string, Tensor> {
    const state: Record<string, Tensor> = Object.create(null);
    for (const [prefix, module] of this.namedModules()) {
      if (module !== this && !module.inStateDict) continue;
      for (const [name, value] of Object.entries(module)) {
        if (value instanceof Tensor) state[join(prefix, name)] = value;
        else if (isLinearWeight(value)) {
          for (const [part, t] of Object.entries(value.tensors())) {
            state[join(prefix, `${name}.${part}`)] = t;
          }
        }
      }
    }
    return state;
  }

  /**
   * Takes over the tensors of `state`, cast to the dtypes that this model has. Either all are
   * taken or, if one does not fit, none. Fields that share a tensor go on sharing one: `state` may have
   * all of their names or only some, and the last counts, as in PyTorch. A quantized model takes the state of
   * one that was quantized in the same way: see `QuantizationStep.PREPARE_FOR_LOADING`.
   *
   * @throws {StateError} if a name is missing or unknown, or a shape differs; it lists all of them.
   *
   * @example
   * ```ts
   * import { Linear } from "@staticquant/staticquant";
   * const a = new Linear(8, 4);
   * const b = new Linear(8, 4);
   * b.loadStateDict(a.stateDict());
   * ```
   */
  loadStateDict(state: Readonly<Record<string, Tensor>>): void {
    const own = this.stateDict();
    const modules = new Map(this.namedModules());
    const places = Object.entries(own).map(([name, tensor]) => {
      const at = name.lastIndexOf(".");
      return {
        name,
        owner: modules.get(name.slice(0, Math.max(at, 0))),
        field: name.slice(at + 1),
        tensor,
      };
    });
    const optional = new Set(
      places.filter(({ owner, field }) => owner?.optionalState.includes(field))
        .map(({ name }) => name),
    );
    const { taken, problems } = matchState(own, state, optional);
    const weights = this.linearWeights();
    for (const { name, weight } of weights) {
      if (!weight.withTensors) problems.push(`a weight of a class that cannot be loaded: ${name}`);
    }
    if (problems.length) {
      throw new StateError(
        `loadStateDict: the state dict does not fit ${this.constructor.name}; nothing was loaded:\n  ${
          problems.join("\n  ")
        }`,
      );
    }
    const values = new Map<Tensor, Tensor>(); // so that shared weights stay shared
    for (const [tensor, saved] of taken) {
      const value = saved.to(tensor.dtype);
      values.set(tensor, (value === saved ? value.clone() : value).keep());
    }
    const loaded = new Map(
      weights.map(({ weight }) => [weight, weight.withTensors!(values)] as const),
    );
    for (const { owner, field, tensor } of places) {
      if (owner && values.has(tensor)) setField(owner, field, values.get(tensor)!);
    }
    for (const { owner, field, weight } of weights) setField(owner, field, loaded.get(weight)!);
    for (const owner of new Set(weights.map(({ owner }) => owner))) owner.tensorsChanged();
  }

  /** The weights in a state dict that bring their own arithmetic, and where they lie. */
  private linearWeights(): HeldWeight[] {
    return [...this.namedModules()].filter(([, module]) => module === this || module.inStateDict)
      .flatMap(([prefix, owner]) =>
        Object.entries(owner).flatMap(([field, weight]) =>
          isLinearWeight(weight) ? [{ name: join(prefix, field), owner, field, weight }] : []
        )
      );
  }

  /** Casts every float tensor of this module and those below it, in place. Enqueued. */
  to(dtype: DType): this;
  /** Moves every tensor of this module and those below it to a device, in place. */
  to(device: Device): Promise<this>;
  to(target: DType | Device): this | Promise<this> {
    if (typeof target === "string") return this.toDevice(checkDevice("to", target));
    checkDType("to", "the target", target);
    const cast = new Map<Tensor, Tensor>(); // so that shared weights stay shared
    for (const [, module] of this.namedModules()) {
      for (const name of module.castFields()) {
        const t = (module as unknown as Record<string, unknown>)[name];
        if (!(t instanceof Tensor) || !t.dtype.isFloat) continue;
        if (!cast.has(t)) cast.set(t, t.to(target).keep());
        setField(module, name, cast.get(t)!);
      }
      module.tensorsChanged();
    }
    return this;
  }

  /** Moves what is on another device, once it is known that all of it fits there. */
  private async toDevice(device: Device): Promise<this> {
    const target = backendFor(device);
    for (const [name, tensor] of Object.entries(this.stateDict())) {
      if (tensor.device !== device) target.checkFits(tensor.nbytes, `to("${device}"): ${name}`);
    }
    const moved = new Map<unknown, unknown>();
    const fields = this.namedModules().flatMap(([, module]) =>
      Object.entries(module)
        .filter(([, value]) => value instanceof Tensor || isLinearWeight(value))
        .map(([name, value]): [Module, string, Tensor | LinearWeight] => [module, name, value])
    );
    for (const [, , value] of fields) {
      if (moved.has(value)) continue;
      moved.set(
        value,
        value instanceof Tensor ? (await value.to(device)).keep() : await value.to(device, moved),
      );
    }
    for (const [module, name, value] of fields) setField(module, name, moved.get(value));
    for (const [, module] of this.namedModules()) module.tensorsChanged();
    return this;
  }

  /** The fields that {@linkcode Module.to} casts to another dtype: all that hold float tensors. */
  protected castFields(): string[] {
    return Object.keys(this);
  }

  /** Called after tensors were cast or moved, to derive anew what depends on them. */
  protected tensorsChanged(): void {}

  /** How messages call this module: its full name if that is known, and its class. */
  get displayName(): string {
    const type = this.constructor.name;
    return this.fullName ? `${this.fullName} (${type})` : type;
  }

  /** What stands between the parentheses after the class name in {@linkcode Module.toString}. */
  extraRepr(): string {
    return "";
  }

  /** PyTorch's tree of the model. */
  toString(): string {
    const children = this.namedChildren();
    const extra = this.extraRepr();
    const name = this.constructor.name;
    if (children.length === 0) return `${name}(${extra})`;
    const lines = children.map(([child, module]) =>
      `(${printable(child)}): ${String(module).replaceAll("\n", "\n  ")}`
    );
    return `${name}(\n  ${[...(extra ? [extra] : []), ...lines].join("\n  ")}\n)`;
  }
}

/**
 * Which tensor of `state` is for which of the model's own, and what is wrong with it; those that are `optional`
 * may be missing.
 */
function matchState(
  own: Readonly<Record<string, Tensor>>,
  state: Readonly<Record<string, Tensor>>,
  optional: ReadonlySet<string>,
): { taken: Map<Tensor, Tensor>; problems: string[] } {
  if (typeof state !== "object" || state === null || state instanceof Promise) {
    throw new TypeError(`loadStateDict: expected tensors by name, got ${given(state)}`);
  }
  const problems: string[] = [];
  const found = new Map<Tensor, Tensor>();
  for (const [name, tensor] of Object.entries(own)) {
    if (!Object.hasOwn(state, name)) continue;
    const saved = state[name];
    if (!(saved instanceof Tensor)) {
      problems.push(`no tensor: ${name} is ${given(saved)}`);
      continue;
    }
    found.set(tensor, saved);
    if (!sameShape(tensor.shape, saved.shape)) {
      problems.push(
        `shape of ${name}: the model has ${formatShape(tensor.shape)}, the state dict ${
          formatShape(saved.shape)
        }`,
      );
    } else if (tensor.device !== saved.device) {
      problems.push(
        `device of ${name}: the model is on ${tensor.device}, the state dict on ${saved.device}`,
      );
    }
  }
  for (const [name, tensor] of Object.entries(own)) {
    if (found.has(tensor) || Object.hasOwn(state, name) || optional.has(name)) continue;
    problems.push(`missing: ${name}`);
  }
  for (const name of Object.keys(state)) {
    if (!Object.hasOwn(own, name)) problems.push(`unknown: ${name}`);
  }
  return { taken: found, problems };
}

function join(prefix: string, name: string): string {
  return prefix ? `${prefix}.${name}` : name;
}

/** Tells every module of a model its full name, so that messages can say it. */
export function nameModules(model: Module): void {
  for (const [name, module] of model.namedModules()) module.fullName = name;
}

/** Sets a field whose static type is not known. */
export function setField(module: Module, name: string, value: unknown): void {
  (module as unknown as Record<string, unknown>)[name] = value;
}

/**
 * A copy of a module and all below it, with tensors of its own: `copy.deepcopy`. Other fields are
 * shared; a module with private `#fields` cannot be copied this way.
 *
 * @throws {TypeError} if `module` is none.
 *
 * @example
 * ```ts
 * import { deepcopy, Linear } from "@staticquant/staticquant";
 * const a = new Linear(8, 4);
 * const b = deepcopy(a);
 * console.log(a.weight === b.weight); // false
 * ```
 */
export function deepcopy<M extends Module>(module: M): M {
  checkModule("deepcopy", module);
  return copyOf(module, new Map()) as M;
}

/** A weight that brings its own arithmetic, and where it lies. */
interface HeldWeight {
  /** Its full name in a state dict. */
  readonly name: string;
  /** The module that has it. */
  readonly owner: Module;
  /** In which field. */
  readonly field: string;
  /** The weight. */
  readonly weight: LinearWeight;
}

/** Throws a TypeError unless `value` is a module. */
export function checkModule(where: string, value: unknown): asserts value is Module {
  if (value instanceof Module) return;
  throw new TypeError(`${where}: the model is no Module, but ${given(value)}`);
}

/** `copies` maps what was copied to its copy, so that shared weights stay shared. */
function copyOf(value: unknown, copies: Map<unknown, unknown>): unknown {
  if (copies.has(value)) return copies.get(value);
  if (value instanceof Module) {
    const copy = Object.create(prototypeOf(value));
    copies.set(value, copy);
    for (const [name, field] of Object.entries(value)) setField(copy, name, copyOf(field, copies));
    return copy;
  }
  let copy = value;
  if (value instanceof Tensor) copy = value.clone().keep();
  else if (isLinearWeight(value)) copy = value.clone(copies);
  else if (holdsModules(value)) copy = value.map((item) => copyOf(item, copies));
  copies.set(value, copy);
  return copy;
}

/** The child that a field's value is: a module, or the modules in an array. */
function childOf(value: unknown): Module | undefined {
  if (value instanceof Module) return value;
  return holdsModules(value) ? ListedModules.of(value) : undefined;
}

/** Arrays inside arrays are not looked into deeper. */
const MOST_DEPTH = 8;

/** Whether `value` is an array with a module in it, or in an array in it. */
function holdsModules(value: unknown, depth = 0): value is unknown[] {
  if (!Array.isArray(value) || depth > MOST_DEPTH) return false;
  const [first] = value;
  // Data is not searched for modules in each forward.
  if (typeof first === "number" || typeof first === "string" || first instanceof Tensor) {
    return false;
  }
  return value.some((item) => item instanceof Module || holdsModules(item, depth + 1));
}

/** The modules of an array as a module of their own, so that they have names; the array keeps them. */
class ListedModules extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ListedModules";

  static readonly #known = new WeakMap<unknown[], ListedModules>();
  readonly #list: unknown[];

  private constructor(list: unknown[]) {
    super();
    this.#list = list;
  }

  /** The one of an array, with a field for each module that it holds now. */
  static of(list: unknown[]): ListedModules {
    let found = this.#known.get(list);
    if (!found) this.#known.set(list, found = new ListedModules(list));
    found.#update();
    return found;
  }

  #update(): void {
    const list = this.#list;
    const wanted = Object.keys(list).filter((key) => childOf(list[Number(key)]));
    const own = Object.keys(this).filter((key) => key !== "fullName");
    if (own.length === wanted.length && own.every((key, i) => key === wanted[i])) return;
    for (const key of own) delete (this as unknown as Record<string, unknown>)[key];
    for (const key of wanted) {
      Object.defineProperty(this, key, {
        get: () => list[Number(key)],
        set: (value: unknown) => list[Number(key)] = value,
        enumerable: true,
        configurable: true,
      });
    }
  }

  override forward(): Tensor {
    throw new Error(`${this.displayName}: an array has no forward; call the modules in it`);
  }

  override toString(): string {
    return super.toString().replace(/^ListedModules/, "Array");
  }
}

/**
 * Throws a TypeError if a child cannot have the name: one of `Module`'s own, none at all, or one with a
 * dot, which stands between names.
 */
export function checkChildName(parent: Module, name: string): void {
  const taken = name in Module.prototype || name === "forward" || name === "fullName";
  if (!taken && name !== "" && !name.includes(".")) return;
  const why = name === ""
    ? "is empty"
    : name.includes(".")
    ? "holds a dot, which stands between the names of a child and of its own"
    : "is taken by a member that every Module has";
  throw new TypeError(
    `${parent.constructor.name}: the child's name ${JSON.stringify(name)} ${why}; choose another`,
  );
}

/** Throws a TypeError unless `child` is a module and may have the name. */
export function checkChild(parent: Module, name: string, child: unknown): asserts child is Module {
  checkChildName(parent, name);
  if (child instanceof Module) return;
  const isFunction = typeof child === "function" && !given(child).startsWith("the class");
  throw new TypeError(
    `${parent.constructor.name}: child ${JSON.stringify(name)} must be a Module, got ${
      given(child)
    }` +
      (isFunction
        ? "; use a module such as new ReLU(), or a class of yours derived from Module"
        : ""),
  );
}

/** Sets a child that was not there, under a name that nothing else of `parent` has. */
export function addChild(parent: Module, name: string, child: unknown): void {
  checkChild(parent, name, child);
  if (name in parent) {
    throw new TypeError(
      `${parent.constructor.name}: there is a member ${
        JSON.stringify(name)
      } already; choose another ` +
        `name for the child`,
    );
  }
  setField(parent, name, child);
}
