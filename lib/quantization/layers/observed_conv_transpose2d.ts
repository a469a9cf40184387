/**
 * Transposed convolutions under observation.
 *
 * @module
 */
import { ConvTranspose2d } from "../../nn/conv_transpose2d.ts";
import type { ConvTransposeLayerOptions } from "../../nn/transposed_convolution.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { AffineQuantizedObserverBase } from "../observers/observer.ts";
import { showOutput } from "./show_output.ts";
import { showWeight } from "./show_weight.ts";

/** The sizes and steps of a transposed convolution, as its constructor takes them. */
function transposedOptions(layer: ConvTranspose2d): ConvTransposeLayerOptions {
  const { stride, padding, outputPadding, dilation, groups, weight, bias } = layer;
  return { stride, padding, outputPadding, dilation, groups, weight, bias };
}

/**
 * A float `ConvTranspose2d` that shows its input to an observer before it convolves it, and to another its weight,
 * once, as (out, in / groups, height, width). So a scale for each output channel comes from an observer with
 * `PerAxis(0)`, as of any other layer.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, ConvTranspose2d, type Granularity, MappingType, ObservedConvTranspose2d, PerAxis,
 *   PerTensor, randn, uint8,
 * } from "@staticquant/staticquant";
 * const observer = (granularity: Granularity) =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
 * const layer = ObservedConvTranspose2d.fromFloat(
 *   new ConvTranspose2d(8, 3, 2, { stride: 2 }), observer(new PerTensor()), observer(new PerAxis(0)));
 * layer.forward(randn([1, 8, 6, 6]));
 * console.log(await (await layer.actObs.calculateQParams())[0].item());
 * ```
 */
export class ObservedConvTranspose2d extends ConvTranspose2d {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ObservedConvTranspose2d";

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
   * @param options as for `ConvTranspose2d`.
   */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    actObs: AffineQuantizedObserverBase,
    weightObs: AffineQuantizedObserverBase,
    options: ConvTransposeLayerOptions = {},
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
    float: ConvTranspose2d,
    actObs: AffineQuantizedObserverBase,
    weightObs: AffineQuantizedObserverBase,
  ): ObservedConvTranspose2d {
    const { inChannels, outChannels, kernelSize, fullName } = float;
    const options = transposedOptions(float);
    const observed = new ObservedConvTranspose2d(
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
  toFloat(): ConvTranspose2d {
    const { inChannels, outChannels, kernelSize, fullName } = this;
    const float = new ConvTranspose2d(inChannels, outChannels, kernelSize, transposedOptions(this));
    return Object.assign(float, { fullName });
  }
}
