/**
 * Which channels are better multiplied apart from the others.
 *
 * @module
 */

/** The gain from which on splitting channels off is worth it, in dB. */
export const LEAST_SPLIT = 3;
/** Channels that are split off at most. */
const MOST = 8;
/** What a channel that is not split off may be greater than what the most would leave. */
const NEAR = 1.25;

/** The channels of an activation that are better split off, and what is gained by it, in dB. */
export function outliersToSplit(
  maxima: ArrayLike<number>,
): { channels: number[]; gain: number } {
  const order = Array.from(maxima, (_, c) => c).sort((a, b) => maxima[b] - maxima[a] || a - b);
  const most = Math.min(MOST, maxima.length >> 2);
  const least = maxima[order[most]] ?? 0;
  const count = order.findIndex((c) => maxima[c] <= NEAR * least);
  if (!(least > 0) || count < 1) return { channels: [], gain: 0 };
  const gain = 20 * Math.log10(maxima[order[0]] / maxima[order[count]]);
  return { channels: order.slice(0, count).sort((a, b) => a - b), gain };
}
