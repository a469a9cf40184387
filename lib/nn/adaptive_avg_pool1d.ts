/**
 * The mean of parts of the input, as many as are asked for.
 *
 * @module
 */
import { adaptiveAvgPool1d } from "../tensor/pooling.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sizes } from "../tensor/window.ts";
import { AdaptivePool } from "./adaptive_pool.ts";
import { batched } from "./batched.ts";

/**
 * The mean of each of so many windows that cover the input evenly, as `torch.nn.AdaptiveAvgPool1d`: window i of n
 * goes from ⌊i · size / n⌋ to ⌈(i + 1) · size / n⌉.
 *
 * @example
 * ```ts
 * import { AdaptiveAvgPool1d, randn } from "@staticquant/staticquant";
 * console.log(new AdaptiveAvgPool1d(4).forward(randn([2, 8, 15])).shape); // [ 2, 8, 4 ]
 * ```
 */
export class AdaptiveAvgPool1d extends AdaptivePool<Sizes> {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AdaptiveAvgPool1d";

  /**
   * An output of a size.
   *
   * @throws {RangeError} if a size is no positive integer, or there are too many.
   */
  constructor(outputSize: Sizes) {
    super(1, outputSize);
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, (N, C, L) or (C, L).
   * @throws {RangeError} if the shape is another.
   */
  override forward(x: Tensor): Tensor {
    return batched(this.displayName, x, 1, (x) => adaptiveAvgPool1d(x, this.outputSize));
  }
}
