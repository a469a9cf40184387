/**
 * Linear layers under observation.
 *
 * @module
 */
import { Linear, type LinearOptions } from "../../nn/linear.ts";
import { deepcopy, type Module } from "../../nn/module.ts";
import { checkLinearShapes, linear } from "../../tensor/ops.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import {
  isLinear,
  type ModuleFilter,
  replaceWithCustomFnIfMatchesFilter_,
} from "../../nn/replace.ts";

/** The weight that a layer has shown to its observer: it does not change from batch to batch. */
const observedWeights = new WeakMap<ObservedLinear, Tensor>();

/**
 * A float `Linear` that shows its input to an observer before it multiplies it, and to another its
 * weight, once.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, type Granularity, Linear, MappingType, ObservedLinear, PerAxis, PerTensor, randn, uint8,
 * } from "@staticquant/staticquant";
 * const observer = (granularity: Granularity) =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
 * const layer = ObservedLinear.fromFloat(
 *   new Linear(64, 32), observer(new PerTensor()), observer(new PerAxis(0)));
 * layer.forward(randn([8, 64]));
 * console.log(await (await layer.actObs.calculateQParams())[0].item());
 * ```
 */
export class ObservedLinear extends Linear {
  /** Sees every input. */
  readonly actObs: AffineQuantizedObserverBase;
  /** Sees the weight, once as long as that stays the same. */
  readonly weightObs: AffineQuantizedObserverBase;

  /**
   * A layer under observation, drawn at random unless its weight is given.
   *
   * @param inFeatures size of each input row.
   * @param outFeatures size of each output row.
   * @param actObs sees every input.
   * @param weightObs sees the weight.
   * @param options as for `Linear`.
   */
  constructor(
    inFeatures: number,
    outFeatures: number,
    actObs: AffineQuantizedObserverBase,
    weightObs: AffineQuantizedObserverBase,
    options: LinearOptions = {},
  ) {
    super(inFeatures, outFeatures, options);
    this.actObs = actObs;
    this.weightObs = weightObs;
  }

  /** The float output; the observers take note on the way. Enqueued. */
  override forward(x: Tensor): Tensor {
    if (!(this.weight instanceof Tensor)) {
      throw new TypeError(
        `${this.displayName}: the weight is quantized already; observe the float model instead`,
      );
    }
    checkLinearShapes(this.displayName, x, this.weight.shape, this.bias);
    if (observedWeights.get(this) !== this.weight) {
      this.weightObs.forward(this.weight);
      observedWeights.set(this, this.weight);
    }
    return linear(this.actObs.forward(x), this.weight, this.bias, this.displayName);
  }

  /**
   * An observed layer with the weight and bias of a float one, which it shares.
   *
   * @throws {TypeError} if the weight is quantized already.
   */
  static fromFloat(
    float: Linear,
    actObs: AffineQuantizedObserverBase,
    weightObs: AffineQuantizedObserverBase,
  ): ObservedLinear {
    if (!(float.weight instanceof Tensor)) {
      throw new TypeError(
        `ObservedLinear.fromFloat: the weight of ${float.displayName} is quantized already`,
      );
    }
    const { inFeatures, outFeatures, weight, bias, fullName } = float;
    const observed = new ObservedLinear(inFeatures, outFeatures, actObs, weightObs, {
      weight,
      bias,
    });
    return Object.assign(observed, { fullName });
  }

  /** The float layer again, with the same weight and bias and without observers. */
  toFloat(): Linear {
    const { inFeatures, outFeatures, weight, bias, fullName } = this;
    return Object.assign(new Linear(inFeatures, outFeatures, { weight, bias }), { fullName });
  }
}

/**
 * Puts every `Linear` of a model under observation, in place: each becomes an `ObservedLinear` with
 * copies of the two observers.
 *
 * @param model the float model.
 * @param actObs copied for each layer's input.
 * @param weightObs copied for each layer's weight.
 * @param filterFn which modules to observe; every `Linear` by default.
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
  filterFn: ModuleFilter = isLinear,
): string[] {
  const observe = (module: Module) => {
    if (!(module instanceof Linear)) {
      throw new TypeError(
        `insertObservers_: ${module.displayName} is not a Linear; narrow filterFn`,
      );
    }
    return ObservedLinear.fromFloat(module, deepcopy(actObs), deepcopy(weightObs));
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

/** The filter of observed layers, for `quantize_`. */
export const isObservedLinear: ModuleFilter = (module: Module): boolean =>
  module instanceof ObservedLinear;

/**
 * Takes the observers out of a model, in place: each `ObservedLinear` becomes a float `Linear` again,
 * with the weight and bias that it has.
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
  filterFn: ModuleFilter = isObservedLinear,
): string[] {
  if (model instanceof ObservedLinear) {
    throw new Error(
      "removeObservers_: the model itself is an observed layer, which cannot be swapped in place; its " +
        "toFloat() gives the float one",
    );
  }
  return replaceWithCustomFnIfMatchesFilter_(
    model,
    (module) => (module as ObservedLinear).toFloat(),
    (module, name) => isObservedLinear(module, name) && filterFn(module, name),
  );
}
