/**
 * The mean of a window over one dimension.
 *
 * @module
 */
import { avgPool1d, type AvgPoolOptions } from "../tensor/pooling.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sizes } from "../tensor/window.ts";
import { batched } from "./batched.ts";
import { checkBoolean } from "./layer_arguments.ts";
import { Pool } from "./pool.ts";
import { python } from "./python_text.ts";

/**
 * The mean of each window, as `torch.nn.AvgPool1d`.
 *
 * @example
 * ```ts
 * import { AvgPool1d, randn } from "@staticquant/staticquant";
 * console.log(new AvgPool1d(2).forward(randn([2, 8, 16])).shape); // [ 2, 8, 8 ]
 * ```
 */
export class AvgPool1d extends Pool {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AvgPool1d";

  /** Whether the zeros on the sides count. */
  readonly countIncludePad: boolean;

  /**
   * A window of a size.
   *
   * @throws {RangeError} if a size is none, or padding is more than half of the window.
   * @throws {TypeError} if an option does not exist.
   */
  constructor(kernelSize: Sizes, options: Omit<AvgPoolOptions, "divisorOverride"> = {}) {
    super(1, kernelSize, options, ["countIncludePad"]);
    const { countIncludePad = true } = options;
    this.countIncludePad = checkBoolean(this.displayName, "countIncludePad", countIncludePad);
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, (N, C, L) or (C, L).
   * @throws {RangeError} if the shape is another, or no window fits.
   */
  override forward(x: Tensor): Tensor {
    const { kernelSize, stride, padding, ceilMode, countIncludePad } = this;
    const options = { stride, padding, ceilMode, countIncludePad };
    return batched(this.displayName, x, 1, (x) => avgPool1d(x, kernelSize, options));
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    const [kernel, stride, padding] = [this.kernelSize, this.stride, this.padding].map((size) =>
      python(Array.isArray(size) ? size : [size])
    );
    return `kernel_size=${kernel}, stride=${stride}, padding=${padding}`;
  }
}
