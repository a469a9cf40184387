/**
 * The integer convolution.
 *
 * @module
 */
import { Conv2d } from "../../nn/conv2d.ts";
import type { PaddingMode } from "../../nn/convolution.ts";
import { python } from "../../nn/python_text.ts";
import type { DType } from "../../numbers/dtype.ts";
import { pad } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Padding, type WindowPlaces, windowPlaces } from "../../tensor/window.ts";
import { ObservedConv2d } from "./observed_conv2d.ts";
import { type QuantizedLayerParts, quantizeObserved } from "./quantize_observed.ts";
import { QuantizedConvolution } from "./quantized_convolution.ts";
import { registerStaticLayer } from "./static_quantized_layer.ts";

/** The window of a convolution and its steps, as `Conv2d` has them. */
export interface ConvGeometry {
  /** Steps between outputs, one a dimension. */
  readonly stride: readonly number[];
  /** What is added on both sides, one a dimension, or "same" or "valid". */
  readonly padding: readonly number[] | "same" | "valid";
  /** Steps between weights, one a dimension. */
  readonly dilation: readonly number[];
  /** Parts that channels fall into. */
  readonly groups: number;
  /** What is read outside of the input. */
  readonly paddingMode: PaddingMode;
}

/** The geometry of a float convolution. */
function geometryOf({ stride, padding, dilation, groups, paddingMode }: Conv2d): ConvGeometry {
  return { stride, padding, dilation, groups, paddingMode };
}

/**
 * A convolution that multiplies integers: it quantizes its input with a fixed scale, adds up products of
 * bytes in an exact int32 accumulator, and scales the result. With `qx` and `qw` the integers that lie under a
 * window:
 *
 * `y[n] = sx·sw[n]·Σ (qx − zx)·(qw[n] − zw[n]) + b[n]`
 *
 * What lies outside of the input is 0, so its zero point. The accumulator has the same bits on every device.
 * Made by {@linkcode QuantizedConv2d.fromObserved}, usually through `quantize_`.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, Conv2d, type Granularity, insertObservers_, isObserved, MappingType,
 *   PerAxis, PerTensor, quantize_, randn, ReLU, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ conv: new Conv2d(3, 8, 3, { padding: 1 }), relu: new ReLU() });
 * const observer = (granularity: Granularity) =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
 * insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0)));
 * m.forward(randn([1, 3, 16, 16]));
 * await quantize_(m, new StaticQuantConfig(uint8), isObserved);
 * console.log(String(m)); // Sequential( (conv): QuantizedConv2d(3, 8, …) (relu): ReLU() )
 * ```
 */
export class QuantizedConv2d extends QuantizedConvolution {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedConv2d";

  /** The window's steps, and what lies around the input. */
  readonly geometry: ConvGeometry;

  /**
   * A layer of parts that are already quantized.
   *
   * @param parts weight, bias and fixed input range.
   * @param geometry the window's steps, and what lies around the input.
   * @throws {RangeError} if the parts do not fit together, or a window holds more products than an int32
   * accumulator can take.
   */
  constructor(parts: QuantizedLayerParts, geometry: ConvGeometry) {
    super("QuantizedConv2d", parts, { groups: geometry.groups, transposed: false });
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
    observed: ObservedConv2d,
    targetDtype: DType,
    weightDtype: DType = targetDtype,
  ): Promise<QuantizedConv2d> {
    const parts = await quantizeObserved(observed, targetDtype, weightDtype);
    return new QuantizedConv2d(parts, geometryOf(observed));
  }

  /** The output for a batch that fits; zeros or what else the padding is stand around it. */
  protected override compute(x: Tensor): Tensor {
    const { padding, paddingMode } = this.geometry;
    const places = this.places(x, padding);
    if (paddingMode === "zeros") return this.convolve(x, places);
    const { before, after } = places;
    const edges = before.map((size, d) => [size, after[d]]).reverse().flat();
    using wider = pad(x, edges, { mode: paddingMode });
    return this.convolve(wider, this.places(wider, 0));
  }

  /** Where the windows lie. */
  private places(x: Tensor, padding: Padding): WindowPlaces {
    const { stride, dilation } = this.geometry;
    const options = { stride, dilation, padding };
    return windowPlaces(this.displayName, x.shape.slice(2), this.kernelSize, options);
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    const { stride, padding, groups } = this.geometry;
    const sizes = `kernel_size=${python(this.kernelSize)}, stride=${python(stride)}`;
    const around = typeof padding === "string" ? padding : python(padding);
    return `${this.inChannels}, ${this.outChannels}, ${sizes}, padding=${around}` +
      (groups === 1 ? "" : `, groups=${groups}`) + this.outputRepr();
  }
}

registerStaticLayer({
  floatType: Conv2d,
  observedType: ObservedConv2d,
  type: QuantizedConv2d,
  channelDim: -3,
  build: (parts, place) =>
    new QuantizedConv2d(
      parts,
      place instanceof QuantizedConv2d ? place.geometry : geometryOf(place as Conv2d),
    ),
});
