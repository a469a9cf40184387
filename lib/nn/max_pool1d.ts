/**
 * The greatest of a window over one dimension.
 *
 * @module
 */
import { maxPool1d, type MaxPoolOptions } from "../tensor/pooling.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sizes } from "../tensor/window.ts";
import { batched } from "./batched.ts";
import { sizesOf } from "./layer_arguments.ts";
import { Pool } from "./pool.ts";
import { python } from "./python_text.ts";

/**
 * The greatest number in each window, as `torch.nn.MaxPool1d`. What is added on the sides never is the
 * greatest.
 *
 * @example
 * ```ts
 * import { MaxPool1d, randn } from "@staticquant/staticquant";
 * console.log(new MaxPool1d(2).forward(randn([2, 8, 16])).shape); // [ 2, 8, 8 ]
 * ```
 */
export class MaxPool1d extends Pool {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "MaxPool1d";

  /** Steps between what a window reads, as they were given. */
  readonly dilation: Sizes;

  /**
   * A window of a size.
   *
   * @throws {RangeError} if a size is none, or padding is more than half of the window.
   * @throws {TypeError} if an option does not exist.
   */
  constructor(kernelSize: Sizes, options: MaxPoolOptions = {}) {
    super(1, kernelSize, options, ["dilation"]);
    this.dilation = options.dilation ?? 1;
    sizesOf(this.displayName, "dilation", this.dilation, 1);
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, (N, C, L) or (C, L).
   * @throws {RangeError} if the shape is another, or no window fits.
   */
  override forward(x: Tensor): Tensor {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return batched(
      this.displayName,
      x,
      1,
      (x) => maxPool1d(x, kernelSize, { stride, padding, dilation, ceilMode }),
    );
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    return `kernel_size=${python(this.kernelSize)}, stride=${python(this.stride)}, padding=${
      python(this.padding)
    }, dilation=${python(this.dilation)}, ceil_mode=${python(this.ceilMode)}`;
  }
}
