/**
 * Linear layers under observation.
 *
 * @module
 */
import { Linear, type LinearOptions } from "../../nn/linear.ts";
import type { Module } from "../../nn/module.ts";
import { checkLinearShapes, linear } from "../../tensor/ops.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import type { ModuleFilter } from "../../nn/replace.ts";
import { showOutput } from "./show_output.ts";
import { showWeight } from "./show_weight.ts";

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
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ObservedLinear";

  /** Sees every input. */
  readonly actObs: AffineQuantizedObserverBase;
  /** Sees the weight, once as long as that stays the same. */
  readonly weightObs: AffineQuantizedObserverBase;
  /** Sees every output, if the layer is to give bytes once it is quantized; `insertObservers_` puts it there. */
  activationPostProcess: AffineQuantizedObserverBase | null = null;
  /** Whether a ReLU alone reads the output, so that what it leaves is observed. */
  reluAfter = false;

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
    checkLinearShapes(this.displayName, x, this.weight.shape, this.bias);
    const weight = showWeight(this);
    return showOutput(this, linear(this.actObs.forward(x), weight, this.bias, this.displayName));
  }

  /**
   * An observed layer with the weight and bias of a float one, which it shares; of the class that this is called on.
   *
   * @throws {TypeError} if the weight is quantized already.
   */
  static fromFloat<O extends ObservedLinear>(
    this: new (...args: ConstructorParameters<typeof ObservedLinear>) => O,
    float: Linear,
    actObs: AffineQuantizedObserverBase,
    weightObs: AffineQuantizedObserverBase,
  ): O {
    if (!(float.weight instanceof Tensor)) {
      throw new TypeError(
        `ObservedLinear.fromFloat: the weight of ${float.displayName} is quantized already`,
      );
    }
    const { inFeatures, outFeatures, weight, bias, fullName } = float;
    const observed = new this(inFeatures, outFeatures, actObs, weightObs, { weight, bias });
    return Object.assign(observed, { fullName });
  }

  /** The float layer again, with the same weight and bias and without observers. */
  toFloat(): Linear {
    const { inFeatures, outFeatures, weight, bias, fullName } = this;
    return Object.assign(new Linear(inFeatures, outFeatures, { weight, bias }), { fullName });
  }
}

/** The filter of observed `Linear` layers, for `quantize_`. */
export const isObservedLinear: ModuleFilter = (module: Module): boolean =>
  module instanceof ObservedLinear;
