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

/** How the factors follow from magnitudes. */
export interface SmoothingExponents {
  /** How much of the outliers moves, from 0 to 1. */
  readonly alpha: number;
  /** Channels whose greatest magnitude is less than this share of the greatest of all count as if it were so much. */
  readonly floor: number;
}

/** Factors for the channels of an input. */
export interface SmoothingScales extends SmoothingExponents {
  /** What the input's channels are divided by, and the weights' multiplied with. */
  readonly scales: Float64Array;
  /** How much less noise the products have, in dB, by this reckoning. */
  readonly gain: number;
}

/** What is tried. */
const ALPHAS = Array.from({ length: 13 }, (_, i) => 0.4 + i / 20);
const FLOORS = [1 / 256, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2];
/** Steps of bytes, from the least to the greatest. */
const INPUT_STEPS = 255;
const WEIGHT_STEPS = 127;

/** What does not depend on the factors. */
interface Sums {
  /** The sum of the squares that each channel is multiplied with. */
  readonly squares: Float64Array;
  /** The pieces of rows that belong to one channel: whose they are, and the greatest magnitude of each. */
  readonly rowOf: Uint32Array;
  readonly channel: Uint32Array;
  readonly max: Float64Array;
}

function sumsOf({ rows, columns, channelOf }: SmoothedWeight, channels: number): Sums {
  const squares = new Float64Array(channels);
  const rowOf = new Uint32Array(rows.length);
  const channel = new Uint32Array(rows.length);
  const max = new Float64Array(rows.length);
  let count = 0;
  for (let row = 0; row * columns < rows.length; row++) {
    const first = count;
    for (let k = 0; k < columns; k++) {
      const c = channelOf(row, k);
      const x = Math.abs(rows[row * columns + k]);
      squares[c] += x * x;
      if (count === first || channel[count - 1] !== c) {
        [rowOf[count], channel[count], max[count]] = [row, c, x];
        count++;
      } else if (x > max[count - 1]) max[count - 1] = x;
    }
  }
  const own = [rowOf.subarray(0, count), channel.subarray(0, count)];
  return { squares, rowOf: own[0], channel: own[1], max: max.subarray(0, count) };
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
  const power = scales.map((s, c) => input.meanSquares[c] / s ** 2);
  let noise = 0;
  for (const { rows, columns, perRow, squares, rowOf, channel, max } of weights) {
    for (let c = 0; c < scales.length; c++) noise += step ** 2 * squares[c] * scales[c] ** 2;
    // Each element of a row is off by as much; a row's inputs add up.
    const steps = new Float64Array(rows.length / columns);
    const powers = new Float64Array(steps.length);
    const taps = columns / Math.max(max.length / steps.length, 1);
    for (let i = 0; i < max.length; i++) {
      const [row, c] = [rowOf[i], channel[i]];
      const own = max[i] * scales[c] / WEIGHT_STEPS;
      if (own > steps[row]) steps[row] = own;
      powers[row] += taps * power[c];
    }
    const widest = perRow ? 0 : steps.reduce((a, b) => Math.max(a, b), 0);
    steps.forEach((own, row) => noise += Math.max(own, widest) ** 2 * powers[row]);
  }
  return noise;
}

/**
 * SmoothQuant's factors (Xiao et al. 2022, arXiv:2211.10438), `s[c] = max|x[c]|^α / max|W[:, c]|^(1 − α)`, with the `α`
 * and the least magnitude that promise the least noise: that of rounding the input to 255 steps with one scale and the
 * weights to ±127 with a scale a row. Where each row of the weights reads one channel, as in depthwise convolutions,
 * all moves. Channels without any signal keep the factor 1, and the factors' geometric mean is 1.
 *
 * @param given the exponents; searched for by default.
 */
export function smoothingScales(
  input: SmoothedInput,
  weights: readonly SmoothedWeight[],
  given?: SmoothingExponents,
): SmoothingScales {
  const channels = input.maxima.length;
  const known = weights.map((weight) => ({ ...weight, ...sumsOf(weight, channels) }));
  const weightMax = new Float64Array(channels);
  for (const { channel, max } of known) {
    max.forEach((x, i) => weightMax[channel[i]] = Math.max(weightMax[channel[i]], x));
  }
  let greatest = 0;
  for (let c = 0; c < channels; c++) greatest = Math.max(greatest, input.maxima[c]);
  const scalesFor = ({ alpha, floor }: SmoothingExponents) => {
    const logs = Float64Array.from(weightMax, (w, c) => {
      const x = Math.max(input.maxima[c], floor * greatest);
      const some = input.maxima[c] > 0 && w > 0;
      return some ? alpha * Math.log(x) - (1 - alpha) * Math.log(w) : NaN;
    });
    const some = logs.filter((log) => !Number.isNaN(log));
    const mean = some.reduce((sum, log) => sum + log, 0) / (some.length || 1);
    return logs.map((log) => Number.isNaN(log) ? 1 : Math.exp(log - mean));
  };
  const before = noiseOf(input, known, new Float64Array(channels).fill(1));
  const tries = given
    ? [given]
    : FLOORS.flatMap((floor) => ALPHAS.map((alpha) => ({ alpha, floor })));
  let best: SmoothingExponents & { scales: Float64Array; noise: number } | undefined;
  for (const tried of tries) {
    const scales = scalesFor(tried);
    const noise = noiseOf(input, known, scales);
    if (!best || noise < best.noise) best = { ...tried, scales, noise };
  }
  const { noise, ...found } = best!;
  return { ...found, gain: noise > 0 ? 10 * Math.log10(before / noise) : 0 };
}
