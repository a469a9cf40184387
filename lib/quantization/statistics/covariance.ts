/**
 * The Gram matrix of what a node reads.
 *
 * @module
 */
import { addProducts, rowStarts } from "../../numbers/column_products.ts";
import { ExactSums } from "../../numbers/exact_sum.ts";
import { columnsOf, type ReadRows, rowLength } from "./rows.ts";
import { sumsAsTensors, sumsOf } from "./saved_sums.ts";
import { countOf, entryOf, type SavedTensors } from "./statistic.ts";

/** The longest rows whose products with each other are kept. */
export const LONGEST_ROW = 4096;

/** Products of one sample; shared, for one sample is observed at a time. */
let scratch = new Float64Array(0);

/** `XᵀX` over all rows that a MatMul, Gemm or Conv multiplies with its weight; what GPTQ asks for. */
export class Covariance {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "Covariance";

  /** The kind. */
  readonly kind = "covariance";
  /**
   * The names of the tensors that it is saved as.
   *
   * @ignore
   */
  readonly tensorNames: readonly string[] = ["places", "digits", "count"];
  /** Numbers in a row: the sides of a matrix. */
  readonly size: number;
  /** ReadRows that were seen. */
  count = 0;
  /** Of each group the products `i ≤ j`, row by row. */
  private sums: ExactSums;

  /** One that has seen nothing. */
  constructor(
    /** How rows are taken out of the activation. */
    readonly rows: ReadRows,
  ) {
    this.size = rowLength(rows);
    this.sums = new ExactSums(rows.groups * this.products);
  }

  /** Products that a group has. */
  private get products(): number {
    return this.size * (this.size + 1) / 2;
  }

  /**
   * Takes note of the activation of one sample.
   *
   * @ignore
   */
  observe(data: Float32Array, dims: readonly number[]): void {
    const { size, sums, rows: { groups } } = this;
    if (scratch.length < sums.length) scratch = new Float64Array(sums.length);
    const starts = Array.from(
      { length: groups },
      (_, g) => rowStarts(size, true, g * this.products),
    );
    let seen = 0;
    for (const { columns, n } of columnsOf(this.rows, data, dims)) {
      for (let g = 0; g < groups; g++) {
        const own = { data: columns, from: g * size * n, n };
        addProducts({ data: scratch, starts: starts[g] }, size, own);
      }
      seen += n;
    }
    for (let at = 0; at < sums.length; at++) {
      sums.add(at, scratch[at]);
      scratch[at] = 0;
    }
    this.count += seen;
  }

  /** The matrix of a group, `size × size`, row by row. */
  matrix(group: number = 0): Float64Array {
    const { size, products, sums } = this;
    const matrix = new Float64Array(size * size);
    for (let i = 0, at = group * products; i < size; i++) {
      for (let j = i; j < size; j++, at++) {
        matrix[i * size + j] = matrix[j * size + i] = sums.value(at);
      }
    }
    return matrix;
  }

  /**
   * Takes in what another one has seen.
   *
   * @ignore
   */
  merge(other: Covariance): void {
    this.sums.merge(other.sums);
    this.count += other.count;
  }

  /**
   * The products and the count.
   *
   * @ignore
   */
  save(): SavedTensors {
    return new Map([
      ...sumsAsTensors(this.sums),
      ["count", entryOf(Float64Array.of(this.count))],
    ]);
  }

  /**
   * One that has seen what was saved.
   *
   * @ignore
   */
  loaded(saved: SavedTensors, samples: number): Covariance | undefined {
    const sums = sumsOf(saved, this.sums.length, samples);
    const count = countOf(saved, "count");
    if (!sums || count === undefined) return undefined;
    const loaded = new Covariance(this.rows);
    loaded.sums = sums;
    loaded.count = count;
    return loaded;
  }
}
