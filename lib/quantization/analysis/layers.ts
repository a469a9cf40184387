/**
 * The layers of a model: finding them by name, looking at what passes through them, freeing them.
 * Everything that changes a module here is for copies of the user's model.
 *
 * @module
 */
import { type Module, setField } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { functionKindOf } from "../layers/function_kind.ts";
import { observable } from "../layers/insert_observers.ts";
import { isFloatLayer, isObserved } from "../layers/layer_family.ts";
import "../layers/layer_kinds.ts";
import { findMatches, type Match, type ModuleFilter } from "../../nn/replace.ts";

/** Which layers are meant: their full names, or a filter. */
export type LayerSelection = readonly string[] | ModuleFilter;

/** Whether a module is a float layer that can be quantized, with a weight or without. */
export function isPlainLayer(module: Module | undefined): boolean {
  return isFloatLayer(module) && !isObserved(module) || functionKindOf(module) !== undefined;
}

/**
 * The float layers that are meant, by default every one with a weight that can be quantized, such as a `Linear`;
 * with `outputs` those without a weight that give bytes, such as a `Sigmoid`, too.
 */
export function selectLayers(
  where: string,
  model: Module,
  layers: LayerSelection | undefined,
  outputs = false,
): Match[] {
  return selected(where, model, layers ?? observable(outputs));
}

function selected(where: string, model: Module, layers: LayerSelection): Match[] {
  if (typeof layers !== "function") checkNames(where, model, layers);
  const meant: ModuleFilter = typeof layers === "function"
    ? layers
    : (_, name) => layers.includes(name);
  const matches = findMatches(model, meant, where);
  for (const { module, fullName } of matches) {
    if (!isPlainLayer(module)) {
      throw new TypeError(
        `${where}: ${fullName} (${module.constructor.name}) is not a plain float layer such as a Linear; give the float ` +
          `model, and leave this layer out of layers`,
      );
    }
  }
  if (matches.length === 0) {
    throw new Error(`${where}: no layer is meant; the model's modules are: ${namesOf(model)}`);
  }
  return matches;
}

function checkNames(where: string, model: Module, names: readonly string[]): void {
  const known = new Set(model.namedModules().map(([name]) => name));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length) {
    throw new Error(
      `${where}: the model has no module called ${unknown.join(", ")}; its modules are: ${
        namesOf(model)
      }`,
    );
  }
}

function namesOf(model: Module): string {
  return model.namedModules().slice(1).map(([name, m]) => `${name} (${m.constructor.name})`)
    .join(", ") || "none";
}

/** Puts a module in the place of another. */
export function place({ parent, field }: Match, module: Module): void {
  setField(parent, field, module);
}

/** Calls `onCall` whenever the module has run. For copies: the module stays so. */
export function tap(module: Module, onCall: (inputs: readonly Tensor[], output: Tensor) => void) {
  const forward = module.forward.bind(module);
  Object.defineProperty(module, "forward", {
    configurable: true,
    value: (...inputs: Tensor[]) => {
      const output = forward(...inputs);
      onCall(inputs, output);
      return output;
    },
  });
}

/** A tensor that shares the memory of `x` and outlives it, whoever frees that. */
export function view(x: Tensor): Tensor {
  return x.reshape(...x.shape).keep();
}

/** What passed through a layer in one call. */
export interface Call extends Disposable {
  readonly input: Tensor;
  readonly output: Tensor;
}

/** Remembers, layer by layer, the calls of one run. */
export class CallRecorder {
  private calls = new Map<string, Call[]>();

  /** Looks at the named modules of a copy of a model. */
  constructor(model: Module, names: readonly string[]) {
    const modules = new Map(model.namedModules());
    for (const name of names) {
      tap(modules.get(name)!, ([x], y) => {
        const [input, output] = [view(x), view(y)];
        const call = {
          input,
          output,
          [Symbol.dispose]() {
            input.dispose();
            output.dispose();
          },
        };
        this.calls.set(name, [...(this.calls.get(name) ?? []), call]);
      });
    }
  }

  /** The calls since this was last asked, by layer in order of their first call. */
  take(): Map<string, Call[]> {
    const { calls } = this;
    this.calls = new Map();
    return calls;
  }
}

/** Frees what was recorded. */
export function release(calls: ReadonlyMap<string, readonly Call[]>): void {
  for (const list of calls.values()) list.forEach((call) => call[Symbol.dispose]());
}

/** The tensors of a model or a layer, each once. */
export function tensorsOf(module: Module): Set<Tensor> {
  return new Set(Object.values(module.stateDict()));
}

/** Bytes that the tensors of a model or a layer take. */
export function bytesOf(module: Module): number {
  return [...tensorsOf(module)].reduce((sum, t) => sum + t.nbytes, 0);
}

/** Frees a copy of a model, or a layer made for it. */
export function freeModule(module: Module, except?: ReadonlySet<Tensor>): void {
  for (const t of tensorsOf(module)) if (!except?.has(t)) t.dispose();
}

/**
 * The full names of the layers that are float in one model and quantized in the other.
 *
 * @throws {Error} if the second model lacks such a layer.
 */
export function quantizedLayers(where: string, float: Module, quantized: Module): string[] {
  const others = new Map(quantized.namedModules());
  const layers = float.namedModules().filter(([, module]) => isPlainLayer(module));
  const missing = layers.filter(([name]) => !others.has(name)).map(([name]) => name);
  if (missing.length) {
    throw new Error(
      `${where}: the quantized model has no module called ${
        missing.join(", ")
      }; give the float model ` +
        `that it was made from`,
    );
  }
  const names = layers.map(([name]) => name).filter((name) => !isPlainLayer(others.get(name)));
  if (layers.length === 0) {
    throw new Error(
      `${where}: ${float.constructor.name} has no float Linear or other layer that can be quantized; give the float model and the quantized ` +
        `one in the order that the documentation says`,
    );
  }
  return names;
}
