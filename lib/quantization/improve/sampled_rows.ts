/**
 * Some rows of what layers read in a float model and in its quantized one, and weights that are rounded by them.
 *
 * @module
 */
import { addProducts, rowStarts } from "../../numbers/column_products.ts";
import { columnsAt, type ReadRows, rowCount, rowLength } from "../statistics/rows.ts";
import { adaround } from "./adaround.ts";
import { trusted } from "./trusted_covariance.ts";

/** Rows that are looked at: for each column so many, within these. */
const ROWS = { least: 512, most: 2048, perColumn: 4 } as const;
/**
 * Rows of more numbers are not looked at: the products of all their columns take eight bytes each, several times over, and
 * time that grows with the third power of how many there are.
 */
export const LONGEST_SAMPLED = 2048;
/** What keeps weights near to what they were, as a share of the mean square of what they multiply. */
const REFIT_DAMPING = 0.3;
/** Where the places of rows begin that are looked at. */
const SEED = 1;

/** Rows of what a layer reads: number `k` of row `r` of group `g` at `(g·K + k)·n + r`. */
export interface SampledRows {
  /** The numbers. */
  readonly columns: Float32Array;
  /** How many rows these are. */
  readonly n: number;
}

/** Means over rows of what a layer reads in a float model and in its quantized one. */
export interface RowProducts {
  /** Of products of two columns in the quantized model. */
  readonly covariance: Float64Array;
  /** Of a column in the float model and one in the quantized model. */
  readonly cross: Float64Array;
  /** How many rows there were. */
  readonly n: number;
  /** Of the columns, where these were taken out; else 0. */
  readonly means: { readonly float: Float64Array; readonly quantized: Float64Array };
}

/** Places that look random, none twice, the same each time. */
function somePlaces(count: number, most: number, seed: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  // One of each part of the whole.
  let state = seed >>> 0;
  return Array.from({ length: most }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const [from, to] = [Math.floor(i * count / most), Math.floor((i + 1) * count / most)];
    return from + Math.floor(state / 2 ** 32 * (to - from));
  });
}

/**
 * Some rows of what a layer reads, the same places in each model.
 *
 * @param sample its number, and how many samples there are.
 */
export function sampledRows(
  reads: ReadRows,
  data: Float32Array,
  dims: readonly number[],
  [sample, samples]: readonly [number, number],
): SampledRows {
  const all = Math.min(Math.max(ROWS.perColumn * rowLength(reads), ROWS.least), ROWS.most);
  const most = Math.ceil(all / samples);
  const places = somePlaces(rowCount(reads, dims), most, SEED + sample);
  return { columns: columnsAt(reads, data, dims, places), n: places.length };
}

/** The means of products of columns of rows of a group, and of the columns, of what a layer reads in two models. */
export function productsOfRows(
  { groups, ...reads }: ReadRows,
  group: number,
  float: readonly SampledRows[],
  quantized: readonly SampledRows[],
  centered: boolean,
): RowProducts {
  const size = rowLength({ groups, ...reads });
  let n = 0;
  for (const each of quantized) n += each.n;
  const [x, y] = [float, quantized].map((pieces) => {
    const all = new Float32Array(size * n);
    const means = new Float64Array(size);
    for (let k = 0; k < size; k++) {
      let at = k * n;
      for (const piece of pieces) {
        const from = (group * size + k) * piece.n;
        all.set(piece.columns.subarray(from, from + piece.n), at);
        at += piece.n;
      }
      if (!centered) continue;
      const column = all.subarray(k * n, (k + 1) * n);
      let sum = 0;
      for (let r = 0; r < n; r++) sum += column[r];
      means[k] = sum / n;
      for (let r = 0; r < n; r++) column[r] -= means[k];
    }
    return { all, means };
  });
  const [covariance, cross] = [new Float64Array(size * size), new Float64Array(size * size)];
  const starts = rowStarts(size, false);
  const [ours, theirs] = [x, y].map(({ all }) => ({ data: all, from: 0, n }));
  addProducts({ data: covariance, starts }, size, theirs);
  addProducts({ data: cross, starts }, size, ours, theirs);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      cross[i * size + j] /= n;
      if (j >= i) covariance[j * size + i] = covariance[i * size + j] /= n;
    }
  }
  return { covariance, cross, n, means: { float: x.means, quantized: y.means } };
}

/**
 * Rows of a weight by {@linkcode adaround}, so that they make up for what the layers before are off by; `shift` is what
 * makes up for the means where these were taken out of the products.
 */
export function adaroundRows(
  weight: Float64Array,
  { covariance, cross, means, n }: RowProducts,
  rows: number,
  most: number,
  check: () => void,
): { integers: Int16Array; scales: Float32Array; shift: Float64Array } {
  const { integers, scales } = adaround(weight, trusted(covariance, weight, n), rows, {
    ...{ quantMin: -most, quantMax: most, refitDamping: REFIT_DAMPING },
    ...{ cross: trusted(cross, weight, n), onRows: check },
  });
  const shift = new Float64Array(rows);
  const columns = weight.length / rows;
  for (let i = 0; i < weight.length; i++) {
    const [r, k] = [Math.floor(i / columns), i % columns];
    shift[r] += weight[i] * means.float[k] - integers[i] * scales[r] * means.quantized[k];
  }
  return { integers, scales, shift };
}
