/**
 * What the layers that pool to a size have in common.
 *
 * @module
 */
import { given } from "../numbers/arguments.ts";
import { checkSize } from "./layer_arguments.ts";
import { Module } from "./module.ts";
import { python } from "./python_text.ts";

/** A size for all dimensions or one each; null for as much as the input has. */
export type OutputSizes = number | null | readonly (number | null)[];

/** Windows that divide the input evenly into so many outputs. */
export abstract class AdaptivePool<S extends OutputSizes = OutputSizes> extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "AdaptivePool";

  /** The size of the output, as it was given. */
  readonly outputSize: S;

  /** An output of a size, in `spatial` dimensions. */
  protected constructor(spatial: number, outputSize: S) {
    super();
    const where = this.displayName;
    const sizes: readonly unknown[] = Array.isArray(outputSize) ? outputSize : [outputSize];
    if (Array.isArray(outputSize) && sizes.length !== spatial) {
      throw new RangeError(
        `${where}: outputSize must be one size or a list of ${spatial}, got ${
          given(outputSize)
        } of ${sizes.length}`,
      );
    }
    for (const size of sizes) if (size !== null) checkSize(where, "outputSize", size);
    this.outputSize = outputSize;
  }

  /** PyTorch's words for the size. */
  override extraRepr(): string {
    return `output_size=${python(this.outputSize)}`;
  }
}
