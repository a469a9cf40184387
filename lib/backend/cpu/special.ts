/**
 * Functions that JavaScript does not have, in double precision.
 *
 * @module
 */

/** The error function, `2/√π · ∫₀ˣ exp(−t²) dt`. */
export function erf(x: number): number {
  if (Math.abs(x) > 2) return Math.sign(x) * (1 - erfcFraction(Math.abs(x)));
  let term = x;
  let sum = x;
  for (let k = 1; Math.abs(term) > 1e-18 * Math.abs(sum); k++) {
    term *= -x * x / k;
    sum += term / (2 * k + 1);
  }
  return 2 / Math.sqrt(Math.PI) * sum;
}

/** `1 − erf(x)`, also where that is tiny. */
export function erfc(x: number): number {
  return x > 2 ? erfcFraction(x) : 1 - erf(x);
}

/** `erfc(x)` for x ≥ 2 by its continued fraction, from the far end. */
function erfcFraction(x: number): number {
  if (x > 30) return 0;
  let tail = x;
  for (let k = 60; k >= 1; k--) tail = x + k / 2 / tail;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / tail;
}

/** `1 / (1 + exp(−x))`, also where that is tiny. */
export function sigmoid(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

/** `xⁿ` in int32 arithmetic, which wraps around; a negative power is 0 but of 1 and −1. */
export function integerPower(x: number, n: number): number {
  if (n < 0) return x === 1 ? 1 : x === -1 ? (n % 2 ? -1 : 1) : 0;
  let result = 1;
  for (let base = x; n > 0; n = Math.floor(n / 2)) {
    if (n % 2) result = Math.imul(result, base);
    base = Math.imul(base, base);
  }
  return result;
}
