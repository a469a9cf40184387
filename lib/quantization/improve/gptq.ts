/**
 * Rounding a matrix so that what it is multiplied with changes least.
 *
 * @module
 */
import { checkOptions } from "../../numbers/arguments.ts";
import { roundHalfEven } from "../../numbers/rounding.ts";
import { factorize } from "./cholesky.ts";
import { weightedScale } from "./weighted_scales.ts";

/** Options of {@linkcode gptq}. */
export interface GptqOptions {
  /** The least integer, such as −127 or −8. */
  quantMin: number;
  /** The greatest integer, such as 127 or 7. */
  quantMax: number;
  /** How many columns share a scale; all of a row by default. The last group may have fewer. */
  groupSize?: number;
  /**
   * A scale for each row, or for each group of each row, row by row; by default each is chosen so that plain rounding,
   * weighted by how large its columns' inputs are, has the least squared error.
   */
  scales?: ArrayLike<number>;
  /** The integers that stand for 0, as many as scales; 0 by default. */
  zeroPoints?: ArrayLike<number>;
  /** What is added to the covariance's diagonal, as a share of its mean; 0.01 by default. */
  damping?: number;
}

/** A matrix in integers. */
export interface RoundedMatrix {
  /** The integers, row by row; `w ≈ (q − zeroPoint) · scale`. */
  readonly integers: Int16Array;
  /** A scale for each row, or for each group of each row. */
  readonly scales: Float32Array;
  /** What the rounding costs: `(w − q)ᵀ·C·(w − q)`, all rows together, the damping with it. */
  readonly error: number;
}

/** Rows that are rounded side by side, so that each number of the factor is read once for all. */
const SIDE_BY_SIDE = 4;

/** A problem with the arguments of who rounds a matrix, in words. */
export function roundingProblem(
  weight: ArrayLike<number>,
  covariance: ArrayLike<number>,
  rows: number,
  { quantMin, quantMax, groupSize, scales, zeroPoints, damping = 0 }: GptqOptions,
): string | undefined {
  const columns = weight.length / rows;
  if (!Number.isInteger(columns)) return `${weight.length} elements are no ${rows} rows`;
  if (covariance.length !== columns * columns) {
    return `the covariance has ${covariance.length} elements, not ${columns} × ${columns}`;
  }
  if (!(quantMin < 0 && quantMax > 0 || zeroPoints && quantMin < quantMax)) {
    return `integers from ${quantMin} to ${quantMax} hold no 0 in the middle`;
  }
  if (groupSize !== undefined && !(Number.isInteger(groupSize) && groupSize > 0)) {
    return `groupSize is ${groupSize}; give how many columns share a scale`;
  }
  const groups = rows * Math.ceil(columns / (groupSize ?? columns));
  for (const [name, given] of Object.entries({ scales, zeroPoints })) {
    if (given && given.length !== groups) return `there are ${given.length} ${name}, not ${groups}`;
  }
  return damping >= 0 && damping < Infinity
    ? undefined
    : `damping is ${damping}; give a share such as 0.01`;
}

/**
 * GPTQ (Frantar et al. 2022, arXiv:2210.17323): rounds the rows of a matrix `W` so that `W·x` changes little for the
 * inputs `x` that have a given covariance. Columns are rounded one after the other, those of the greatest inputs first;
 * what each is off by is made up for by those to come, as far as the inputs go together.
 *
 * The order of elimination is that of Babai's nearest plane, which gives the integers of GPTQ without the inverse of the
 * covariance: with `C = Uᵀ·U`, `q[j] = round(w[j] + Σ U[j][i]·(w[i] − q[i]) / U[j][j])` over the `i > j` that are rounded.
 * Time grows with `rows · columns² + columns³`. The same numbers give the same integers.
 *
 * @param weight `rows` × columns, row by row: a row for each output.
 * @param covariance columns × columns: the sums, or means, of `x[i]·x[j]` over the inputs; of `x` less its mean if what
 * that changes is made up for in a bias.
 * @throws {RangeError} if sizes do not fit or a number is not finite.
 *
 * @example
 * ```ts
 * import { gptq } from "@staticquant/staticquant";
 * // Both inputs are always the same, so that one makes up for the other.
 * const { integers } = gptq([0.4, 0.4], [1, 1, 1, 1], 1, { quantMin: -8, quantMax: 7, scales: [1] });
 * console.log([...integers]); // one of them is 1
 * ```
 */
export function gptq(
  weight: ArrayLike<number>,
  covariance: ArrayLike<number>,
  rows: number,
  options: GptqOptions,
): RoundedMatrix {
  checkOptions("gptq", options, [
    ...["quantMin", "quantMax", "groupSize", "scales", "zeroPoints", "damping"],
  ]);
  const wrong = roundingProblem(weight, covariance, rows, options);
  if (wrong) throw new RangeError(`gptq: ${wrong}`);
  const columns = weight.length / rows;
  const { damping = 0.01, groupSize = Math.max(columns, 1) } = options;
  const groups = Math.ceil(columns / groupSize);
  const order = inOrder(covariance, columns);
  const factor = permuted(covariance, order, damping);
  if (!factorize(factor, columns)) {
    throw new RangeError("gptq: the covariance is not that of finite numbers");
  }
  const diagonal = Float64Array.from(order, (_, i) => covariance[i * columns + i]);
  const integers = new Int16Array(rows * columns);
  const scales = new Float32Array(rows * groups);
  let error = 0;
  for (let first = 0; first < rows; first += SIDE_BY_SIDE) {
    const count = Math.min(SIDE_BY_SIDE, rows - first);
    const some = Array.from({ length: count }, (_, i) => {
      const r = first + i;
      const values = Float64Array.from({ length: columns }, (_, k) => weight[r * columns + k]);
      for (let g = 0; g < groups; g++) {
        const range = [g * groupSize, Math.min((g + 1) * groupSize, columns)] as const;
        scales[r * groups + g] = options.scales
          ? options.scales[r * groups + g]
          : weightedScale(values, diagonal, range, options.quantMax);
      }
      const ofGroup = (numbers: ArrayLike<number> | undefined) =>
        Float64Array.from(order, (k) => numbers?.[r * groups + Math.floor(k / groupSize)] ?? 0);
      const row = Float64Array.from(order, (k) => values[k]);
      return new Row(row, ofGroup(scales), ofGroup(options.zeroPoints), options);
    });
    error += roundRows(some, factor, columns);
    some.forEach((row, i) =>
      order.forEach((k, j) => integers[(first + i) * columns + k] = row.integers[j])
    );
  }
  return { integers, scales, error };
}

/** The columns so that those of the greatest inputs come last, for these are rounded first. */
function inOrder(covariance: ArrayLike<number>, columns: number): number[] {
  const size = (k: number) => covariance[k * columns + k];
  return Array.from({ length: columns }, (_, k) => k).sort((a, b) => size(a) - size(b) || a - b);
}

/** The covariance in an order, with more on its diagonal. */
function permuted(
  covariance: ArrayLike<number>,
  order: readonly number[],
  damping: number,
): Float64Array {
  const size = order.length;
  const result = new Float64Array(size * size);
  let trace = 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) result[i * size + j] = covariance[order[i] * size + order[j]];
    trace += result[i * size + i];
  }
  // Inputs that are always 0 count for a little too, so that there is one solution.
  const more = Math.max(damping, 1e-9) * (trace / size) || 1;
  for (let i = 0; i < size; i++) result[i * size + i] += more;
  return result;
}

/** A row that is being rounded. */
class Row {
  readonly integers: Int16Array;
  /** What each element is off by. */
  readonly off: Float64Array;

  constructor(
    private readonly values: Float64Array,
    private readonly scales: Float64Array,
    private readonly zeroPoints: Float64Array,
    private readonly limits: Pick<GptqOptions, "quantMin" | "quantMax">,
  ) {
    this.integers = new Int16Array(values.length);
    this.off = new Float64Array(values.length);
  }

  /** Rounds an element as if it were more by something, and gives what it is off by. */
  round(j: number, more: number): number {
    const { values, scales, zeroPoints, limits: { quantMin, quantMax } } = this;
    const q = roundHalfEven((values[j] + more) / scales[j]) + zeroPoints[j];
    const within = q < quantMin ? quantMin : q > quantMax ? quantMax : q;
    this.integers[j] = within;
    return this.off[j] = values[j] - (within - zeroPoints[j]) * scales[j];
  }
}

/** Rounds up to four rows from the last element to the first; gives the squared error of their products. */
function roundRows(rows: readonly Row[], factor: Float64Array, size: number): number {
  const [a, b, c, d] = Array.from({ length: SIDE_BY_SIDE }, (_, r) => (rows[r] ?? rows[0]).off);
  const sums = new Float64Array(SIDE_BY_SIDE);
  let error = 0;
  for (let j = size - 1; j >= 0; j--) {
    let [s, t, u, v] = [0, 0, 0, 0];
    const at = j * size;
    for (let i = j + 1; i < size; i++) {
      const x = factor[at + i];
      s += x * a[i];
      t += x * b[i];
      u += x * c[i];
      v += x * d[i];
    }
    [sums[0], sums[1], sums[2], sums[3]] = [s, t, u, v];
    const pivot = factor[at + j];
    for (const [r, row] of rows.entries()) {
      const off = row.round(j, sums[r] / pivot);
      error += (pivot * off + sums[r]) ** 2;
    }
  }
  return error;
}
