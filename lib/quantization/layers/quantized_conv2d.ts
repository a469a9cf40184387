/**
 * The integer convolution.
 *
 * @module
 */
import { Conv2d } from "../../nn/conv2d.ts";
import { ObservedConv2d } from "./observed_conv2d.ts";
import type { QuantizedLayerParts } from "./quantize_observed.ts";
import {
  type ConvGeometry,
  QuantizedConvolution,
  registerConvolution,
} from "./quantized_convolution.ts";

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
export class QuantizedConv2d extends QuantizedConvolution<ConvGeometry> {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedConv2d";

  /**
   * A layer of parts that are already quantized.
   *
   * @param parts weight, bias and fixed input range.
   * @param geometry the window's steps, and what lies around the input.
   * @throws {RangeError} if the parts do not fit together, or a window holds more products than an int32
   * accumulator can take.
   */
  constructor(parts: QuantizedLayerParts, geometry: ConvGeometry) {
    super(2, parts, geometry);
  }
}

registerConvolution(2, Conv2d, ObservedConv2d, QuantizedConv2d);
