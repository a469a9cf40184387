/**
 * Transposed convolutions of signals under observation.
 *
 * @module
 */
import { ConvTranspose1d } from "../../nn/conv_transpose1d.ts";
import type { ConvTransposeLayerOptions } from "../../nn/transposed_convolution.ts";
import {
  type ObservedConvolution,
  observedConvolution,
  type ObservedConvolutionClass,
} from "./observed_convolution.ts";

/** A `ConvTranspose1d` under observation. */
export type ObservedConvTranspose1d = ConvTranspose1d & ObservedConvolution<ConvTranspose1d>;

/**
 * A float `ConvTranspose1d` that shows its input and its weight to observers, as {@linkcode ObservedConvTranspose2d} does.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, ConvTranspose1d, MappingType, ObservedConvTranspose1d, PerTensor, randn, uint8,
 * } from "@staticquant/staticquant";
 * const observer = () =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
 * const layer = ObservedConvTranspose1d.fromFloat(new ConvTranspose1d(8, 4, 2, { stride: 2 }), observer(), observer());
 * layer.forward(randn([1, 8, 20]));
 * console.log(await (await layer.actObs.calculateQParams())[0].item());
 * ```
 */
export const ObservedConvTranspose1d: ObservedConvolutionClass<
  ConvTranspose1d,
  ConvTransposeLayerOptions
> = observedConvolution("ObservedConvTranspose1d", ConvTranspose1d);
