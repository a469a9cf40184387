/**
 * The convolution of volumes in integers.
 *
 * @module
 */
import { Conv3d } from "../../nn/conv3d.ts";
import { ObservedConv3d } from "./observed_conv3d.ts";
import type { QuantizedLayerParts } from "./quantize_observed.ts";
import {
  type ConvGeometry,
  QuantizedConvolution,
  registerConvolution,
} from "./quantized_convolution.ts";

/**
 * A convolution of volumes that multiplies integers, (N, C, D, H, W), with the formula and the exact sums of
 * {@linkcode QuantizedConv2d}. Made by {@linkcode QuantizedConv3d.fromObserved}, usually through `quantize_`.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, Conv3d, insertObservers_, isObserved, MappingType, PerTensor, quantize_,
 *   randn, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ conv: new Conv3d(2, 4, 3, { padding: 1 }) });
 * const observer =
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
 * insertObservers_(m, observer, observer);
 * m.forward(randn([1, 2, 6, 8, 8]));
 * await quantize_(m, new StaticQuantConfig(uint8), isObserved);
 * console.log(String(m)); // Sequential( (conv): QuantizedConv3d(2, 4, …) )
 * ```
 */
export class QuantizedConv3d extends QuantizedConvolution<ConvGeometry> {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedConv3d";

  /**
   * A layer of parts that are already quantized.
   *
   * @param parts weight, bias and fixed input range.
   * @param geometry the window's steps, and what lies around the input.
   * @throws {RangeError} if the parts do not fit together, or a window holds more products than an int32
   * accumulator can take.
   */
  constructor(parts: QuantizedLayerParts, geometry: ConvGeometry) {
    super(3, parts, geometry);
  }
}

registerConvolution(3, Conv3d, ObservedConv3d, QuantizedConv3d);
