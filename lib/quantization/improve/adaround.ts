/**
 * Rounding a matrix up or down, element by element, so that what it is multiplied with changes least.
 *
 * @module
 */
import { checkOptions } from "../../numbers/arguments.ts";
import { gptq, type GptqOptions, type RoundedMatrix, roundingProblem } from "./gptq.ts";
import { refitted } from "./refit.ts";

/** Options of {@linkcode adaround}. */
export interface AdaRoundOptions extends GptqOptions {
  /**
   * columns × columns: the sums, or means, of `x[i]·x̂[j]`, where `x` is what the float layer reads and `x̂` what the
   * covariance is of, such as what the layer reads in a model whose earlier layers are quantized. The matrix then makes
   * up for the difference as well. By default both read the same.
   */
  cross?: ArrayLike<number>;
  /** Called between some rows and the next, with how many are done; what it throws ends the work. */
  onRows?: (done: number, rows: number) => void;
}

/** Changes of single elements that a row may take for each that it has, and how often its pairs are gone through. */
const MOST_CHANGES = 4;
const MOST_PASSES = 4;
/** Rows between two calls. */
const ROWS = 16;
/** What is gained has to be more than this share of an element's own error. */
const LEAST = 1e-9;

/**
 * AdaRound's problem (Nagel et al. 2020, arXiv:2004.10568), which numbers are to be rounded up and which down so that
 * `W·x` changes least, for a layer that is linear: its error is `(w − q)ᵀ·C·(w − q)` a row, so that no samples are
 * needed, but their covariance. In place of a relaxation that is descended by its gradient, the integers of GPTQ are
 * changed one at a time, the one that gains most first, and then in pairs, until no change gains. So the error is never
 * greater than GPTQ's, and the same numbers give the same integers.
 *
 * Time grows with `rows · columns²`, after that of `gptq`.
 *
 * @param weight `rows` × columns, row by row: a row for each output.
 * @param covariance columns × columns: the sums, or means, of `x[i]·x[j]` over the inputs; of `x` less its mean if what
 * that changes is made up for in a bias.
 * @throws {RangeError} if sizes do not fit or a number is not finite.
 *
 * @example
 * ```ts
 * import { adaround } from "@staticquant/staticquant";
 * // Both inputs are always the same, so that one makes up for the other.
 * const { integers } = adaround([0.4, 0.4], [1, 1, 1, 1], 1, {
 *   quantMin: -8, quantMax: 7, scales: [1],
 * });
 * console.log([...integers]); // one of them is 1
 * ```
 */
export function adaround(
  weight: ArrayLike<number>,
  covariance: ArrayLike<number>,
  rows: number,
  options: AdaRoundOptions,
): RoundedMatrix {
  checkOptions("adaround", options, [
    ...["quantMin", "quantMax", "groupSize", "scales", "zeroPoints", "damping"],
    ...["cross", "onRows"],
  ]);
  const { cross, onRows, ...own } = options;
  const wrong = roundingProblem(weight, covariance, rows, own) ??
    crossProblem(cross, covariance.length);
  if (wrong) throw new RangeError(`adaround: ${wrong}`);
  const columns = weight.length / rows;
  const target = cross ? refitted(weight, covariance, cross, rows, own.damping) : weight;
  if (!target || !allFinite(covariance)) {
    throw new RangeError("adaround: the covariance is not that of finite numbers");
  }
  const rounded = gptq(target, covariance, rows, own);
  const { integers, scales } = rounded;
  const search = new RowSearch(damped(covariance, columns, own.damping), own);
  let error = 0;
  for (let r = 0; r < rows; r++) {
    if (r % ROWS === 0) onRows?.(r, rows);
    const groups = scales.length / rows;
    const slice = (all: ArrayLike<number>, size: number) =>
      Array.prototype.slice.call(all, r * size, (r + 1) * size) as number[];
    error += search.descend(
      integers.subarray(r * columns, (r + 1) * columns),
      slice(target, columns),
      scales.subarray(r * groups, (r + 1) * groups),
      own.zeroPoints ? slice(own.zeroPoints, groups) : undefined,
    );
  }
  onRows?.(rows, rows);
  return { integers, scales, error };
}

function allFinite(numbers: ArrayLike<number>): boolean {
  return Array.prototype.every.call(numbers, Number.isFinite);
}

/** What is wrong with products of inputs, in words. */
function crossProblem(cross: ArrayLike<number> | undefined, length: number): string | undefined {
  if (!cross) return undefined;
  if (cross.length !== length) {
    return `cross has ${cross.length} elements, the covariance ${length}`;
  }
  return allFinite(cross) ? undefined : "cross is not that of finite numbers";
}

/** A covariance with more on its diagonal, as GPTQ has it. */
function damped(covariance: ArrayLike<number>, size: number, damping = 0.01): Float64Array {
  const result = Float64Array.from(covariance);
  let trace = 0;
  for (let k = 0; k < size; k++) trace += result[k * size + k];
  const more = Math.max(damping, 1e-9) * (trace / size) || 1;
  for (let k = 0; k < size; k++) result[k * size + k] += more;
  return result;
}

/** Changes the integers of rows one at a time. */
class RowSearch {
  private readonly size: number;
  /** `C·(q − w)`: half of the error's gradient. */
  private readonly slope: Float64Array;
  private readonly steps: Float64Array;
  /** The least and the greatest change of each element. */
  private readonly least: Float64Array;
  private readonly most: Float64Array;

  constructor(
    private readonly covariance: Float64Array,
    private readonly options: GptqOptions,
  ) {
    this.size = Math.sqrt(covariance.length);
    [this.slope, this.steps, this.least, this.most] = Array.from(
      { length: 4 },
      () => new Float64Array(this.size),
    );
  }

  /** Changes a row's integers as long as that gains; gives the error that is left. */
  descend(
    integers: Int16Array,
    target: readonly number[],
    scales: Float32Array,
    zeroPoints?: readonly number[],
  ): number {
    const { size, covariance, slope, steps, least, most } = this;
    const { quantMin, quantMax, groupSize = size } = this.options;
    const off = new Float64Array(size);
    for (let k = 0; k < size; k++) {
      const group = Math.floor(k / groupSize);
      steps[k] = scales[group];
      least[k] = quantMin - integers[k];
      most[k] = quantMax - integers[k];
      off[k] = (integers[k] - (zeroPoints?.[group] ?? 0)) * steps[k] - target[k];
    }
    slope.fill(0);
    for (let k = 0; k < size; k++) {
      if (off[k] !== 0) addRow(slope, covariance, k, off[k]);
    }
    const before = Float64Array.from(integers);
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      this.changeOnes(integers);
      if (!this.changePairs(integers)) break;
    }
    // What the error was, with what was changed.
    let error = 0;
    for (let k = 0; k < size; k++) {
      off[k] += (integers[k] - before[k]) * steps[k];
      error += off[k] * slope[k];
    }
    return error;
  }

  /** What the error grows by if an element is changed by so many steps, 1 or −1; infinite if it cannot be. */
  private cost(k: number, by: number): number {
    const { size, covariance, slope, steps, least, most } = this;
    if (by < least[k] || by > most[k]) return Infinity;
    return steps[k] * (2 * by * slope[k] + steps[k] * covariance[k * size + k]);
  }

  private change(integers: Int16Array, k: number, by: number): void {
    integers[k] += by;
    this.least[k] -= by;
    this.most[k] -= by;
    addRow(this.slope, this.covariance, k, by * this.steps[k]);
  }

  /** Changes single elements, that which gains most first. */
  private changeOnes(integers: Int16Array): void {
    const { size, slope } = this;
    for (let left = MOST_CHANGES * size; left > 0; left--) {
      let [best, gain] = [-1, 0];
      for (let k = 0; k < size; k++) {
        const cost = this.cost(k, slope[k] > 0 ? -1 : 1);
        if (cost < gain - this.noise(k)) [best, gain] = [k, cost];
      }
      if (best < 0) return;
      this.change(integers, best, slope[best] > 0 ? -1 : 1);
    }
  }

  /** What is so small that rounding may have made it. */
  private noise(k: number): number {
    return LEAST * this.steps[k] ** 2 * this.covariance[k * this.size + k];
  }

  /** Changes each element with the one that gains most beside it; whether any was. */
  private changePairs(integers: Int16Array): boolean {
    const { size, covariance, steps } = this;
    let some = false;
    for (let i = 0; i < size; i++) {
      let [best, one, other, gain] = [-1, 0, 0, -this.noise(i)];
      for (const by of [1, -1]) {
        const own = this.cost(i, by);
        const step = 2 * by * steps[i];
        for (let j = i + 1; j < size; j++) {
          const together = step * covariance[i * size + j];
          const turn = together > 0 ? -1 : 1;
          const cost = own + this.cost(j, turn) + turn * together * steps[j];
          if (cost < gain) [best, one, other, gain] = [j, by, turn, cost];
        }
      }
      if (best < 0) continue;
      this.change(integers, i, one);
      this.change(integers, best, other);
      some = true;
    }
    return some;
  }
}

/** Adds a row of a matrix, times a factor. */
function addRow(to: Float64Array, matrix: Float64Array, row: number, factor: number): void {
  const size = to.length;
  for (let j = 0, at = row * size; j < size; j++, at++) to[j] += factor * matrix[at];
}
