/**
 * Convolutions of volumes under observation.
 *
 * @module
 */
import { Conv3d } from "../../nn/conv3d.ts";
import type { ConvLayerOptions } from "../../nn/convolution.ts";
import {
  type ObservedConvolution,
  observedConvolution,
  type ObservedConvolutionClass,
} from "./observed_convolution.ts";

/** A `Conv3d` under observation. */
export type ObservedConv3d = Conv3d & ObservedConvolution<Conv3d>;

/**
 * A float `Conv3d` that shows its input and its weight to observers, as {@linkcode ObservedConv2d} does.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, Conv3d, MappingType, ObservedConv3d, PerTensor, randn, uint8,
 * } from "@staticquant/staticquant";
 * const observer = () =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
 * const layer = ObservedConv3d.fromFloat(new Conv3d(2, 4, 3), observer(), observer());
 * layer.forward(randn([1, 2, 6, 8, 8]));
 * console.log(await (await layer.actObs.calculateQParams())[0].item());
 * ```
 */
export const ObservedConv3d: ObservedConvolutionClass<Conv3d, ConvLayerOptions> =
  observedConvolution("ObservedConv3d", Conv3d);
