/**
 * Putting the layers of a model under observation, and taking the observers out again.
 *
 * @module
 */
import { deepcopy, type Module } from "../../nn/module.ts";
import { type ModuleFilter, replaceWithCustomFnIfMatchesFilter_ } from "../../nn/replace.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import { familyOf, isObservable, isObserved } from "./layer_family.ts";
import type { ObservedLayer, WeightedLayer } from "./weighted_layer.ts";
import "./layer_kinds.ts";

/**
 * Puts the layers of a model under observation, in place: each becomes its observed counterpart, such as
 * `ObservedLinear` for `Linear`, with copies of the two observers.
 *
 * @param model the float model.
 * @param actObs copied for each layer's input.
 * @param weightObs copied for each layer's weight.
 * @param filterFn which modules to observe; every layer that can be by default.
 * @returns the full names of the observed layers; a warning is printed if there are none.
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
  filterFn: ModuleFilter = isObservable,
): string[] {
  const observe = (module: Module) => {
    const family = familyOf(module);
    if (!family) {
      throw new TypeError(
        `insertObservers_: ${module.displayName} is no layer that can be observed, such as a Linear; ` +
          `narrow filterFn`,
      );
    }
    return family.observe(module as WeightedLayer, deepcopy(actObs), deepcopy(weightObs));
  };
  const names = replaceWithCustomFnIfMatchesFilter_(model, observe, filterFn);
  if (names.length === 0) {
    console.warn(
      "insertObservers_: no module passed the filter, so nothing is observed; check filterFn against " +
        "model.namedModules()",
    );
  }
  return names;
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
    (module) => (module as ObservedLayer).toFloat(),
    (module, name) => isObserved(module) && filterFn(module, name),
  );
}
