/**
 * Transposed convolutions under observation.
 *
 * @module
 */
import { ConvTranspose2d } from "../../nn/conv_transpose2d.ts";
import type { ConvTransposeLayerOptions } from "../../nn/transposed_convolution.ts";
import {
  type ObservedConvolution,
  observedConvolution,
  type ObservedConvolutionClass,
} from "./observed_convolution.ts";

/** A `ConvTranspose2d` under observation. */
export type ObservedConvTranspose2d = ConvTranspose2d & ObservedConvolution<ConvTranspose2d>;

/**
 * A float `ConvTranspose2d` that shows its input to an observer before it convolves it, and to another its weight,
 * once, as (out, in / groups, height, width). So a scale for each output channel comes from an observer with
 * `PerAxis(0)`, as of any other layer.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, ConvTranspose2d, type Granularity, MappingType, ObservedConvTranspose2d, PerAxis,
 *   PerTensor, randn, uint8,
 * } from "@staticquant/staticquant";
 * const observer = (granularity: Granularity) =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
 * const layer = ObservedConvTranspose2d.fromFloat(
 *   new ConvTranspose2d(8, 3, 2, { stride: 2 }), observer(new PerTensor()), observer(new PerAxis(0)));
 * layer.forward(randn([1, 8, 6, 6]));
 * console.log(await (await layer.actObs.calculateQParams())[0].item());
 * ```
 */
export const ObservedConvTranspose2d: ObservedConvolutionClass<
  ConvTranspose2d,
  ConvTransposeLayerOptions
> = observedConvolution("ObservedConvTranspose2d", ConvTranspose2d);
