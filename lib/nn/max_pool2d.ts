/**
 * The greatest of a window over two dimensions.
 *
 * @module
 */
import { maxPool2d, type MaxPoolOptions } from "../tensor/pooling.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Sizes } from "../tensor/window.ts";
import { batched } from "./batched.ts";
import { sizesOf } from "./layer_arguments.ts";
import { Pool } from "./pool.ts";
import { python } from "./python_text.ts";

/**
 * The greatest number in each window, as `torch.nn.MaxPool2d`. What is added on the sides never is the
 * greatest.
 *
 * @example
 * ```ts
 * import { MaxPool2d, randn } from "@staticquant/staticquant";
 * console.log(new MaxPool2d(2).forward(randn([2, 8, 16, 16])).shape); // [ 2, 8, 8, 8 ]
 * ```
 */
export class MaxPool2d extends Pool {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "MaxPool2d";

  /** Steps between what a window reads, as they were given. */
  readonly dilation: Sizes;

  /**
   * A window of a size.
   *
   * @throws {RangeError} if a size is none, or padding is more than half of the window.
   * @throws {TypeError} if an option does not exist.
   */
  constructor(kernelSize: Sizes, options: MaxPoolOptions = {}) {
    super(2, kernelSize, options, ["dilation"]);
    this.dilation = options.dilation ?? 1;
    sizesOf(this.displayName, "dilation", this.dilation, 2);
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, (N, C, H, W) or (C, H, W).
   * @throws {RangeError} if the shape is another, or no window fits.
   */
  override forward(x: Tensor): Tensor {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return batched(
      this.displayName,
      x,
      2,
      (x) => maxPool2d(x, kernelSize, { stride, padding, dilation, ceilMode }),
    );
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    return `kernel_size=${python(this.kernelSize)}, stride=${python(this.stride)}, padding=${
      python(this.padding)
    }, dilation=${python(this.dilation)}, ceil_mode=${python(this.ceilMode)}`;
  }
}
