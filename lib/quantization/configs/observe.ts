/**
 * Putting a layer under the observers that a config's ranges are found by.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import type { DType } from "../../numbers/dtype.ts";
import { PerAxis, PerTensor } from "../affine/granularity.ts";
import { ObservedLinear } from "../layers/observed_linear.ts";
import { AffineQuantizedMinMaxObserver } from "../observers/min_max_observer.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import type { AOBaseConfig, ObservedAs } from "./quantize.ts";
import { floatLinear } from "./quantize_weight.ts";

/** What sees a layer's input, and what its weight. */
export interface LayerObservers {
  /** Sees every input. */
  readonly activation: AffineQuantizedObserverBase;
  /** Sees the weight. */
  readonly weight: AffineQuantizedObserverBase;
}

/** Min-max observers of what a config asks for: one scale for inputs, one a row for weights. */
export function observersAs(how: ObservedAs): LayerObservers {
  const { mappingType, activation, weight, activationOptions } = how;
  const observer = (dtype: DType, options: AffineQuantizedObserverBase["options"]) =>
    new AffineQuantizedMinMaxObserver(mappingType, dtype, options);
  return {
    activation: observer(activation, { ...activationOptions, granularity: new PerTensor() }),
    weight: observer(weight, { granularity: new PerAxis(0) }),
  };
}

/** The observed layer that a config's first step makes of a float one. */
export function prepared(module: Module, config: AOBaseConfig, how: ObservedAs): ObservedLinear {
  const linear = floatLinear(module, config);
  const { activation, weight } = observersAs(how);
  return ObservedLinear.fromFloat(linear, activation, weight);
}
