/**
 * Layers with a weight, as far as quantizing them is concerned.
 *
 * @module
 */
import type { LinearWeight, Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";

/** A layer that multiplies its input by a weight and may add a bias. */
export interface WeightedLayer extends Module {
  /** Output channels come first, input channels second; the other way round where `transposed` says so. */
  weight: Tensor | LinearWeight;
  /** One number an output channel, or null. */
  bias: Tensor | null;
}

/** A layer whose weight is a plain float tensor. */
export interface FloatLayer extends WeightedLayer {
  /** Output channels come first, input channels second. */
  weight: Tensor;
}

/** A layer that may show its output to an observer too, so that it gives bytes once it is quantized. */
export interface ObservedOutput {
  /** Sees every output; null where the output stays float. PyTorch's `activation_post_process`. */
  activationPostProcess: AffineQuantizedObserverBase | null;
  /** Whether a ReLU alone reads the output, so that what it leaves is observed. */
  reluAfter: boolean;
}

/** A layer under observation, with a weight or without. */
export interface Observed {
  /** The float layer again, without observers. */
  toFloat(): Module;
}

/** A float layer that shows its input and its weight to observers. */
export interface ObservedLayer extends WeightedLayer, Partial<ObservedOutput> {
  /** Sees every input. */
  readonly actObs: AffineQuantizedObserverBase;
  /** Sees the weight, once as long as that stays the same. */
  readonly weightObs: AffineQuantizedObserverBase;
  /** The float layer again, with the same weight and bias and without observers. */
  toFloat(): WeightedLayer;
}
