/**
 * Signal and noise, summed up over samples to the same bits in any order.
 *
 * @module
 */
import { ExactSums, MOST_ADDED } from "../../numbers/exact_sum.ts";

/** The sums of squares of a signal and of what an approximation is off by; those of a sample are plain ones. */
export class ExactNoise {
  /** Numbers that it is saved as. */
  static readonly SAVED = 10;

  private sums = new ExactSums(2);
  /** What is not finite: of sums of squares the order makes no difference. */
  private odd: readonly [number, number] = [0, 0];

  /** Takes one sample of both, of the same length. */
  add(reference: ArrayLike<number>, approximation: ArrayLike<number>): void {
    let [signal, noise] = [0, 0];
    for (let i = 0; i < reference.length; i++) {
      signal += reference[i] ** 2;
      noise += (reference[i] - approximation[i]) ** 2;
    }
    if (Number.isFinite(signal) && Number.isFinite(noise)) {
      this.sums.add(0, signal);
      this.sums.add(1, noise);
    } else this.odd = [this.odd[0] + signal, this.odd[1] + noise];
  }

  /** The ratio in decibels, as `computeError` has it; infinite where nothing is off. */
  get sqnr(): number {
    const [signal, noise] = [0, 1].map((i) => this.sums.value(i) + this.odd[i]);
    return noise === 0 ? Infinity : 10 * Math.log10(signal / noise);
  }

  /** What both have seen. */
  merged(other: ExactNoise): ExactNoise {
    const all = new ExactNoise();
    all.sums.merge(this.sums);
    all.sums.merge(other.sums);
    all.odd = [this.odd[0] + other.odd[0], this.odd[1] + other.odd[1]];
    return all;
  }

  /** The sums, as numbers. */
  save(): number[] {
    const { places, digits } = this.sums.save();
    return [...places, ...digits, ...this.odd];
  }

  /** Sums that were saved; nothing if these are none. */
  static load(saved: readonly number[]): ExactNoise | undefined {
    const [places, digits] = [saved.slice(0, 2), saved.slice(2, 8)];
    const sums = ExactSums.load(
      { places: Float64Array.from(places), digits: Float64Array.from(digits) },
      MOST_ADDED,
    );
    if (!sums) return undefined;
    const noise = new ExactNoise();
    noise.sums = sums;
    noise.odd = [saved[8], saved[9]];
    return noise;
  }
}
