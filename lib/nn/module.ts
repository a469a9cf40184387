/**
 * Modules: the building blocks of models, as `torch.nn.Module`.
 *
 * @module
 */
import { printable } from "../numbers/printable.ts";
import type { Device } from "../backend/backend.ts";
import type { DType } from "../numbers/dtype.ts";
import { formatShape, sameShape } from "../numbers/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
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
  /** A copy in memory of its own. */
  clone(): LinearWeight;
  /** The same on another device; itself if it is there. */
  to(device: Device): Promise<LinearWeight>;
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
 * such as `encoder.linear1`. A subclass implements {@linkcode Module.forward}.
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
  /** The full name in the model, once a function that walks the model has set it; for messages. */
  fullName = "";

  /** Computes the module's output. */
  abstract forward(...inputs: Tensor[]): Tensor;

  /** The direct children, by field name, in the order in which they were set. */
  namedChildren(): [string, Module][] {
    return Object.entries(this).filter((entry): entry is [string, Module] =>
      entry[1] instanceof Module
    );
  }

  /** This module (under the name `""`) and all below it, by full name, parents first. */
  namedModules(prefix = ""): [string, Module][] {
    return [
      [prefix, this],
      ...this.namedChildren().flatMap(([name, child]) => child.namedModules(join(prefix, name))),
    ];
  }

  /** Whether the state dict of a model that this is in holds its tensors; an observer's it does not. */
  protected get inStateDict(): boolean {
    return true;
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
   * taken or, if one does not fit, none.
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
    const problems: string[] = [];
    const own = this.stateDict();
    for (const name of Object.keys(own)) {
      if (!Object.hasOwn(state, name)) problems.push(`missing: ${name}`);
      else if (!sameShape(own[name].shape, state[name].shape)) {
        problems.push(
          `shape of ${name}: the model has ${formatShape(own[name].shape)}, the state dict ${
            formatShape(state[name].shape)
          }`,
        );
      } else if (own[name].device !== state[name].device) {
        problems.push(
          `device of ${name}: the model is on ${own[name].device}, the state dict on ${
            state[name].device
          }`,
        );
      }
    }
    for (const name of Object.keys(state)) {
      if (!Object.hasOwn(own, name)) problems.push(`unknown: ${name}`);
    }
    const modules = this.namedModules();
    const setters = Object.keys(own).map((name) => {
      const at = name.lastIndexOf(".");
      const owner = modules.find(([fullName]) => fullName === name.slice(0, Math.max(at, 0)))?.[1];
      if (!owner) problems.push(`part of a quantized weight, which cannot be loaded: ${name}`);
      return { owner, field: name.slice(at + 1), name };
    });
    if (problems.length) {
      throw new StateError(
        `loadStateDict: the state dict does not fit ${this.constructor.name}; nothing was loaded:\n  ${
          problems.join("\n  ")
        }`,
      );
    }
    const values = setters.map(({ name }) => {
      const value = state[name].to(own[name].dtype);
      return (value === state[name] ? value.clone() : value).keep();
    });
    setters.forEach(({ owner, field }, i) => setField(owner!, field, values[i]));
  }

  /** Casts every float tensor of this module and those below it, in place. Enqueued. */
  to(dtype: DType): this;
  /** Moves every tensor of this module and those below it to a device, in place. */
  to(device: Device): Promise<this>;
  to(target: DType | Device): this | Promise<this> {
    if (typeof target === "string") return this.toDevice(target);
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

  /** Moves what is on another device. */
  private async toDevice(device: Device): Promise<this> {
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
        value instanceof Tensor ? (await value.to(device)).keep() : await value.to(device),
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
 * @example
 * ```ts
 * import { deepcopy, Linear } from "@staticquant/staticquant";
 * const a = new Linear(8, 4);
 * const b = deepcopy(a);
 * console.log(a.weight === b.weight); // false
 * ```
 */
export function deepcopy<M extends Module>(module: M): M {
  return copyOf(module, new Map()) as M;
}

/** `copies` maps what was copied to its copy, so that shared weights stay shared. */
function copyOf(value: unknown, copies: Map<unknown, unknown>): unknown {
  if (copies.has(value)) return copies.get(value);
  let copy = value;
  if (value instanceof Module) {
    copy = Object.create(Object.getPrototypeOf(value));
    for (const [name, field] of Object.entries(value)) {
      setField(copy as Module, name, copyOf(field, copies));
    }
  } else if (value instanceof Tensor) {
    copy = value.clone().keep();
  } else if (isLinearWeight(value)) {
    copy = value.clone();
  }
  copies.set(value, copy);
  return copy;
}
