/**
 * The transposed convolution of signals in integers.
 *
 * @module
 */
import { ConvTranspose1d } from "../../nn/conv_transpose1d.ts";
import { ObservedConvTranspose1d } from "./observed_conv_transpose1d.ts";
import type { QuantizedLayerParts } from "./quantize_observed.ts";
import {
  type ConvTransposeGeometry,
  QuantizedConvolution,
  registerConvolution,
} from "./quantized_convolution.ts";

/**
 * A transposed convolution of signals that multiplies integers, (N, C, L), with the formula and the exact sums of
 * {@linkcode QuantizedConvTranspose2d}. Made by {@linkcode QuantizedConvTranspose1d.fromObserved}, usually through `quantize_`.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, ConvTranspose1d, insertObservers_, isObserved, MappingType, PerTensor, quantize_,
 *   randn, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ conv: new ConvTranspose1d(8, 4, 2, { stride: 2 }) });
 * const observer =
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
 * insertObservers_(m, observer, observer);
 * m.forward(randn([1, 8, 20]));
 * await quantize_(m, new StaticQuantConfig(uint8), isObserved);
 * console.log(String(m)); // Sequential( (conv): QuantizedConvTranspose1d(8, 4, …) )
 * ```
 */
export class QuantizedConvTranspose1d extends QuantizedConvolution<ConvTransposeGeometry> {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedConvTranspose1d";

  /**
   * A layer of parts that are already quantized.
   *
   * @param parts weight, bias and fixed input range.
   * @param geometry the window's steps, and what is taken off or added around the output.
   * @throws {RangeError} if the parts do not fit together, or a window holds more products than an int32
   * accumulator can take.
   */
  constructor(parts: QuantizedLayerParts, geometry: ConvTransposeGeometry) {
    super(1, parts, geometry);
  }
}

registerConvolution(1, ConvTranspose1d, ObservedConvTranspose1d, QuantizedConvTranspose1d);
