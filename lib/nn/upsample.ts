/**
 * Larger pictures.
 *
 * @module
 */
import { checkChoice, checkOptions } from "../numbers/arguments.ts";
import { interpolate, type InterpolateOptions } from "../tensor/interpolate.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkBoolean, checkNumber, checkSize } from "./layer_arguments.ts";
import { Module } from "./module.ts";
import { python, pythonFloat } from "./python_text.ts";

const MODES = ["nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear"] as const;

/**
 * The input in another size, as `torch.nn.Upsample`.
 *
 * @example
 * ```ts
 * import { randn, Upsample } from "@staticquant/staticquant";
 * const layer = new Upsample({ scaleFactor: 2, mode: "bilinear" });
 * console.log(layer.forward(randn([1, 3, 8, 8])).shape); // [ 1, 3, 16, 16 ]
 * ```
 */
export class Upsample extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Upsample";

  /** Sizes of the output, or undefined. */
  readonly size?: number | readonly number[];
  /** What sizes are multiplied with, or undefined. */
  readonly scaleFactor?: number | readonly number[];
  /** How numbers between those of the input are found. */
  readonly mode: NonNullable<InterpolateOptions["mode"]>;
  /** Whether the corners' middles lie on each other; undefined where it was not said. */
  readonly alignCorners?: boolean;

  /**
   * Takes the sizes or factors, and the mode.
   *
   * @throws {RangeError} if a size is no positive integer.
   * @throws {TypeError} if an option does not exist, or there are both or none of size and scaleFactor.
   */
  constructor(options: InterpolateOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["size", "scaleFactor", "mode", "alignCorners"]);
    const { size, scaleFactor, mode = "nearest", alignCorners } = options;
    if ((size === undefined) === (scaleFactor === undefined)) {
      throw new TypeError(`${where}: give size or scaleFactor, and not both`);
    }
    for (const s of [size ?? []].flat()) checkSize(where, "size", s);
    for (const f of [scaleFactor ?? []].flat()) checkNumber(where, "scaleFactor", f);
    this.mode = checkChoice(where, "mode", mode, MODES);
    if (size !== undefined) this.size = size;
    if (scaleFactor !== undefined) this.scaleFactor = scaleFactor;
    if (alignCorners !== undefined) {
      this.alignCorners = checkBoolean(where, "alignCorners", alignCorners);
    }
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param x float, (N, C, L), (N, C, H, W) or (N, C, D, H, W).
   * @throws {RangeError} if the shape is another, or the mode is not for it.
   */
  override forward(x: Tensor): Tensor {
    const { size, scaleFactor, mode, alignCorners } = this;
    return interpolate(x, { size, scaleFactor, mode, alignCorners });
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    const sizes = this.scaleFactor === undefined
      ? `size=${python(this.size)}`
      : `scale_factor=${pythonFloat(this.scaleFactor)}`;
    return `${sizes}, mode=${python(this.mode)}`;
  }
}
