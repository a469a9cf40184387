/**
 * What layers can be observed and become integer ones. Inserting observers, static configs and the
 * analyses ask here, so that another class of layers is one registration.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import type { QuantizedLayerParts } from "./quantize_observed.ts";
import { ObservedFunction } from "./observed_function.ts";
import type { FloatLayer, Observed, ObservedLayer, WeightedLayer } from "./weighted_layer.ts";

/** A class of float layers, with what stands for them while they are observed and once they are quantized. */
export interface LayerFamily<
  F extends WeightedLayer = WeightedLayer,
  O extends ObservedLayer = ObservedLayer,
> {
  /** The float layers' class. */
  // deno-lint-ignore no-explicit-any -- a constructor's arguments are its own business
  readonly type: abstract new (...args: any[]) => F;
  /** The observed layers' class. */
  // deno-lint-ignore no-explicit-any -- likewise
  readonly observedType: abstract new (...args: any[]) => O;
  /** The dimension of inputs and outputs that counts their channels, from the end: −1 for the last. */
  readonly channelDim: number;
  /** Puts a layer under observation; weight and bias are shared. */
  observe(
    layer: F,
    actObs: AffineQuantizedObserverBase,
    weightObs: AffineQuantizedObserverBase,
  ): O;
  /** The integer layer of what observing a layer led to. Throws a RangeError or a TypeError if they do not fit. */
  quantize(observed: O, parts: QuantizedLayerParts): Module;
}

const families: LayerFamily[] = [];

/**
 * Adds a class of layers; from then on `insertObservers_`, `StaticQuantConfig`, `compareModels`,
 * `sensitivity`, `searchConfig` and their like know its layers.
 *
 * @param family what is to be known of it.
 * @throws {Error} if the class has a family already.
 *
 * @example
 * ```ts
 * import { Linear, ObservedLinear, QuantizedLinear, registerLayerFamily } from "@staticquant/staticquant";
 * class Head extends Linear {}
 * class ObservedHead extends ObservedLinear {}
 * registerLayerFamily({
 *   type: Head,
 *   observedType: ObservedHead,
 *   channelDim: -1,
 *   observe: ({ inFeatures, outFeatures, weight, bias }, actObs, weightObs) =>
 *     new ObservedHead(inFeatures, outFeatures, actObs, weightObs, { weight, bias }),
 *   quantize: (_, parts) => new QuantizedLinear(parts),
 * });
 * ```
 */
export function registerLayerFamily<F extends WeightedLayer, O extends ObservedLayer>(
  family: LayerFamily<F, O>,
): void {
  if (families.some(({ type }) => type === family.type as unknown)) {
    throw new Error(`registerLayerFamily: ${family.type.name} has a family already`);
  }
  // The youngest first, so that a derived class finds its own before that of its parent.
  families.unshift(family as unknown as LayerFamily);
}

/** The family of a float or an observed layer; undefined for other modules. */
export function familyOf(module: Module | undefined): LayerFamily | undefined {
  return families.find(({ type, observedType }) =>
    module instanceof observedType || module instanceof type
  );
}

/** The filter of `insertObservers_`: every layer of a class that can be observed, and of none derived from it. */
export function isObservable(module: Module): boolean {
  return families.some(({ type }) => module.constructor === type);
}

/**
 * The filter of observed layers of any class, for `quantize_`.
 *
 * @example
 * ```ts
 * import { isObserved, Linear } from "@staticquant/staticquant";
 * console.log(isObserved(new Linear(8, 4))); // false
 * ```
 */
export function isObserved(module: Module): module is Module & Observed {
  return module instanceof ObservedFunction || isObservedLayer(module);
}

/** Whether a module is an observed layer with a weight. */
export function isObservedLayer(module: Module): module is Module & ObservedLayer {
  return families.some(({ observedType }) => module instanceof observedType);
}

/** Whether a module is a layer that can be quantized, with a plain float weight. */
export function isFloatLayer(module: Module | undefined): module is FloatLayer {
  return familyOf(module) !== undefined && (module as WeightedLayer).weight instanceof Tensor;
}
