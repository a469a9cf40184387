/**
 * Sums of floats that have the same bits in any order and any grouping.
 *
 * A number is cut at fixed powers of two into digits of {@linkcode DIGIT_BITS} bits, and digits of the same place
 * are added as integers, which is exact. Of all places only those are kept that begin at the highest digit of the
 * largest number seen: which they are does not depend on the order, and neither does what lies below them and is
 * dropped, digit by digit.
 *
 * @module
 */

/** Bits a digit. */
const DIGIT_BITS = 22;
/** Digits that are kept: at least 44 bits below the leading bit of the largest number. */
const DIGITS = 3;
/** The place of a sum that has seen nothing but zeros. */
const NOTHING = -0x80000000;

/** Numbers that a sum takes at most: as many digits of 22 bits fit into the 53 of a float64. */
export const MOST_ADDED = 2 ** 31;

const RADIX = 2 ** DIGIT_BITS;
const f64 = new Float64Array(1);
const u32 = new Uint32Array(f64.buffer);
/** Which half of a float64 has its exponent. */
const HIGH = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** Sums, as they are saved. */
export interface SavedSums {
  /** The place of each sum's highest digit. */
  readonly places: Float64Array;
  /** The digits of each sum, the highest first: integers. */
  readonly digits: Float64Array;
}

/**
 * Sums beside each other, each in any order the same bits. A sum takes 32 bytes.
 *
 * @example
 * ```ts
 * const sums = new ExactSums(1);
 * for (const x of [1e16, 1, -1e16]) sums.add(0, x);
 * console.log(sums.value(0)); // 1, in any order
 * ```
 */
export class ExactSums {
  private readonly places: Float64Array;
  private readonly digits: Float64Array;

  /** So many sums of nothing. */
  constructor(
    /** How many sums there are. */
    readonly length: number,
  ) {
    this.places = new Float64Array(length).fill(NOTHING);
    this.digits = new Float64Array(length * DIGITS);
  }

  /**
   * Adds `x · 2^exponent` to a sum, which takes {@linkcode MOST_ADDED} numbers.
   *
   * @throws {RangeError} if `x` is not finite.
   */
  add(index: number, x: number, exponent: number = 0): void {
    if (x === 0) return;
    f64[0] = x;
    let bits = (u32[HIGH] >>> 20) & 0x7ff;
    if (bits === 0x7ff) throw new RangeError(`${x} cannot be added up`);
    if (bits === 0) {
      // What is subnormal has its leading bit elsewhere.
      f64[0] = x * 2 ** 54;
      bits = ((u32[HIGH] >>> 20) & 0x7ff) - 54;
    }
    const leading = bits - 1023 + exponent;
    const place = Math.floor(leading / DIGIT_BITS);
    // In units of its highest digit's place.
    u32[HIGH] = (u32[HIGH] & 0x800fffff) | ((1023 + leading - place * DIGIT_BITS) << 20);
    let rest = f64[0];
    if (place > this.places[index]) this.raise(index, place);
    const below = this.places[index] - place;
    const end = (index + 1) * DIGITS;
    for (let at = index * DIGITS + below; at < end; at++) {
      const digit = Math.trunc(rest);
      this.digits[at] += digit;
      rest = (rest - digit) * RADIX;
    }
  }

  /** Makes a higher place the first that is kept. */
  private raise(index: number, place: number): void {
    const { digits, places } = this;
    const begin = index * DIGITS;
    const by = places[index] === NOTHING ? DIGITS : Math.min(place - places[index], DIGITS);
    digits.copyWithin(begin + by, begin, begin + DIGITS - by);
    digits.fill(0, begin, begin + by);
    places[index] = place;
  }

  /**
   * Adds what other sums have seen.
   *
   * @throws {RangeError} if there are others than as many sums, or together they are of more numbers than fit.
   */
  merge(other: ExactSums): void {
    if (other.length !== this.length) {
      throw new RangeError(`${other.length} sums cannot be added to ${this.length}`);
    }
    for (let index = 0; index < this.length; index++) {
      const place = other.places[index];
      if (place === NOTHING) continue;
      if (place > this.places[index]) this.raise(index, place);
      const below = this.places[index] - place;
      for (let i = 0; i + below < DIGITS; i++) {
        const at = index * DIGITS + i + below;
        this.digits[at] += other.digits[index * DIGITS + i];
        if (Math.abs(this.digits[at]) > Number.MAX_SAFE_INTEGER) {
          throw new RangeError(`a sum takes ${MOST_ADDED} numbers at most`);
        }
      }
    }
  }

  /** A sum, as a float64. */
  value(index: number): number {
    const { value, exponent } = this.scaled(index);
    // In two steps, for the power alone may be none that a float64 has.
    const half = Math.trunc(exponent / 2);
    return value * 2 ** half * 2 ** (exponent - half);
  }

  /** A sum as `value · 2^exponent`, for exponents that a float64 does not have. */
  scaled(index: number): { readonly value: number; readonly exponent: number } {
    const place = this.places[index];
    if (place === NOTHING) return { value: 0, exponent: 0 };
    let value = 0;
    for (let i = DIGITS - 1; i >= 0; i--) value = value / RADIX + this.digits[index * DIGITS + i];
    return { value, exponent: place * DIGIT_BITS };
  }

  /** The sums as integers; the same sums give the same ones. */
  save(): SavedSums {
    return { places: this.places.slice(), digits: this.digits.slice() };
  }

  /** Sums that were saved; nothing if these are none, or of more than `count` numbers each. */
  static load({ places, digits }: SavedSums, count: number): ExactSums | undefined {
    if (digits.length !== places.length * DIGITS) return undefined;
    const most = Math.min(count, MOST_ADDED) * (RADIX - 1);
    const sums = new ExactSums(places.length);
    for (let index = 0; index < places.length; index++) {
      const empty = places[index] === NOTHING;
      if (!Number.isSafeInteger(places[index]) || Object.is(places[index], -0)) return undefined;
      for (let at = index * DIGITS; at < (index + 1) * DIGITS; at++) {
        const digit = digits[at];
        const fine = Number.isInteger(digit) && Math.abs(digit) <= (empty ? 0 : most);
        if (!fine || Object.is(digit, -0)) return undefined;
      }
    }
    sums.places.set(places);
    sums.digits.set(digits);
    return sums;
  }
}
