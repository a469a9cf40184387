/**
 * The convolution of signals in integers.
 *
 * @module
 */
import { Conv1d } from "../../nn/conv1d.ts";
import { ObservedConv1d } from "./observed_conv1d.ts";
import type { QuantizedLayerParts } from "./quantize_observed.ts";
import {
  type ConvGeometry,
  QuantizedConvolution,
  registerConvolution,
} from "./quantized_convolution.ts";

/**
 * A convolution of signals that multiplies integers, (N, C, L), with the formula and the exact sums of
 * {@linkcode QuantizedConv2d}. Made by {@linkcode QuantizedConv1d.fromObserved}, usually through `quantize_`.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, Conv1d, insertObservers_, isObserved, MappingType, PerTensor, quantize_,
 *   randn, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ conv: new Conv1d(3, 8, 5, { padding: 2 }) });
 * const observer =
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
 * insertObservers_(m, observer, observer);
 * m.forward(randn([1, 3, 40]));
 * await quantize_(m, new StaticQuantConfig(uint8), isObserved);
 * console.log(String(m)); // Sequential( (conv): QuantizedConv1d(3, 8, …) )
 * ```
 */
export class QuantizedConv1d extends QuantizedConvolution<ConvGeometry> {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedConv1d";

  /**
   * A layer of parts that are already quantized.
   *
   * @param parts weight, bias and fixed input range.
   * @param geometry the window's steps, and what lies around the input.
   * @throws {RangeError} if the parts do not fit together, or a window holds more products than an int32
   * accumulator can take.
   */
  constructor(parts: QuantizedLayerParts, geometry: ConvGeometry) {
    super(1, parts, geometry);
  }
}

registerConvolution(1, Conv1d, ObservedConv1d, QuantizedConv1d);
