/**
 * Convolutions under observation.
 *
 * @module
 */
import { Conv2d } from "../../nn/conv2d.ts";
import type { ConvLayerOptions } from "../../nn/convolution.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import { showOutput } from "./show_output.ts";
import { showWeight } from "./show_weight.ts";

/** The sizes and steps of a convolution, as its constructor takes them. */
export function convolutionOptions(layer: Conv2d): ConvLayerOptions {
  const { stride, padding, dilation, groups, paddingMode, weight, bias } = layer;
  return { stride, padding, dilation, groups, paddingMode, weight, bias };
}

/**
 * A float `Conv2d` that shows its input to an observer before it convolves it, and to another its weight,
 * once. A scale for each output channel comes from an observer of the weight with `PerAxis(0)`.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, Conv2d, type Granularity, MappingType, ObservedConv2d, PerAxis, PerTensor, randn, uint8,
 * } from "@staticquant/staticquant";
 * const observer = (granularity: Granularity) =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
 * const layer = ObservedConv2d.fromFloat(
 *   new Conv2d(3, 8, 3), observer(new PerTensor()), observer(new PerAxis(0)));
 * layer.forward(randn([1, 3, 16, 16]));
 * console.log(await (await layer.actObs.calculateQParams())[0].item());
 * ```
 */
export class ObservedConv2d extends Conv2d {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ObservedConv2d";

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
   * @param inChannels channels of the input.
   * @param outChannels channels of the output.
   * @param kernelSize the window: one size for both dimensions, or one each.
   * @param actObs sees every input.
   * @param weightObs sees the weight.
   * @param options as for `Conv2d`.
   */
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

  /** The float output; the observers take note on the way. Enqueued. */
  override forward(x: Tensor): Tensor {
    showWeight(this);
    return showOutput(this, super.forward(this.actObs.forward(x)));
  }

  /** An observed layer with the weight and bias of a float one, which it shares. */
  static fromFloat(
    float: Conv2d,
    actObs: AffineQuantizedObserverBase,
    weightObs: AffineQuantizedObserverBase,
  ): ObservedConv2d {
    const { inChannels, outChannels, kernelSize, fullName } = float;
    const options = convolutionOptions(float);
    const observed = new ObservedConv2d(
      inChannels,
      outChannels,
      kernelSize,
      actObs,
      weightObs,
      options,
    );
    return Object.assign(observed, { fullName });
  }

  /** The float layer again, with the same weight and bias and without observers. */
  toFloat(): Conv2d {
    const { inChannels, outChannels, kernelSize, fullName } = this;
    const float = new Conv2d(inChannels, outChannels, kernelSize, convolutionOptions(this));
    return Object.assign(float, { fullName });
  }
}
