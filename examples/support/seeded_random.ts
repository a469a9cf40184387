/** Random numbers that depend on a seed alone, so that a line of text does not on those before it. */
export class SeededRandom {
  private state: number;

  /** The same seed gives the same numbers. */
  constructor(seed: number) {
    this.state = Math.imul(seed, 0x9e3779b1);
  }

  /** From 0 to below 1, evenly (mulberry32). */
  uniform(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** From `min` to `max`, evenly. */
  between(min: number, max: number): number {
    return min + (max - min) * this.uniform();
  }

  /** A whole number from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.uniform() * (max - min + 1));
  }

  /** One of the list. */
  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)];
  }

  /** From the normal distribution with mean 0 and deviation 1. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }
}
