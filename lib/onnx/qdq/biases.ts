/**
 * Biases in 32-bit integers, at the scale of the products that they are added to.
 *
 * @module
 */
import { roundHalfEven } from "../../numbers/rounding.ts";

const MAX = 2 ** 31 - 1;
/** Leaves room for the rounding of scales. */
const MARGIN = 1.0001;

/**
 * The least scales of a weight's channels with which a bias fits into 32 bits; one for all if the weight has
 * one.
 *
 * @param products how large the sum of products can be that a bias is added to; none by default.
 */
export function leastWeightScale(
  bias: Float32Array,
  inputScale: number,
  channels: number,
  products = 0,
): Float64Array {
  const most = MAX - Math.min(products, MAX / 2);
  const least = new Float64Array(channels);
  bias.forEach((b, c) => {
    const at = channels === 1 ? 0 : c;
    least[at] = Math.max(least[at], Math.abs(b) * MARGIN / most / inputScale);
  });
  return least;
}

/** A bias in integers, and the scale of each. */
export function quantizeBias(
  bias: Float32Array,
  inputScale: number,
  weightScale: Float32Array,
): { integers: Int32Array; scale: Float32Array } {
  const scale = weightScale.map((w) => w * inputScale);
  const integers = Int32Array.from(bias, (b, c) => {
    const q = roundHalfEven(b / scale[scale.length === 1 ? 0 : c]);
    return Math.min(Math.max(q, -MAX), MAX);
  });
  return { integers, scale };
}
