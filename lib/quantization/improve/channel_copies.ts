/**
 * Channels that are made twice, at half their size.
 *
 * @module
 */

/** The gain from which on making channels twice is worth it, in dB. */
export const LEAST_COPY = 1;
/** The share of an activation's channels that is made twice at most. */
const MOST = 1 / 16;

/** The channels of an activation that are better made twice, and what is gained by it, in dB. */
export function outliersToCopy(
  maxima: ArrayLike<number>,
): { channels: number[]; gain: number } {
  const order = Array.from(maxima, (_, c) => c).sort((a, b) => maxima[b] - maxima[a] || a - b);
  const greatest = maxima[order[0]];
  let best = { count: 0, range: greatest };
  for (let count = 1; count <= Math.max(1, Math.floor(maxima.length * MOST)); count++) {
    const range = Math.max(greatest / 2, maxima[order[count]] ?? 0);
    if (range < best.range) best = { count, range };
  }
  return {
    channels: order.slice(0, best.count).sort((a, b) => a - b),
    gain: best.count > 0 ? 20 * Math.log10(greatest / best.range) : 0,
  };
}

/** Which channels of some numbers are there once more. */
export interface RepeatedChannels {
  /** The dimension that counts them. */
  readonly axis: number;
  /** Those that are made twice. */
  readonly channels: readonly number[];
  /** What both are multiplied with. */
  readonly factor: number;
}

/** Numbers with some channels once more behind all others, times a factor where they were and there. */
export function channelsTwice(
  before: ArrayLike<number>,
  dims: readonly number[],
  { axis, channels, factor }: RepeatedChannels,
): { data: Float32Array; dims: number[] } {
  const count = dims[axis];
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const sources = [...Array.from({ length: count }, (_, c) => c), ...channels];
  const twice = new Set(channels);
  const outer = dims.slice(0, axis).reduce((a, b) => a * b, 1);
  const data = new Float32Array(outer * sources.length * inner);
  for (let o = 0, to = 0; o < outer; o++) {
    for (const c of sources) {
      const from = (o * count + c) * inner;
      const by = twice.has(c) ? factor : 1;
      for (let i = from; i < from + inner; i++) data[to++] = before[i] * by;
    }
  }
  return { data, dims: dims.with(axis, sources.length) };
}
