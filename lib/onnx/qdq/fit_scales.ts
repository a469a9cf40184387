/**
 * Scales with which rounding changes least.
 *
 * @module
 */

import type { TensorRange } from "./params.ts";

/** How the elements of a weight fall to its channels: `outer` times `channels` runs of `inner`. */
export interface ChannelLayout {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

/** How many scales are tried for a channel. */
const TRIES = 32;
/** How many elements of a channel are rounded for it, all scales together; large channels gain next to nothing. */
const EFFORT = 1 << 11;
/** The least part of the integers that the greatest element may take. */
const LEAST_REACH = 0.88;
/** The steps that it may lie beyond the last of them. */
const BEYOND = 1.75;
/** Added and taken away again, it leaves the nearest integer, ties to even. */
const ROUNDER = 1.5 * 2 ** 52;

/**
 * How far a range lies off 0: the square of its middle over that of half its width, 1 for one that begins at 0. It stands
 * for the squared mean of the values over their variance.
 */
export function offCentre({ min, max }: TensorRange): number {
  return ((max + min) / (max - min)) ** 2;
}

/**
 * The squared error of a product, over the variance of its inputs, when weights are rounded to `most` steps at most:
 * the squares of what each changes add up, and where the inputs have a mean, also their sum counts.
 */
function squaredError(data: Float64Array, step: number, most: number, mean: number): number {
  let squares = 0;
  let sum = 0;
  const perStep = 1 / step;
  for (let i = 0; i < data.length; i++) {
    const x = data[i] * perStep;
    let q = x + ROUNDER - ROUNDER;
    if (q > most) q = most;
    else if (q < -most) q = -most;
    const change = x - q;
    squares += change * change;
    sum += change;
  }
  return (squares + mean * sum * sum) * step * step;
}

/** The scale with the least squared error among some around that of the greatest element. */
function fitScale(data: Float64Array, scale: number, most: number, mean: number): number {
  const tries = Math.min(TRIES, Math.floor(EFFORT / data.length));
  const [first, last] = [most * LEAST_REACH, most + BEYOND];
  let best = scale;
  let least = squaredError(data, scale, most, mean);
  for (let i = 0; i < tries; i++) {
    const reach = first + (last - first) * (i + 0.5) / tries;
    const fit = Math.fround(scale * most / reach);
    const error = squaredError(data, fit, most, mean);
    if (error < least) [best, least] = [fit, error];
  }
  return best;
}

/**
 * For each channel the scale near the given one with which rounding to symmetric integers changes a product least.
 * A channel of few elements gains by it: 3 dB with 9 elements, 0.4 with 128, more if the inputs have a mean.
 *
 * @param scales those with which the greatest element of each channel is the greatest integer.
 * @param most the greatest integer.
 * @param mean the squared mean of the inputs over their variance, such as {@linkcode offCentre} gives it.
 */
export function fitScales(
  data: Float32Array,
  { outer, channels, inner }: ChannelLayout,
  scales: Float32Array,
  most: number,
  mean = 0,
): Float32Array {
  const channel = new Float64Array(outer * inner);
  if (channel.length > EFFORT) return scales;
  return scales.map((scale, c) => {
    for (let o = 0, at = 0; o < outer; o++) {
      const begin = (o * channels + c) * inner;
      for (let i = 0; i < inner; i++) channel[at++] = data[begin + i];
    }
    return fitScale(channel, scale, most, mean);
  });
}
