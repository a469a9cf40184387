/**
 * The encoder of a transformer.
 *
 * @module
 */
import { checkOptions, given } from "../numbers/arguments.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkSize } from "./layer_arguments.ts";
import { deepcopy, Module } from "./module.ts";
import { ModuleList } from "./module_list.ts";
import { TransformerEncoderLayer } from "./transformer_encoder_layer.ts";

/** Options of {@linkcode TransformerEncoder}. */
export interface TransformerEncoderOptions {
  /** What the last layer's output goes through; nothing by default. */
  norm?: Module | null;
}

/**
 * Layers one after the other, as `torch.nn.TransformerEncoder`.
 *
 * @example
 * ```ts
 * import { LayerNorm, randn, TransformerEncoder, TransformerEncoderLayer } from "@staticquant/staticquant";
 * const layer = new TransformerEncoderLayer(32, 4, { dimFeedforward: 64, batchFirst: true });
 * const encoder = new TransformerEncoder(layer, 2, { norm: new LayerNorm(32) });
 * console.log(encoder.forward(randn([2, 10, 32])).shape); // [ 2, 10, 32 ]
 * ```
 */
export class TransformerEncoder extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "TransformerEncoder";

  /** The layers. */
  layers: ModuleList;
  /** What the last layer's output goes through, or null. */
  norm: Module | null;

  /**
   * Copies of a layer, all with its weights until others are loaded.
   *
   * @param encoderLayer is copied so many times.
   * @param numLayers how many layers there are.
   * @throws {RangeError} if that is no positive integer.
   * @throws {TypeError} if the layer is no TransformerEncoderLayer, or an option does not exist.
   */
  constructor(
    encoderLayer: TransformerEncoderLayer,
    numLayers: number,
    options: TransformerEncoderOptions = {},
  ) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["norm"]);
    if (!(encoderLayer instanceof TransformerEncoderLayer)) {
      throw new TypeError(
        `${where}: expected a TransformerEncoderLayer to copy, got ${given(encoderLayer)}`,
      );
    }
    const count = checkSize(where, "numLayers", numLayers);
    this.layers = new ModuleList(Array.from({ length: count }, () => deepcopy(encoderLayer)));
    this.norm = options.norm ?? null;
  }

  /**
   * The output of the last layer. Enqueued.
   *
   * @param src float, laid out as the layer takes it.
   * @param mask of all layers, as theirs.
   * @param srcKeyPaddingMask of all layers, as theirs.
   * @returns the shape of `src`.
   */
  override forward(
    src: Tensor,
    mask: Tensor | null = null,
    srcKeyPaddingMask: Tensor | null = null,
  ): Tensor {
    let x = src;
    const next = (y: Tensor) => {
      if (x !== src && x !== y) x.dispose();
      x = y;
    };
    for (const layer of this.layers as Iterable<TransformerEncoderLayer>) {
      next(layer.forward(x, mask, srcKeyPaddingMask));
    }
    if (this.norm) next(this.norm.forward(x));
    return x;
  }
}
