/**
 * Instance normalization of a picture.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";
import type { ChannelNormOptions } from "./channel_norm.ts";
import { InstanceNorm } from "./instance_norm.ts";

/**
 * `(x − mean) / √(variance + eps) · weight + bias`, as `torch.nn.InstanceNorm2d`: mean and variance are
 * those of a channel in one sample, or, with `trackRunningStats`, those that training kept. Without
 * `affine`, the default, there are no weight and bias.
 *
 * @example
 * ```ts
 * import { InstanceNorm2d, randn } from "@staticquant/staticquant";
 * const layer = new InstanceNorm2d(8, { affine: true });
 * console.log(layer.forward(randn([4, 8, 16, 16])).shape); // [ 4, 8, 16, 16 ]
 * ```
 */
export class InstanceNorm2d extends InstanceNorm {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "InstanceNorm2d";

  /**
   * A layer for so many channels.
   *
   * @throws {RangeError} if numFeatures is no positive integer.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(numFeatures: number, options: ChannelNormOptions = {}) {
    super(numFeatures, options);
  }

  /**
   * The shape of `x`. Enqueued.
   *
   * @param x float, (N, C, H, W) or (C, H, W), with numFeatures channels.
   * @throws {RangeError} if the shape is another.
   */
  override forward(x: Tensor): Tensor {
    return this.normalize(x, 2);
  }
}
