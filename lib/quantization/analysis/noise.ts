/**
 * Signal and noise, summed up over batches.
 *
 * @module
 */

/** Sums the squares of a signal and of what an approximation is off by. */
export class Noise {
  private signal = 0;
  private noise = 0;

  /** Takes a piece of both, of the same length. */
  add(reference: ArrayLike<number>, approximation: ArrayLike<number>): void {
    let signal = 0;
    let noise = 0;
    for (let i = 0; i < reference.length; i++) {
      signal += reference[i] ** 2;
      noise += (reference[i] - approximation[i]) ** 2;
    }
    this.signal += signal;
    this.noise += noise;
  }

  /** The ratio in decibels, as `computeError` has it; infinite where nothing is off. */
  get sqnr(): number {
    return this.noise === 0 ? Infinity : 10 * Math.log10(this.signal / this.noise);
  }
}
