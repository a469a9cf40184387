/**
 * The mean of parts of the input, as many as are asked for.
 *
 * @module
 */
import { adaptiveAvgPool2d } from "../tensor/pooling.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { AdaptivePool, type OutputSizes } from "./adaptive_pool.ts";
import { batched } from "./batched.ts";

/**
 * The mean of each of so many windows that cover the input evenly, as `torch.nn.AdaptiveAvgPool2d`: window i of n
 * goes from ⌊i · size / n⌋ to ⌈(i + 1) · size / n⌉.
 *
 * @example
 * ```ts
 * import { AdaptiveAvgPool2d, randn } from "@staticquant/staticquant";
 * console.log(new AdaptiveAvgPool2d(4).forward(randn([2, 8, 15, 15])).shape); // [ 2, 8, 4, 4 ]
 * ```
 */
export class AdaptiveAvgPool2d extends AdaptivePool {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AdaptiveAvgPool2d";

  /**
   * An output of a size; null in it is the input's.
   *
   * @throws {RangeError} if a size is no positive integer, or there are too many.
   */
  constructor(outputSize: OutputSizes) {
    super(2, outputSize);
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, (N, C, H, W) or (C, H, W).
   * @throws {RangeError} if the shape is another.
   */
  override forward(x: Tensor): Tensor {
    return batched(this.displayName, x, 2, (x) => adaptiveAvgPool2d(x, this.outputSize));
  }
}
