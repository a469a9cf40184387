/**
 * Factors that move the outliers of a layer's input into its weight.
 *
 * @module
 */

/** A weight that is multiplied with the input. */
export interface SmoothedWeight {
  /** Its elements, a row for each output. */
  readonly rows: ArrayLike<number>;
  /** Elements of a row. */
  readonly columns: number;
  /** The channel of the input that element `k` of row `r` is multiplied with. */
  channelOf(row: number, column: number): number;
  /** Whether each row has a scale of its own; one scale for all otherwise. */
  readonly perRow: boolean;
}

/** What is known of the input. */
export interface SmoothedInput {
  /** The greatest magnitude of each channel. */
  readonly maxima: ArrayLike<number>;
  /** The mean square of each channel. */
  readonly meanSquares: ArrayLike<number>;
  /** How wide its range is, in greatest magnitudes: 2 if it reaches as far below 0 as above, 1 if it is only positive. */
  readonly width: number;
}

/** Factors for the channels of an input. */
export interface SmoothingScales {
  /** What the input's channels are divided by, and the weights' multiplied with. */
  readonly scales: Float64Array;
  /** How much of the outliers moves: the exponent that was best. */
  readonly alpha: number;
  /** How much less noise the products have, in dB, by this reckoning. */
  readonly gain: number;
}

/** The exponents that are tried. */
const ALPHAS = Array.from({ length: 21 }, (_, i) => i / 20);
/** Steps of bytes, from the least to the greatest. */
const INPUT_STEPS = 255;
const WEIGHT_STEPS = 127;

/** What does not depend on the factors. */
interface Sums {
  /** For each weight the sum of the squares that each channel is multiplied with. */
  readonly squares: Float64Array;
  /** For each weight the greatest magnitude by row and channel. */
  readonly greatest: readonly {
    readonly row: number;
    readonly channel: number;
    readonly max: number;
  }[];
}

function sumsOf(weight: SmoothedWeight, channels: number): Sums {
  const { rows, columns } = weight;
  const squares = new Float64Array(channels);
  const greatest: { row: number; channel: number; max: number }[] = [];
  for (let row = 0; row * columns < rows.length; row++) {
    for (let k = 0; k < columns; k++) {
      const channel = weight.channelOf(row, k);
      const x = Math.abs(rows[row * columns + k]);
      squares[channel] += x * x;
      const last = greatest.at(-1);
      if (last?.row === row && last.channel === channel) last.max = Math.max(last.max, x);
      else greatest.push({ row, channel, max: x });
    }
  }
  return { squares, greatest };
}

/** The variance of what rounding to 8 bits adds to the products. */
function noiseOf(
  input: SmoothedInput,
  weights: readonly (SmoothedWeight & Sums)[],
  scales: Float64Array,
): number {
  let largest = 0;
  scales.forEach((s, c) => largest = Math.max(largest, input.maxima[c] / s));
  const step = largest * input.width / INPUT_STEPS;
  let noise = 0;
  for (const { rows, columns, perRow, squares, greatest } of weights) {
    for (let c = 0; c < scales.length; c++) noise += step ** 2 * squares[c] * scales[c] ** 2;
    // Each element of a row is off by as much; a row's inputs add up.
    const steps = new Float64Array(rows.length / columns);
    const powers = new Float64Array(steps.length);
    const counts = columns / Math.max(greatest.length / steps.length, 1);
    for (const { row, channel, max } of greatest) {
      steps[row] = Math.max(steps[row], max * scales[channel] / WEIGHT_STEPS);
      powers[row] += counts * input.meanSquares[channel] / scales[channel] ** 2;
    }
    const widest = perRow ? 0 : steps.reduce((a, b) => Math.max(a, b), 0);
    steps.forEach((own, row) => noise += Math.max(own, widest) ** 2 * powers[row]);
  }
  return noise;
}

/**
 * SmoothQuant's factors (Xiao et al. 2022, arXiv:2211.10438), `s[c] = max|x[c]|^α / max|W[:, c]|^(1 − α)`, with the `α`
 * that promises the least noise: that of rounding the input to 255 steps with one scale and the weights to ±127 with
 * a scale a row. Where each row of the weights reads one channel, as in depthwise convolutions, that is 1. Channels
 * without any signal keep the factor 1, and the factors' geometric mean is 1.
 *
 * @param alpha how much is to move; searched for by default.
 */
export function smoothingScales(
  input: SmoothedInput,
  weights: readonly SmoothedWeight[],
  alpha?: number,
): SmoothingScales {
  const channels = input.maxima.length;
  const known = weights.map((weight) => ({ ...weight, ...sumsOf(weight, channels) }));
  const weightMax = new Float64Array(channels);
  for (const { greatest } of known) {
    for (const { channel, max } of greatest) {
      weightMax[channel] = Math.max(weightMax[channel], max);
    }
  }
  const scalesFor = (alpha: number) => {
    const logs = Float64Array.from(weightMax, (w, c) => {
      const x = input.maxima[c];
      return x > 0 && w > 0 ? alpha * Math.log(x) - (1 - alpha) * Math.log(w) : NaN;
    });
    const some = logs.filter((log) => !Number.isNaN(log));
    const mean = some.reduce((sum, log) => sum + log, 0) / (some.length || 1);
    return logs.map((log) => Number.isNaN(log) ? 1 : Math.exp(log - mean));
  };
  const before = noiseOf(input, known, new Float64Array(channels).fill(1));
  let best: { scales: Float64Array; alpha: number; noise: number } | undefined;
  for (const tried of alpha === undefined ? ALPHAS : [alpha]) {
    const scales = scalesFor(tried);
    const noise = noiseOf(input, known, scales);
    if (!best || noise < best.noise) best = { scales, alpha: tried, noise };
  }
  const { scales, alpha: chosen, noise } = best!;
  return { scales, alpha: chosen, gain: noise > 0 ? 10 * Math.log10(before / noise) : 0 };
}
