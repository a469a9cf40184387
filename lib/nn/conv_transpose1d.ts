/**
 * Transposed convolution over one dimension.
 *
 * @module
 */
import { type ConvTransposeLayerOptions, TransposedConvolution } from "./transposed_convolution.ts";

/**
 * Transposed convolution over one dimension, as `torch.nn.ConvTranspose1d`: each input is multiplied with
 * its window of weights, and windows that overlap in the output are added up. Weight and bias start out as
 * PyTorch's do, uniform on ±1/√(outChannels / groups · numbers in the window).
 *
 * @example
 * ```ts
 * import { ConvTranspose1d, randn } from "@staticquant/staticquant";
 * const layer = new ConvTranspose1d(8, 4, 2, { stride: 2 });
 * using y = layer.forward(randn([1, 8, 5]));
 * console.log(String(layer), y.shape);
 * // ConvTranspose1d(8, 4, kernel_size=(2,), stride=(2,)) [ 1, 4, 10 ]
 * ```
 */
export class ConvTranspose1d extends TransposedConvolution {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ConvTranspose1d";

  /**
   * A layer with a weight and a bias drawn at random, unless they are given.
   *
   * @param inChannels channels of the input.
   * @param outChannels channels of the output.
   * @param kernelSize the window: one size for all dimensions, or one each.
   * @param options stride, padding, outputPadding, groups, bias, dilation, dtype and device; or weight and bias,
   * which are not copied.
   * @throws {RangeError} if a size is none, channels are no multiple of groups, or a tensor given has another shape.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeLayerOptions = {},
  ) {
    super(1, inChannels, outChannels, kernelSize, options);
  }
}
