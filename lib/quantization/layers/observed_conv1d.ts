/**
 * Convolutions of signals under observation.
 *
 * @module
 */
import { Conv1d } from "../../nn/conv1d.ts";
import type { ConvLayerOptions } from "../../nn/convolution.ts";
import {
  type ObservedConvolution,
  observedConvolution,
  type ObservedConvolutionClass,
} from "./observed_convolution.ts";

/** A `Conv1d` under observation. */
export type ObservedConv1d = Conv1d & ObservedConvolution<Conv1d>;

/**
 * A float `Conv1d` that shows its input and its weight to observers, as {@linkcode ObservedConv2d} does.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, Conv1d, MappingType, ObservedConv1d, PerTensor, randn, uint8,
 * } from "@staticquant/staticquant";
 * const observer = () =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity: new PerTensor() });
 * const layer = ObservedConv1d.fromFloat(new Conv1d(3, 8, 5), observer(), observer());
 * layer.forward(randn([1, 3, 40]));
 * console.log(await (await layer.actObs.calculateQParams())[0].item());
 * ```
 */
export const ObservedConv1d: ObservedConvolutionClass<Conv1d, ConvLayerOptions> =
  observedConvolution("ObservedConv1d", Conv1d);
