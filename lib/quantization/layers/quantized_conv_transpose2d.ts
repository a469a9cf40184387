/**
 * The transposed convolution of integers.
 *
 * @module
 */
import { ConvTranspose2d } from "../../nn/conv_transpose2d.ts";
import { ObservedConvTranspose2d } from "./observed_conv_transpose2d.ts";
import type { QuantizedLayerParts } from "./quantize_observed.ts";
import {
  type ConvTransposeGeometry,
  QuantizedConvolution,
  registerConvolution,
} from "./quantized_convolution.ts";

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
export class QuantizedConvTranspose2d extends QuantizedConvolution<ConvTransposeGeometry> {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedConvTranspose2d";

  /**
   * A layer of parts that are already quantized.
   *
   * @param parts weight, (out, in / groups, height, width), bias and fixed input range.
   * @param geometry the window's steps, and what is taken off or added around the output.
   * @throws {RangeError} if the parts do not fit together, or a window holds more products than an int32
   * accumulator can take.
   */
  constructor(parts: QuantizedLayerParts, geometry: ConvTransposeGeometry) {
    super(2, parts, geometry);
  }
}

registerConvolution(2, ConvTranspose2d, ObservedConvTranspose2d, QuantizedConvTranspose2d);
