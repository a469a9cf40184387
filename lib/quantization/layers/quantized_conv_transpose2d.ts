/**
 * The transposed convolution of integers.
 *
 * @module
 */
import { ConvTranspose2d } from "../../nn/conv_transpose2d.ts";
import { python } from "../../nn/python_text.ts";
import type { DType } from "../../numbers/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { transposedPlaces } from "../../tensor/window.ts";
import { ObservedConvTranspose2d } from "./observed_conv_transpose2d.ts";
import { type QuantizedLayerParts, quantizeObserved } from "./quantize_observed.ts";
import { QuantizedConvolution } from "./quantized_convolution.ts";
import { registerStaticLayer } from "./static_quantized_layer.ts";

/** The window of a transposed convolution and its steps, as `ConvTranspose2d` has them. */
export interface ConvTransposeGeometry {
  /** Steps between windows in the output, one a dimension. */
  readonly stride: readonly number[];
  /** What is taken off both sides, one a dimension. */
  readonly padding: readonly number[];
  /** What is added to one side, one a dimension. */
  readonly outputPadding: readonly number[];
  /** Steps between weights, one a dimension. */
  readonly dilation: readonly number[];
  /** Parts that channels fall into. */
  readonly groups: number;
}

/** The geometry of a float transposed convolution. */
function geometryOf(layer: ConvTranspose2d): ConvTransposeGeometry {
  const { stride, padding, outputPadding, dilation, groups } = layer;
  return { stride, padding, outputPadding, dilation, groups };
}

/**
 * A transposed convolution that multiplies integers, as `torch.ao.nn.quantized.ConvTranspose2d`: it quantizes its
 * input with a fixed scale, adds up in an exact int32 accumulator the products that reach an output, and scales
 * the result:
 *
 * `y[n] = sx·sw[n]·Σ (qx − zx)·(qw[n] − zw[n]) + b[n]`
 *
 * Its weight lies as (out, in / groups, height, width), with one scale for all or one an output channel. The
 * accumulator has the same bits on every device. Made by {@linkcode QuantizedConvTranspose2d.fromObserved}, usually
 * through `quantize_`.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, ConvTranspose2d, type Granularity, insertObservers_, isObserved, MappingType,
 *   PerAxis, PerTensor, quantize_, randn, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ up: new ConvTranspose2d(8, 4, 2, { stride: 2 }) });
 * const observer = (granularity: Granularity) =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
 * insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0)));
 * m.forward(randn([1, 8, 6, 6]));
 * await quantize_(m, new StaticQuantConfig(uint8), isObserved);
 * console.log(String(m)); // Sequential( (up): QuantizedConvTranspose2d(8, 4, …) )
 * ```
 */
export class QuantizedConvTranspose2d extends QuantizedConvolution {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedConvTranspose2d";

  /** The window's steps, and what is taken off or added around the output. */
  readonly geometry: ConvTransposeGeometry;

  /**
   * A layer of parts that are already quantized.
   *
   * @param parts weight, (out, in / groups, height, width), bias and fixed input range.
   * @param geometry the window's steps, and what is taken off or added around the output.
   * @throws {RangeError} if the parts do not fit together, or a window holds more products than an int32
   * accumulator can take.
   */
  constructor(parts: QuantizedLayerParts, geometry: ConvTransposeGeometry) {
    super("QuantizedConvTranspose2d", parts, { groups: geometry.groups, transposed: true });
    this.geometry = geometry;
  }

  /**
   * The integer layer for what an observed one has seen. Waits for the observers.
   *
   * @param observed the calibrated layer.
   * @param targetDtype the 8-bit dtype of inputs; the one that their observer was made for.
   * @param weightDtype the 8-bit dtype of the weight, likewise; the same by default.
   * @throws {Error} if the observers saw nothing, or a NaN or an infinity.
   * @throws {TypeError} if the observers were made for another dtype.
   */
  static async fromObserved(
    observed: ObservedConvTranspose2d,
    targetDtype: DType,
    weightDtype: DType = targetDtype,
  ): Promise<QuantizedConvTranspose2d> {
    const parts = await quantizeObserved(observed, targetDtype, weightDtype);
    return new QuantizedConvTranspose2d(parts, geometryOf(observed));
  }

  /** The output for a batch that fits. */
  protected override compute(x: Tensor): Tensor {
    const { displayName, kernelSize, geometry } = this;
    return this.convolve(
      x,
      transposedPlaces(displayName, x.shape.slice(2), kernelSize, geometry),
    );
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    const { stride, padding, outputPadding, dilation, groups } = this.geometry;
    const sizes = `kernel_size=${python(this.kernelSize)}, stride=${python(stride)}`;
    const parts = [`${this.inChannels}, ${this.outChannels}, ${sizes}`];
    if (padding.some((size) => size !== 0)) parts.push(`padding=${python(padding)}`);
    if (dilation.some((step) => step !== 1)) parts.push(`dilation=${python(dilation)}`);
    if (outputPadding.some((size) => size)) parts.push(`output_padding=${python(outputPadding)}`);
    if (groups !== 1) parts.push(`groups=${groups}`);
    return parts.join(", ") + this.outputRepr();
  }
}

registerStaticLayer({
  floatType: ConvTranspose2d,
  observedType: ObservedConvTranspose2d,
  type: QuantizedConvTranspose2d,
  channelDim: -3,
  build: (parts, place) =>
    new QuantizedConvTranspose2d(
      parts,
      place instanceof QuantizedConvTranspose2d
        ? place.geometry
        : geometryOf(place as ConvTranspose2d),
    ),
});
