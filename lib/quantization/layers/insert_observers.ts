/**
 * Putting the layers of a model under observation, and taking the observers out again.
 *
 * @module
 */
import { deepcopy, type Module } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import {
  findMatches,
  type Match,
  type ModuleFilter,
  replaceWithCustomFnIfMatchesFilter_,
  swap,
} from "../../nn/replace.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import { familyOf, isObservable, isObserved } from "./layer_family.ts";
import { functionKindOf } from "./function_kind.ts";
import { ObservedFunction } from "./observed_function.ts";
import { type OutputReaders, outputReaders } from "./readers.ts";
import type { Observed, ObservedOutput, WeightedLayer } from "./weighted_layer.ts";
import "./layer_kinds.ts";

/** Options of {@linkcode insertObservers_}. */
export interface InsertObserversOptions {
  /**
   * Copied for each layer's output, as PyTorch's `activation_post_process`: once it is quantized, the layer gives
   * bytes, and those after it take them as they are. Layers without a weight (`Sigmoid` and other functions of one
   * number, average pools, `Add`, `Mul`, `Cat`) are observed as well. By default only inputs and weights are
   * observed, and layers give floats.
   */
  activationPostProcess?: AffineQuantizedObserverBase;
}

/**
 * Puts the layers of a model under observation, in place: each becomes its observed counterpart, such as
 * `ObservedLinear` for `Linear`, with copies of the observers.
 *
 * With `activationPostProcess`, outputs are observed too, but for those that only layers in floats read, or whoever
 * runs the model, as far as a `Sequential` or an imported graph tells. Where it tells that a `ReLU` alone reads an
 * output, what that leaves is observed, so that no byte is spent on what it cuts off.
 *
 * @param model the float model.
 * @param actObs copied for each layer's input.
 * @param weightObs copied for each layer's weight.
 * @param filterFn which modules to observe; every layer that can be by default.
 * @param options what observes outputs.
 * @returns the full names of the observed layers; a warning is printed if there are none.
 * @throws {TypeError} if the filter passes a module that cannot be observed.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, type Granularity, insertObservers_, Linear, MappingType, PerAxis, PerTensor, Sequential, uint8,
 * } from "@staticquant/staticquant";
 * const m = new Sequential([new Linear(8, 4), new Linear(4, 2)]);
 * const observer = (granularity: Granularity) =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
 * console.log(insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0)))); // [ "0", "1" ]
 * ```
 */
export function insertObservers_(
  model: Module,
  actObs: AffineQuantizedObserverBase,
  weightObs: AffineQuantizedObserverBase,
  filterFn?: ModuleFilter,
  options: InsertObserversOptions = {},
): string[] {
  const where = "insertObservers_";
  checkOptions(where, options, ["activationPostProcess"]);
  const { activationPostProcess: post } = options;
  const found = findMatches(model, filterFn ?? observable(post !== undefined), where);
  const matches = filterFn || !post ? found : withReaders(model, found);
  const made = new Map<Module, Module>(); // so that a layer in two places stays one
  for (const { module } of matches) {
    if (!made.has(module)) made.set(module, observed(module, actObs, weightObs, post));
  }
  if (post) observeOutputs(model, matches, made, post);
  swap(model, matches, matches.map(({ module }) => made.get(module)!));
  if (matches.length === 0) {
    console.warn(
      "insertObservers_: no module passed the filter, so nothing is observed; check filterFn against " +
        "model.namedModules()",
    );
  }
  return matches.map(({ fullName }) => fullName);
}

/** The filter of layers that can be observed, those without a weight among them if outputs are. */
export function observable(outputs: boolean): ModuleFilter {
  return (module) => isObservable(module) || outputs && functionKindOf(module) !== undefined;
}

/** The layers without those that have no weight and are read in floats alone, which bytes would only cost bits. */
function withReaders(model: Module, matches: readonly Match[]): readonly Match[] {
  const readers = outputReaders(model, new Set(matches.map(({ module }) => module)));
  const kept = matches.filter(({ module, fullName }) =>
    isObservable(module) || readers(fullName).takeBytes
  );
  return kept.length === matches.length ? matches : withReaders(model, kept);
}

/** A layer under observation. */
function observed(
  module: Module,
  actObs: AffineQuantizedObserverBase,
  weightObs: AffineQuantizedObserverBase,
  post: AffineQuantizedObserverBase | undefined,
): Module {
  const family = familyOf(module);
  if (family) {
    return family.observe(module as WeightedLayer, deepcopy(actObs), deepcopy(weightObs));
  }
  const known = functionKindOf(module);
  if (known && post) {
    return new ObservedFunction(module, known.input ? deepcopy(actObs) : null, deepcopy(post));
  }
  throw new TypeError(
    `insertObservers_: ${module.displayName} is no layer that can be observed, such as a Linear; ` +
      (known
        ? "it has no weight, so give { activationPostProcess }, an observer of its output, too"
        : "narrow filterFn"),
  );
}

/** Has layers with a weight show their outputs where somebody may take bytes, and says where a ReLU follows. */
function observeOutputs(
  model: Module,
  matches: readonly Match[],
  made: ReadonlyMap<Module, Module>,
  post: AffineQuantizedObserverBase,
): void {
  const readers = outputReaders(model, new Set(made.keys()));
  const places = new Map<Module, OutputReaders[]>();
  for (const { module, fullName } of matches) {
    places.set(module, [...places.get(module) ?? [], readers(fullName)]);
  }
  for (const [module, known] of places) {
    const layer = made.get(module) as Module & ObservedOutput;
    const takeBytes = known.some(({ takeBytes }) => takeBytes);
    if (!(layer instanceof ObservedFunction) && takeBytes && "activationPostProcess" in layer) {
      layer.activationPostProcess = deepcopy(post);
    }
    layer.reluAfter = known.every(({ relu }) => relu);
  }
}

/**
 * Takes the observers out of a model, in place: each observed layer becomes a float one again, with the
 * weight and bias that it has.
 *
 * @param model the observed model, which may also be partly quantized.
 * @param filterFn which observed layers; all by default.
 * @returns the full names of the layers that are float again.
 * @throws {Error} if the model itself is an observed layer.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, insertObservers_, Linear, MappingType, PerTensor, removeObservers_,
 *   Sequential, uint8,
 * } from "@staticquant/staticquant";
 * const m = new Sequential([new Linear(8, 4), new Linear(4, 2)]);
 * const observer = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 * });
 * insertObservers_(m, observer, observer);
 * console.log(removeObservers_(m)); // [ "0", "1" ]
 * ```
 */
export function removeObservers_(
  model: Module,
  filterFn: ModuleFilter = isObserved,
): string[] {
  if (isObserved(model)) {
    throw new Error(
      "removeObservers_: the model itself is an observed layer, which cannot be swapped in place; its " +
        "toFloat() gives the float one",
    );
  }
  return replaceWithCustomFnIfMatchesFilter_(
    model,
    (module) => (module as Module & Observed).toFloat(),
    (module, name) => isObserved(module) && filterFn(module, name),
  );
}
