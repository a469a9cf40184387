/**
 * Convolutions under observation.
 *
 * @module
 */
import { Conv2d } from "../../nn/conv2d.ts";
import type { ConvLayerOptions } from "../../nn/convolution.ts";
import {
  type ObservedConvolution,
  observedConvolution,
  type ObservedConvolutionClass,
} from "./observed_convolution.ts";

/** A `Conv2d` under observation. */
export type ObservedConv2d = Conv2d & ObservedConvolution<Conv2d>;

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
export const ObservedConv2d: ObservedConvolutionClass<Conv2d, ConvLayerOptions> =
  observedConvolution("ObservedConv2d", Conv2d);
