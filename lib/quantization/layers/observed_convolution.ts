/**
 * What convolutions under observation have in common, over however many dimensions, plain or transposed.
 *
 * @module
 */
import type { ConvLayerOptions, Convolution } from "../../nn/convolution.ts";
import type { Module } from "../../nn/module.ts";
import type { TransposedConvolution } from "../../nn/transposed_convolution.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import { showOutput } from "./show_output.ts";
import { showWeight } from "./show_weight.ts";
import type { ObservedOutput } from "./weighted_layer.ts";

/** What a convolution has beside the float layer's own while it is observed. */
export interface ObservedConvolution<F extends Module> extends ObservedOutput {
  /** Sees every input. */
  readonly actObs: AffineQuantizedObserverBase;
  /** Sees the weight, output channels first, once as long as that stays the same. */
  readonly weightObs: AffineQuantizedObserverBase;
  /** The float layer again, with the same weight and bias and without observers. */
  toFloat(): F;
}

/** A class of convolutions under observation, which is derived from that of the float layers `F`. */
export interface ObservedConvolutionClass<F extends Module, Options> {
  /** A layer under observation, as a float one with the observers before the options. */
  new (
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    actObs: AffineQuantizedObserverBase,
    weightObs: AffineQuantizedObserverBase,
    options?: Options,
  ): F & ObservedConvolution<F>;
  /** An observed layer with the weight and bias of a float one, which it shares. */
  fromFloat(
    float: F,
    actObs: AffineQuantizedObserverBase,
    weightObs: AffineQuantizedObserverBase,
  ): F & ObservedConvolution<F>;
}

/** The sizes and steps of a convolution with what it holds, as its constructor takes them. */
function optionsOf(layer: Convolution | TransposedConvolution): ConvLayerOptions {
  const { stride, padding, dilation, groups, weight, bias } = layer;
  const own = "outputPadding" in layer
    ? { outputPadding: layer.outputPadding }
    : { paddingMode: layer.paddingMode };
  return { stride, padding, dilation, groups, weight, bias, ...own };
}

/**
 * The class of a float class's convolutions under observation.
 *
 * @param name the class's name, whatever a minifier makes of it.
 */
export function observedConvolution<F extends Convolution | TransposedConvolution, Options>(
  name: string,
  Float: new (
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options?: Options,
  ) => F,
): ObservedConvolutionClass<F, Options> {
  // deno-lint-ignore no-explicit-any -- what is known of a class only here must be so to be derived from
  const Base = Float as unknown as new (...args: any[]) => Convolution;
  class Observed extends Base {
    static override readonly name: string = name;
    readonly actObs: AffineQuantizedObserverBase;
    readonly weightObs: AffineQuantizedObserverBase;
    activationPostProcess: AffineQuantizedObserverBase | null = null;
    reluAfter = false;

    constructor(
      inChannels: number,
      outChannels: number,
      kernelSize: number | readonly number[],
      actObs: AffineQuantizedObserverBase,
      weightObs: AffineQuantizedObserverBase,
      options: ConvLayerOptions = {},
    ) {
      super(inChannels, outChannels, kernelSize, options);
      this.actObs = actObs;
      this.weightObs = weightObs;
    }

    override forward(x: Tensor): Tensor {
      showWeight(this);
      return showOutput(this, super.forward(this.actObs.forward(x)));
    }

    static fromFloat(
      float: Convolution,
      actObs: AffineQuantizedObserverBase,
      weightObs: AffineQuantizedObserverBase,
    ) {
      const { inChannels, outChannels, kernelSize, fullName } = float;
      const observers = [actObs, weightObs] as const;
      const observed = new this(
        inChannels,
        outChannels,
        kernelSize,
        ...observers,
        optionsOf(float),
      );
      return Object.assign(observed, { fullName });
    }

    toFloat() {
      const { inChannels, outChannels, kernelSize, fullName } = this;
      const float = new Base(inChannels, outChannels, kernelSize, optionsOf(this));
      return Object.assign(float, { fullName });
    }
  }
  return Observed as unknown as ObservedConvolutionClass<F, Options>;
}
