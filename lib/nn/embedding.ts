/**
 * A table of rows that are looked up.
 *
 * @module
 */
import { checkOptions } from "../numbers/arguments.ts";
import { indexSelect } from "../tensor/movement.ts";
import { nextNormal } from "../tensor/random.ts";
import { checkTensor, type Tensor, tensor } from "../tensor/tensor.ts";
import {
  checkFloatDType,
  checkParameter,
  checkParametersFit,
  checkSize,
  LAYER_OPTIONS,
  type LayerOptions,
} from "./layer_arguments.ts";
import { Module } from "./module.ts";

/** Options of {@linkcode Embedding}. */
export interface EmbeddingOptions extends LayerOptions {
  /** The index of a row that stands for nothing and starts out as zeros; negative counts from the end. */
  paddingIdx?: number | null;
  /** The table to hold, (numEmbeddings, embeddingDim); by default one is drawn at random. */
  weight?: Tensor;
}

/**
 * Rows of a table by index, as `torch.nn.Embedding`. The table starts out normal, by the stream of
 * `manualSeed`.
 *
 * @example
 * ```ts
 * import { Embedding, int32, tensor } from "@staticquant/staticquant";
 * const layer = new Embedding(100, 16);
 * const ids = tensor([[1, 5, 7]], { dtype: int32 });
 * console.log(String(layer), layer.forward(ids).shape); // Embedding(100, 16) [ 1, 3, 16 ]
 * ```
 */
export class Embedding extends Module {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "Embedding";

  /** How many rows there are. */
  readonly numEmbeddings: number;
  /** The length of a row. */
  readonly embeddingDim: number;
  /** The index of the row that stands for nothing, or null. */
  readonly paddingIdx: number | null;
  /** (numEmbeddings, embeddingDim). */
  weight: Tensor;

  /**
   * A layer with a table drawn at random, unless it is given.
   *
   * @throws {RangeError} if a size is no positive integer, the index is not in the table, or the table given has
   * another shape.
   * @throws {TypeError} if an option does not exist, or the dtype is not float.
   */
  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    super();
    const where = this.displayName;
    checkOptions(where, options, ["paddingIdx", ...LAYER_OPTIONS, "weight"]);
    checkFloatDType(where, options);
    this.numEmbeddings = checkSize(where, "numEmbeddings", numEmbeddings);
    this.embeddingDim = checkSize(where, "embeddingDim", embeddingDim);
    this.paddingIdx = rowOf(where, options.paddingIdx ?? null, numEmbeddings);
    const shape = [numEmbeddings, embeddingDim];
    checkParameter(where, "weight", options.weight, shape);
    this.weight = options.weight ?? this.table(shape, options);
  }

  /** Normal numbers, but for a row of zeros. */
  private table(shape: readonly number[], options: LayerOptions): Tensor {
    checkParametersFit(this.displayName, [shape], options);
    const { dtype, device } = options;
    const [rows, columns] = shape;
    const values = Float32Array.from({ length: rows * columns }, nextNormal);
    const at = this.paddingIdx;
    if (at !== null) values.fill(0, at * columns, (at + 1) * columns);
    return tensor(values, { shape, dtype, device }).keep();
  }

  /**
   * The rows of the indices. Enqueued.
   *
   * @param indices integers, of any shape, from 0 to numEmbeddings − 1.
   * @returns the shape of `indices` with (…, embeddingDim), in the dtype of the weight.
   * @throws {TypeError} if the indices are not integers.
   */
  override forward(indices: Tensor): Tensor {
    const where = this.displayName;
    checkTensor(where, indices);
    if (indices.dtype.isFloat) {
      throw new TypeError(
        `${where}: indices must be integers, got ${indices.dtype.name}; make them with dtype int32`,
      );
    }
    using list = indices.reshape(indices.numel);
    using rows = indexSelect(this.weight, 0, list);
    return rows.reshape(...indices.shape, this.embeddingDim);
  }

  /** PyTorch's words for the sizes. */
  override extraRepr(): string {
    const padding = this.paddingIdx === null ? "" : `, padding_idx=${this.paddingIdx}`;
    return `${this.numEmbeddings}, ${this.embeddingDim}${padding}`;
  }
}

/** The row meant by an index that may count from the end. */
function rowOf(where: string, index: number | null, rows: number): number | null {
  if (index === null) return null;
  const at = checkSize(where, "paddingIdx", index, -Infinity) + (index < 0 ? rows : 0);
  if (at >= 0 && at < rows) return at;
  throw new RangeError(`${where}: paddingIdx must be an index of ${rows} rows, got ${index}`);
}
