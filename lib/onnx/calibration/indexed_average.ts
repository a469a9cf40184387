/**
 * A moving average that does not depend on who has seen which sample.
 *
 * @module
 */
import type { SafetensorsEntry } from "../../files/safetensors.ts";
import { ExactSums } from "../../numbers/exact_sum.ts";
import type { TensorRange } from "../qdq/params.ts";
import { countOf, entryOf, numbersOf } from "../../quantization/statistics/statistic.ts";

/** The sums that are kept. */
const [WEIGHTS, MINIMA, MAXIMA, SUMS] = [0, 1, 2, 3];
/** Bits by which each sample outweighs those before where only the last is to count: more than a sum keeps. */
const FORGETS_ALL = 200;

/** Each of them. */
const [PLACES, DIGITS, SEEN] = ["average.places", "average.digits", "average.seen"];
/** The names of the tensors that an average is saved as. */
export const AVERAGE_TENSORS: readonly string[] = [PLACES, DIGITS, SEEN];

/** `value · 2^exponent`, with a value from 1 to 2. */
interface Scaled {
  readonly value: number;
  readonly exponent: number;
}

/**
 * The average from the least to the greatest value of the samples of a list, the later ones counting more:
 * `min ← min + c·(min(x) − min)` from sample to sample, which is `Σ w_i·min(x_i) / Σ w_i` with `w_0 = 1` and
 * `w_i = c / (1 − c)^i`. The weight of a sample follows from its place in the list, so parts of the list can be seen
 * by anybody in any order; the sums are exact, with exponents beyond those of floats.
 */
export class IndexedAverage {
  private sums = new ExactSums(SUMS);
  private seen = 0;

  /** An average of nothing. */
  constructor(
    /** How far it moves towards each sample. */
    readonly constant: number,
  ) {}

  /** How many samples had values. */
  get count(): number {
    return this.seen;
  }

  /** Takes in the range of the sample at this place of the list. */
  add({ min, max }: TensorRange, index: number): void {
    const { value, exponent } = this.weight(index);
    this.sums.add(WEIGHTS, value, exponent);
    this.sums.add(MINIMA, value * min, exponent);
    this.sums.add(MAXIMA, value * max, exponent);
    this.seen++;
  }

  private weight(index: number): Scaled {
    const { constant } = this;
    if (index === 0) return { value: 1, exponent: 0 };
    if (constant === 1) return { value: 1, exponent: FORGETS_ALL * index };
    const { value, exponent } = power(1 / (1 - constant), index);
    return { value: value * constant, exponent };
  }

  /** The average; from 0 to 0 if no sample had a value. */
  range(): TensorRange {
    if (this.seen === 0) return { min: 0, max: 0 };
    const weights = this.sums.scaled(WEIGHTS);
    const [min, max] = [MINIMA, MAXIMA].map((which) => {
      const { value, exponent } = this.sums.scaled(which);
      return Math.fround(value / weights.value * 2 ** (exponent - weights.exponent));
    });
    return { min, max: Math.max(min, max) };
  }

  /** The average of what both have seen, of one list. */
  merged(other: IndexedAverage): IndexedAverage {
    const all = new IndexedAverage(this.constant);
    all.sums.merge(this.sums);
    all.sums.merge(other.sums);
    all.seen = this.seen + other.seen;
    return all;
  }

  /** What was seen, as tensors. */
  save(): Map<string, SafetensorsEntry> {
    const { places, digits } = this.sums.save();
    return new Map([
      [PLACES, entryOf(places)],
      [DIGITS, entryOf(digits)],
      [SEEN, entryOf(Float64Array.of(this.seen))],
    ]);
  }

  /** An average that was saved; nothing if it is none of so many samples. */
  static load(
    saved: ReadonlyMap<string, SafetensorsEntry>,
    constant: number,
    samples: number,
  ): IndexedAverage | undefined {
    const places = numbersOf(saved, PLACES, "F64", SUMS);
    const digits = numbersOf(saved, DIGITS, "F64", 3 * SUMS);
    const seen = countOf(saved, SEEN);
    if (!places || !digits || seen === undefined || seen > samples) return undefined;
    const sums = ExactSums.load({ places, digits }, seen);
    if (!sums || (sums.scaled(WEIGHTS).value > 0) !== seen > 0) return undefined;
    const average = new IndexedAverage(constant);
    average.sums = sums;
    average.seen = seen;
    const { min, max } = average.range();
    return Number.isFinite(min) && Number.isFinite(max) ? average : undefined;
  }
}

/** `x^n` by repeated squaring, the same bits everywhere, which `Math.pow` does not promise. */
function power(x: number, n: number): Scaled {
  let result: Scaled = { value: 1, exponent: 0 };
  let square = normalized({ value: x, exponent: 0 });
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = product(result, square);
    square = product(square, square);
  }
  return result;
}

function product(a: Scaled, b: Scaled): Scaled {
  return normalized({ value: a.value * b.value, exponent: a.exponent + b.exponent });
}

/** With a value from 1 to 2; it is at least 1. */
function normalized({ value, exponent }: Scaled): Scaled {
  while (value >= 2) {
    value /= 2;
    exponent++;
  }
  return { value, exponent };
}
