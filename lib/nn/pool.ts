/**
 * What the layers that pool have in common.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import type { AvgPoolOptions } from "../tensor/pooling.ts";
import type { Sizes } from "../tensor/window.ts";
import { checkBoolean, sizesOf } from "./layer_arguments.ts";
import { Module } from "./module.ts";

/** A window that is moved over the input; {@linkcode MaxPool2d} and its like say what it gives. */
export abstract class Pool extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Pool";

  /** The size of the window, as it was given. */
  readonly kernelSize: Sizes;
  /** Steps between windows, as they were given. */
  readonly stride: Sizes;
  /** What is added on both sides, as it was given. */
  readonly padding: Sizes;
  /** Whether a window may reach beyond the end. */
  readonly ceilMode: boolean;

  /** A window over `spatial` dimensions; `more` are the names of further options. */
  protected constructor(
    spatial: number,
    kernelSize: Sizes,
    options: Pick<AvgPoolOptions, "stride" | "padding" | "ceilMode">,
    more: readonly string[],
  ) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["stride", "padding", "ceilMode", ...more]);
    const { stride = kernelSize, padding = 0, ceilMode = false } = options;
    const window = sizesOf(where, "kernelSize", kernelSize, spatial);
    sizesOf(where, "stride", stride, spatial);
    sizesOf(where, "padding", padding, spatial, 0).forEach((size, i) => {
      if (size * 2 <= window[i]) return;
      throw new RangeError(
        `${where}: padding must be at most half of the window, got ${size} for a window of ${
          window[i]
        }`,
      );
    });
    this.kernelSize = kernelSize;
    this.stride = stride;
    this.padding = padding as Sizes;
    this.ceilMode = checkBoolean(where, "ceilMode", ceilMode);
  }
}
