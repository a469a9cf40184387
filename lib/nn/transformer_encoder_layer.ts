/**
 * A layer of a transformer's encoder.
 *
 * @module
 */
import { checkOptions, given } from "../numbers/arguments.ts";
import { gelu } from "../tensor/activations.ts";
import { relu } from "../tensor/ops.ts";
import { add } from "../tensor/pointwise.ts";
import { type Tensor, tidy } from "../tensor/tensor.ts";
import { Dropout } from "./dropout.ts";
import { checkBoolean, LAYER_OPTIONS, type LayerOptions } from "./layer_arguments.ts";
import { LayerNorm } from "./layer_norm.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { MultiheadAttention } from "./multihead_attention.ts";

/** Options of {@linkcode TransformerEncoderLayer}. */
export interface TransformerEncoderLayerOptions extends LayerOptions {
  /** Size of what lies between the two linear layers; 2048 by default. */
  dimFeedforward?: number;
  /** The share of numbers that training drops; 0.1 by default. */
  dropout?: number;
  /** What stands between the two linear layers: "relu", the default, "gelu", or a module. */
  activation?: "relu" | "gelu" | Module;
  /** What is added to variances; 1e-5 by default. */
  layerNormEps?: number;
  /** Whether inputs and outputs are (N, L, E), not (L, N, E); false by default. */
  batchFirst?: boolean;
  /** Whether norms stand before attention and linear layers, not after; false by default. */
  normFirst?: boolean;
  /** Whether linear layers and norms have biases; true by default. */
  bias?: boolean;
}

/**
 * Self-attention and two linear layers, each with a norm and added to its input, as
 * `torch.nn.TransformerEncoderLayer`.
 *
 * @example
 * ```ts
 * import { randn, TransformerEncoderLayer } from "@staticquant/staticquant";
 * const layer = new TransformerEncoderLayer(32, 4, { dimFeedforward: 64, batchFirst: true });
 * using x = randn([2, 10, 32]);
 * console.log(layer.forward(x).shape); // [ 2, 10, 32 ]
 * ```
 */
export class TransformerEncoderLayer extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "TransformerEncoderLayer";

  /** The attention. */
  self_attn: MultiheadAttention;
  /** The first linear layer. */
  linear1: Module;
  /** Passes on what lies between the linear layers. */
  dropout: Module;
  /** The second linear layer. */
  linear2: Module;
  /** Whether norms stand before attention and linear layers. */
  readonly normFirst: boolean;
  /** The norm of the attention. */
  norm1: Module;
  /** The norm of the linear layers. */
  norm2: Module;
  /** Passes on what the attention gives. */
  dropout1: Module;
  /** Passes on what the linear layers give. */
  dropout2: Module;
  /** What stands between the linear layers. */
  activation: "relu" | "gelu" | Module;

  /**
   * A layer with weights drawn as PyTorch draws them.
   *
   * @param dModel size of inputs and outputs.
   * @param nhead how many heads the attention has.
   * @param options sizes, activation, norms, biases, dtype and device.
   * @throws {RangeError} if a size is no positive integer, or dModel no multiple of nhead.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(dModel: number, nhead: number, options: TransformerEncoderLayerOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, [
      "dimFeedforward",
      "dropout",
      "activation",
      "layerNormEps",
      "batchFirst",
      "normFirst",
      "bias",
      ...LAYER_OPTIONS,
    ]);
    const { dimFeedforward = 2048, dropout: p = 0.1, layerNormEps: eps = 1e-5, bias = true } =
      options;
    const { activation = "relu", normFirst = false, batchFirst = false, dtype, device } = options;
    if (!(activation instanceof Module) && !["relu", "gelu"].includes(activation)) {
      throw new TypeError(
        `${where}: activation must be "relu", "gelu" or a Module, got ${given(activation)}`,
      );
    }
    this.self_attn = new MultiheadAttention(dModel, nhead, {
      dropout: p,
      bias,
      batchFirst,
      dtype,
      device,
    });
    this.linear1 = new Linear(dModel, dimFeedforward, { bias, dtype, device });
    this.dropout = new Dropout({ p });
    this.linear2 = new Linear(dimFeedforward, dModel, { bias, dtype, device });
    this.normFirst = checkBoolean(where, "normFirst", normFirst);
    this.norm1 = new LayerNorm(dModel, { eps, bias, dtype, device });
    this.norm2 = new LayerNorm(dModel, { eps, bias, dtype, device });
    this.dropout1 = new Dropout({ p });
    this.dropout2 = new Dropout({ p });
    this.activation = activation;
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param src float, (L, N, dModel); with `batchFirst` (N, L, dModel); or (L, dModel).
   * @param srcMask (L, L) or (N · nhead, L, L): bool, true where a position may not look at another, or floats
   * that are added.
   * @param srcKeyPaddingMask (N, L): bool, true for positions that nothing may look at, or floats that are added.
   * @returns the shape of `src`.
   * @throws {RangeError} if a shape does not fit.
   */
  override forward(
    src: Tensor,
    srcMask: Tensor | null = null,
    srcKeyPaddingMask: Tensor | null = null,
  ): Tensor {
    return tidy(() => {
      const { norm1, norm2, normFirst } = this;
      const attended = this.attend(
        normFirst ? norm1.forward(src) : src,
        srcMask,
        srcKeyPaddingMask,
      );
      const sum = add(src, attended);
      const x = normFirst ? sum : norm1.forward(sum);
      const fed = add(x, this.feed(normFirst ? norm2.forward(x) : x));
      return normFirst ? fed : norm2.forward(fed);
    });
  }

  /** What the attention adds. */
  private attend(x: Tensor, mask: Tensor | null, padding: Tensor | null): Tensor {
    return this.dropout1.forward(this.self_attn.forward(x, x, x, padding, mask));
  }

  /** What the linear layers add. */
  private feed(x: Tensor): Tensor {
    const wide = this.linear1.forward(x);
    const { activation } = this;
    const active = activation === "relu"
      ? relu(wide)
      : activation === "gelu"
      ? gelu(wide)
      : activation.forward(wide);
    return this.dropout2.forward(this.linear2.forward(this.dropout.forward(active)));
  }
}
