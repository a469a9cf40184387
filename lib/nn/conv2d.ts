/**
 * Convolution over two dimensions.
 *
 * @module
 */
import { type ConvLayerOptions, Convolution } from "./convolution.ts";

/**
 * Convolution over two dimensions, as `torch.nn.Conv2d`: each output channel is the sum of products of its
 * weights with the input that lies under them, plus its bias. Weight and bias start out uniform on
 * ±1/√(inChannels / groups · numbers in the window), by the stream of `manualSeed`.
 *
 * @example
 * ```ts
 * import { Conv2d, randn } from "@staticquant/staticquant";
 * const layer = new Conv2d(3, 8, 3, { stride: 2, padding: 1 });
 * using y = layer.forward(randn([1, 3, 16, 16]));
 * console.log(String(layer), y.shape);
 * // Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1)) [ 1, 8, 8, 8 ]
 * ```
 */
export class Conv2d extends Convolution {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Conv2d";

  /**
   * A layer with a weight and a bias drawn at random, unless they are given.
   *
   * @param inChannels channels of the input.
   * @param outChannels channels of the output.
   * @param kernelSize the window: one size for all dimensions, or one each.
   * @param options stride, padding, dilation, groups, bias, dtype and device; or weight and bias, which are not
   * copied.
   * @throws {RangeError} if a size is none, channels are no multiple of groups, or a tensor given has another shape.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvLayerOptions = {},
  ) {
    super(2, inChannels, outChannels, kernelSize, options);
  }
}
