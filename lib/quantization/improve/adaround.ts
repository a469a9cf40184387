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
  /**
   * With `cross`, what keeps the matrix near to what it was, as a share of the mean of the covariance's diagonal; 0.1 by
   * default. What few samples had in common is not to be learnt by heart, so the fewer there were the more.
   */
  refitDamping?: number;
  /** Called between some rows and the next, with how many are done; what it throws ends the work. */
  onRows?: (done: number, rows: number) => void;
}

/** How often a row's elements, and then its pairs, are gone through at most. */
const MOST_SWEEPS = 32;
const MOST_PASSES = 2;
/** Rows between two calls. */
const ROWS = 16;
/** What is gained has to be more than this share of an element's own error. */
const LEAST = 1e-9;

/**
 * AdaRound's problem (Nagel et al. 2020, arXiv:2004.10568), which numbers are to be rounded up and which down so that
 * `W·x` changes least, for a layer that is linear: its error is `(w − q)ᵀ·C·(w − q)` a row, so that no samples are
 * needed, but their covariance. In place of a relaxation that is descended by its gradient, the integers of GPTQ are
 * changed one at a time, and then in pairs, until no change gains. So the error is never
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
    ...["cross", "refitDamping", "onRows"],
  ]);
  const { cross, refitDamping = 0.1, onRows, ...own } = options;
  const wrong = roundingProblem(weight, covariance, rows, own) ??
    crossProblem(cross, covariance.length, refitDamping);
  if (wrong) throw new RangeError(`adaround: ${wrong}`);
  const columns = weight.length / rows;
  const target = cross ? refitted(weight, covariance, cross, rows, refitDamping) : weight;
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
function crossProblem(
  cross: ArrayLike<number> | undefined,
  length: number,
  damping: number,
): string | undefined {
  if (!(damping >= 0 && damping < Infinity)) {
    return `refitDamping is ${damping}; give a share such as 0.1`;
  }
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
  private readonly diagonal: Float64Array;
  /** `C·(q − w)`: half of the error's gradient. */
  private readonly slope: Float64Array;
  private readonly steps: Float64Array;
  /** What the error grows by if an element is one step more, or less; infinite where there is no such integer. */
  private readonly up: Float64Array;
  private readonly down: Float64Array;

  constructor(
    private readonly covariance: Float64Array,
    private readonly options: GptqOptions,
  ) {
    this.size = Math.sqrt(covariance.length);
    const { size } = this;
    this.diagonal = Float64Array.from({ length: size }, (_, k) => covariance[k * size + k]);
    [this.slope, this.steps, this.up, this.down] = Array.from(
      { length: 4 },
      () => new Float64Array(size),
    );
  }

  /** Changes a row's integers as long as that gains; gives the error that is left. */
  descend(
    integers: Int16Array,
    target: readonly number[],
    scales: Float32Array,
    zeroPoints?: readonly number[],
  ): number {
    const { size, covariance, slope, steps } = this;
    const { groupSize = size } = this.options;
    const off = (k: number) => {
      const zero = zeroPoints?.[Math.floor(k / groupSize)] ?? 0;
      return (integers[k] - zero) * steps[k] - target[k];
    };
    slope.fill(0);
    for (let k = 0; k < size; k++) {
      steps[k] = scales[Math.floor(k / groupSize)];
      addRow(slope, covariance, k, off(k));
    }
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      this.changeOnes(integers);
      if (!this.changePairs(integers)) break;
    }
    let error = 0;
    for (let k = 0; k < size; k++) error += off(k) * slope[k];
    return error;
  }

  /** Finds what each change costs. */
  private reckon(integers: Int16Array): void {
    const { size, slope, steps, diagonal, up, down } = this;
    const { quantMin, quantMax } = this.options;
    for (let k = 0; k < size; k++) {
      const step = steps[k];
      const own = step * step * diagonal[k];
      const along = 2 * step * slope[k];
      up[k] = integers[k] < quantMax ? own + along : Infinity;
      down[k] = integers[k] > quantMin ? own - along : Infinity;
    }
  }

  private change(integers: Int16Array, k: number, by: number): void {
    integers[k] += by;
    addRow(this.slope, this.covariance, k, by * this.steps[k]);
  }

  /** Changes single elements, from the first to the last, until none gains. */
  private changeOnes(integers: Int16Array): void {
    const { size, slope, steps, diagonal } = this;
    const { quantMin, quantMax } = this.options;
    let some = true;
    for (let sweep = 0; some && sweep < MOST_SWEEPS; sweep++) {
      some = false;
      for (let k = 0; k < size; k++) {
        const by = slope[k] > 0 ? -1 : 1;
        const cost = steps[k] * (steps[k] * diagonal[k] - 2 * Math.abs(slope[k]));
        if (cost >= -this.noise(k) || integers[k] + by < quantMin || integers[k] + by > quantMax) {
          continue;
        }
        this.change(integers, k, by);
        some = true;
      }
    }
  }

  /** What is so small that rounding may have made it. */
  private noise(k: number): number {
    return LEAST * this.steps[k] ** 2 * this.diagonal[k];
  }

  /** Changes each element with the one that gains most beside it; whether any was. */
  private changePairs(integers: Int16Array): boolean {
    const { size, covariance, steps, up, down } = this;
    let some = false;
    this.reckon(integers);
    for (let i = 0; i < size; i++) {
      let [best, one, other] = [-1, 0, 0];
      let gain = -this.noise(i);
      const step = 2 * steps[i];
      for (let j = i + 1, at = i * size + j; j < size; j++, at++) {
        // The other one goes the way that takes back some of it.
        const together = step * covariance[at] * steps[j];
        const against = together > 0;
        const less = against ? together : -together;
        const more = up[i] + (against ? down[j] : up[j]) - less;
        const fewer = down[i] + (against ? up[j] : down[j]) - less;
        if (more < gain) [best, one, other, gain] = [j, 1, against ? -1 : 1, more];
        if (fewer < gain) [best, one, other, gain] = [j, -1, against ? 1 : -1, fewer];
      }
      if (best < 0) continue;
      this.change(integers, i, one);
      this.change(integers, best, other);
      this.reckon(integers);
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
