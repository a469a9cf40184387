/**
 * Attention with several heads.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { bool, type DType } from "../numbers/dtype.ts";
import { formatShape, sameShape } from "../numbers/shape.ts";
import { scaledDotProductAttention } from "../tensor/attention.ts";
import { Formula } from "../tensor/formula.ts";
import { permute, slice } from "../tensor/movement.ts";
import { linear } from "../tensor/ops.ts";
import { strided } from "../tensor/strided.ts";
import { checkTensor, type Tensor, tidy } from "../tensor/tensor.ts";
import { checkShare } from "./dropout.ts";
import { all, uniform, xavierBound } from "./initial.ts";
import {
  checkBoolean,
  checkFloatDType,
  checkParametersFit,
  checkSize,
  LAYER_OPTIONS,
  type LayerOptions,
} from "./layer_arguments.ts";
import { Linear } from "./linear.ts";
import { checkModule, Module } from "./module.ts";

/** Options of {@linkcode MultiheadAttention}. */
export interface MultiheadAttentionOptions extends LayerOptions {
  /** The share of weights that training drops; 0 by default. */
  dropout?: number;
  /** Whether the projections have biases; true by default. */
  bias?: boolean;
  /** Size of the keys; embedDim by default. */
  kdim?: number;
  /** Size of the values; embedDim by default. */
  vdim?: number;
  /** Whether inputs and outputs are (N, L, E), not (L, N, E); false by default. */
  batchFirst?: boolean;
}

/**
 * Attention with several heads, as `torch.nn.MultiheadAttention`: query, key and value are projected,
 * cut into heads, of which each attends by itself, and what they give is put together and projected.
 *
 * @example
 * ```ts
 * import { MultiheadAttention, randn } from "@staticquant/staticquant";
 * const layer = new MultiheadAttention(32, 4, { batchFirst: true });
 * using x = randn([2, 10, 32]);
 * console.log(layer.forward(x).shape); // [ 2, 10, 32 ]
 * ```
 */
export class MultiheadAttention extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "MultiheadAttention";

  /** Size of query and output. */
  readonly embedDim: number;
  /** How many heads there are. */
  readonly numHeads: number;
  /** Size of the keys. */
  readonly kdim: number;
  /** Size of the values. */
  readonly vdim: number;
  /** The share of weights that training drops. */
  readonly dropout: number;
  /** Whether inputs and outputs are (N, L, E). */
  readonly batchFirst: boolean;
  /** The projections of query, key and value, (3 · embedDim, embedDim); null where their sizes differ. */
  in_proj_weight: Tensor | null;
  /** The projection of the query, (embedDim, embedDim), where sizes differ. */
  q_proj_weight: Tensor | null;
  /** The projection of the key, (embedDim, kdim), where sizes differ. */
  k_proj_weight: Tensor | null;
  /** The projection of the value, (embedDim, vdim), where sizes differ. */
  v_proj_weight: Tensor | null;
  /** The biases of all three, (3 · embedDim,), or null. */
  in_proj_bias: Tensor | null;
  /** The projection of the query as a layer of its own, after {@linkcode splitProjections_}; else null. */
  linear_Q: Module | null = null;
  /** That of the key. */
  linear_K: Module | null = null;
  /** That of the value. */
  linear_V: Module | null = null;
  /** The last projection. */
  out_proj: Module;

  /**
   * A layer with weights drawn as PyTorch draws them.
   *
   * @throws {RangeError} if a size is no positive integer, or embedDim no multiple of numHeads.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, [
      "dropout",
      "bias",
      "kdim",
      "vdim",
      "batchFirst",
      ...LAYER_OPTIONS,
    ]);
    checkFloatDType(where, options);
    this.embedDim = checkSize(where, "embedDim", embedDim);
    this.numHeads = checkSize(where, "numHeads", numHeads);
    if (embedDim % numHeads !== 0) {
      throw new RangeError(
        `${where}: embedDim must be a multiple of numHeads, got ${embedDim} and ${numHeads}`,
      );
    }
    const { dropout = 0, bias = true, kdim = embedDim, vdim = embedDim, batchFirst = false } =
      options;
    this.kdim = checkSize(where, "kdim", kdim);
    this.vdim = checkSize(where, "vdim", vdim);
    this.dropout = checkShare(where, "dropout", dropout);
    this.batchFirst = checkBoolean(where, "batchFirst", batchFirst);
    checkBoolean(where, "bias", bias);
    const { dtype, device } = options;
    const draw = (shape: number[]) => {
      checkParametersFit(where, [shape], options);
      return uniform(shape, xavierBound(shape), options);
    };
    const same = kdim === embedDim && vdim === embedDim;
    this.q_proj_weight = same ? null : draw([embedDim, embedDim]);
    this.k_proj_weight = same ? null : draw([embedDim, kdim]);
    this.v_proj_weight = same ? null : draw([embedDim, vdim]);
    this.in_proj_weight = same ? draw([3 * embedDim, embedDim]) : null;
    this.in_proj_bias = bias ? all(0, [3 * embedDim], options) : null;
    const out = new Linear(embedDim, embedDim, { bias, dtype, device });
    if (out.bias) out.bias = all(0, [embedDim], options);
    this.out_proj = out;
  }

  /**
   * The layer's output. Enqueued.
   *
   * @param query float, (L, N, embedDim); with `batchFirst` (N, L, embedDim); or (L, embedDim).
   * @param key (S, N, kdim), or as the query is laid out; the query itself by default.
   * @param value (S, N, vdim), or as the query is laid out; the key itself by default.
   * @param keyPaddingMask (N, S), or (S,) without N: bool, true for keys that nothing may look at, or floats
   * that are added to the products.
   * @param attnMask (L, S) or (N · numHeads, L, S): bool, true where a query may not look at a key, or floats
   * that are added to the products.
   * @returns the shape of the query.
   * @throws {RangeError} if a shape does not fit.
   * @throws {TypeError} if a dtype does not.
   */
  override forward(
    query: Tensor,
    key: Tensor = query,
    value: Tensor = key,
    keyPaddingMask: Tensor | null = null,
    attnMask: Tensor | null = null,
  ): Tensor {
    this.check(query, key, value);
    if (query.ndim === 2) return this.withoutBatch(query, key, value, keyPaddingMask, attnMask);
    return tidy(() => {
      const [q, k, v] = this.project(query, key, value);
      const [batch, heads, length] = q.shape;
      const sizes = [batch, heads, length, k.shape[2]];
      const attnMasks = this.mask(sizes, keyPaddingMask, attnMask, query.dtype);
      const y = scaledDotProductAttention(q, k, v, { attnMask: attnMasks });
      const rows = permute(y, this.batchFirst ? [0, 2, 1, 3] : [2, 0, 1, 3]);
      return this.out_proj.forward(rows.reshape(query.shape));
    });
  }

  /** Query, key and value in heads, (N, numHeads, length, embedDim / numHeads). */
  private project(query: Tensor, key: Tensor, value: Tensor): [Tensor, Tensor, Tensor] {
    const { linear_Q, linear_K, linear_V } = this;
    if (linear_Q && linear_K && linear_V) {
      const parts = [[linear_Q, query], [linear_K, key], [linear_V, value]] as const;
      return parts.map(([layer, x]) => this.heads(layer.forward(x), 0)) as [Tensor, Tensor, Tensor];
    }
    const { q_proj_weight: q, k_proj_weight: k, v_proj_weight: v } = this;
    if (q && k && v) {
      const parts = [[query, q], [key, k], [value, v]] as const;
      return parts.map(([x, weight], i) => {
        const bias = this.biasOf(i, i + 1);
        const rows = linear(x, weight, bias, this.displayName);
        return this.heads(rows, 0);
      }) as [Tensor, Tensor, Tensor];
    }
    if (query === key && key === value) {
      const rows = linear(query, this.in_proj_weight!, this.in_proj_bias, this.displayName);
      return [this.heads(rows, 0), this.heads(rows, 1), this.heads(rows, 2)];
    }
    const queryRows = this.part(query, 0, 1);
    if (key === value) {
      const rows = this.part(key, 1, 3);
      return [this.heads(queryRows, 0), this.heads(rows, 0), this.heads(rows, 1)];
    }
    const keyRows = this.part(key, 1, 2);
    const valueRows = this.part(value, 2, 3);
    return [this.heads(queryRows, 0), this.heads(keyRows, 0), this.heads(valueRows, 0)];
  }

  /**
   * Has the projections of query, key and value be layers of their own, `linear_Q`, `linear_K` and `linear_V`, as
   * `torch.ao.nn.quantizable.MultiheadAttention`: see {@linkcode splitProjections_}.
   *
   * @ignore
   */
  splitProjections(): void {
    if (this.linear_Q) return;
    const joint = this.in_proj_weight;
    const { embedDim, q_proj_weight, k_proj_weight, v_proj_weight } = this;
    const own = [q_proj_weight, k_proj_weight, v_proj_weight];
    const layers = own.map((weight, i) => {
      const part = weight ?? slice(joint!, 0, i * embedDim, (i + 1) * embedDim).clone().keep();
      const bias = this.biasOf(i, i + 1)?.clone().keep() ?? null;
      return new Linear(part.shape[1], embedDim, { weight: part, bias });
    });
    [this.linear_Q, this.linear_K, this.linear_V] = layers;
    this.in_proj_weight =
      this.q_proj_weight =
      this.k_proj_weight =
      this.v_proj_weight =
        null;
    this.in_proj_bias = null;
  }

  /** Some of the three projections of the joint weight. */
  private part(x: Tensor, from: number, to: number): Tensor {
    const weight = slice(this.in_proj_weight!, 0, from * this.embedDim, to * this.embedDim);
    const bias = this.biasOf(from, to);
    return linear(x, weight, bias, this.displayName);
  }

  /** Their biases, or null. */
  private biasOf(from: number, to: number): Tensor | null {
    return this.in_proj_bias &&
      slice(this.in_proj_bias, 0, from * this.embedDim, to * this.embedDim);
  }

  /** The `part`-th embedDim columns of rows, in heads. */
  private heads(rows: Tensor, part: number): Tensor {
    const { embedDim, numHeads, batchFirst } = this;
    const [a, b, width] = rows.shape;
    const size = embedDim / numHeads;
    const [batch, length] = batchFirst ? [a, b] : [b, a];
    const [alongBatch, alongLength] = batchFirst ? [b * width, width] : [width, b * width];
    const strides = [alongBatch, size, alongLength, 1];
    return strided(rows, [batch, numHeads, length, size], strides, part * embedDim);
  }

  /** An input without N, with one around it. */
  private withoutBatch(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    keyPaddingMask: Tensor | null,
    attnMask: Tensor | null,
  ): Tensor {
    const wrap = (x: Tensor) =>
      this.batchFirst ? x.reshape(1, ...x.shape) : x.reshape(x.shape[0], 1, x.shape[1]);
    return tidy(() => {
      const q = wrap(query);
      const k = key === query ? q : wrap(key);
      const v = value === key ? k : wrap(value);
      const padding = keyPaddingMask && keyPaddingMask.reshape(1, keyPaddingMask.numel);
      return this.forward(q, k, v, padding, attnMask).reshape(query.shape);
    });
  }

  /** Both masks in one that is added, or null where there is none. */
  private mask(
    [batch, heads, length, keys]: readonly number[],
    padding: Tensor | null,
    attention: Tensor | null,
    dtype: DType,
  ): Tensor | null {
    const where = this.displayName;
    if (!padding && !attention) return null;
    const formula = new Formula(where);
    const added = (mask: Tensor) =>
      mask.dtype === bool
        ? formula.apply("select", formula.read(mask, "int"), formula.read(-Infinity, "float"), 0)
        : formula.read(mask, "float");
    if (padding) checkMask(where, "keyPaddingMask", padding, [[batch, keys]]);
    if (attention) {
      checkMask(where, "attnMask", attention, [[length, keys], [batch * heads, length, keys]]);
    }
    const first = padding && padding.reshape(batch, 1, 1, keys);
    const second = attention &&
      (attention.ndim === 2
        ? attention.reshape(length, keys)
        : attention.reshape(batch, heads, length, keys));
    const terms = [first, second].filter((mask) => mask !== null).map(added);
    formula.apply("add", terms[0], terms[1] ?? 0);
    return formula.result(dtype);
  }

  /** Refuses inputs whose shapes do not fit the layer and each other. */
  private check(query: Tensor, key: Tensor, value: Tensor): void {
    const where = this.displayName;
    const [n, length] = this.batchFirst ? [0, 1] : [1, 0];
    const sizes = { query: this.embedDim, key: this.kdim, value: this.vdim };
    for (const [name, x] of Object.entries({ query, key, value })) {
      checkTensor(`${where}: ${name}`, x);
      const size = sizes[name as keyof typeof sizes];
      const fits = [2, 3].includes(x.ndim) && x.ndim === query.ndim && x.shape.at(-1) === size &&
        (x.ndim === 2 || x.shape[n] === query.shape[n]);
      if (fits) continue;
      const laidOut = this.batchFirst ? `(N, L, ${size})` : `(L, N, ${size})`;
      throw new RangeError(
        `${where}: the ${name} must have shape ${laidOut} or (L, ${size}), as the query has it, got ${
          formatShape(x.shape)
        } for a query of ${formatShape(query.shape)}`,
      );
    }
    const [keys, values] = [key, value].map((x) => x.shape[x.ndim === 2 ? 0 : length]);
    if (keys === values) return;
    throw new RangeError(
      `${where}: there must be as many keys as values, got ${keys} and ${values}`,
    );
  }
}

/**
 * Makes the projections of query, key and value in each `MultiheadAttention` of a model layers of their own, in
 * place: `linear_Q`, `linear_K` and `linear_V`, as `torch.ao.nn.quantizable.MultiheadAttention` has them, so that
 * they are observed and quantized as every `Linear` is. The model computes what it did, and its state dict has
 * these names instead of `in_proj_weight` and `in_proj_bias`; a quantized model is loaded into one that was split
 * too.
 *
 * @returns the full names of the layers that were split, `""` for the model itself.
 * @throws {TypeError} if `model` is no Module.
 *
 * @example
 * ```ts
 * import { Sequential, splitProjections_, TransformerEncoderLayer } from "@staticquant/staticquant";
 * const m = new Sequential({ layer: new TransformerEncoderLayer(32, 4) });
 * console.log(splitProjections_(m)); // [ "layer.self_attn" ]
 * ```
 */
export function splitProjections_(model: Module): string[] {
  checkModule("splitProjections_", model);
  const attentions = model.namedModules().filter((entry): entry is [string, MultiheadAttention] =>
    entry[1] instanceof MultiheadAttention && entry[1].linear_Q === null
  );
  tidy(() => attentions.forEach(([, attention]) => attention.splitProjections()));
  return attentions.map(([name]) => name);
}

/** Throws unless a mask is of bool or floats and has one of the shapes. */
function checkMask(where: string, name: string, mask: Tensor, shapes: number[][]): void {
  checkTensor(`${where}: ${name}`, mask);
  if (!mask.dtype.isFloat && mask.dtype !== bool) {
    throw new TypeError(
      `${where}: ${name} must be of bool or a float dtype, got ${mask.dtype.name}; convert it with ` +
        `.to(bool)`,
    );
  }
  if (shapes.some((shape) => sameShape(shape, mask.shape))) return;
  throw new RangeError(
    `${where}: ${name} must have shape ${shapes.map(formatShape).join(" or ")}, got ${
      formatShape(mask.shape)
    }`,
  );
}
