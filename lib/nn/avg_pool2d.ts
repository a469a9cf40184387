/**
 * The mean of a window over two dimensions.
 *
 * @module
 */
import { avgPool2d, type AvgPoolOptions } from "../tensor/pooling.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sizes } from "../tensor/window.ts";
import { batched } from "./batched.ts";
import { checkBoolean, checkSize } from "./layer_arguments.ts";
import { Pool } from "./pool.ts";
import { python } from "./python_text.ts";

/**
 * The mean of each window, as `torch.nn.AvgPool2d`.
 *
 * @example
 * ```ts
 * import { AvgPool2d, randn } from "@staticquant/staticquant";
 * console.log(new AvgPool2d(2).forward(randn([2, 8, 16, 16])).shape); // [ 2, 8, 8, 8 ]
 * ```
 */
export class AvgPool2d extends Pool {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AvgPool2d";

  /** Whether the zeros on the sides count. */
  readonly countIncludePad: boolean;
  /** What sums are divided by in place of the number of elements, or undefined. */
  readonly divisorOverride?: number;

  /**
   * A window of a size.
   *
   * @throws {RangeError} if a size is none, or padding is more than half of the window.
   * @throws {TypeError} if an option does not exist.
   */
  constructor(kernelSize: Sizes, options: AvgPoolOptions = {}) {
    super(2, kernelSize, options, ["countIncludePad", "divisorOverride"]);
    const { countIncludePad = true } = options;
    this.countIncludePad = checkBoolean(this.displayName, "countIncludePad", countIncludePad);
    const { divisorOverride } = options;
    if (divisorOverride !== undefined) {
      this.divisorOverride = checkSize(this.displayName, "divisorOverride", divisorOverride);
    }
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, (N, C, H, W) or (C, H, W).
   * @throws {RangeError} if the shape is another, or no window fits.
   */
  override forward(x: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad, divisorOverride } = this;
    const options = { stride, padding, ceilMode, countIncludePad, divisorOverride };
    return batched(this.displayName, x, 2, (x) => avgPool2d(x, kernelSize, options));
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    return `kernel_size=${python(this.kernelSize)}, stride=${python(this.stride)}, padding=${
      python(this.padding)
    }`;
  }
}
