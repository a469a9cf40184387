/**
 * Batch normalization of a picture.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";
import { BatchNorm } from "./batch_norm.ts";
import type { ChannelNormOptions } from "./channel_norm.ts";

/**
 * `(x − running_mean) / √(running_var + eps) · weight + bias`, channel by channel, as
 * `torch.nn.BatchNorm2d` once a model is trained. The layer starts out with means 0 and variances 1.
 *
 * @example
 * ```ts
 * import { BatchNorm2d, randn } from "@staticquant/staticquant";
 * const layer = new BatchNorm2d(8);
 * console.log(layer.forward(randn([4, 8, 16, 16])).shape); // [ 4, 8, 16, 16 ]
 * ```
 */
export class BatchNorm2d extends BatchNorm {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "BatchNorm2d";

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
   * @param x float, (N, C, H, W), with numFeatures channels.
   * @throws {RangeError} if the shape is another.
   */
  override forward(x: Tensor): Tensor {
    return this.normalize(x, [4], "(N, C, H, W)");
  }
}
