/**
 * What channels can be lowered by, so that a range is left with less in it.
 *
 * @module
 */
import { type Channels, spread } from "../statistics/channels.ts";
import type { ReadRows } from "../statistics/rows.ts";

/** A range that becomes narrower by so much is worth it, in dB. */
export const LEAST_SHIFT = 0.2;
/** The share of a channel's range that is left below what was seen, where a ReLU would cut off what goes there. */
const MARGIN = 0.25;

/** The least and the greatest number of each channel of an activation. */
export class ChannelEnds {
  /** The least of each; infinite where nothing was seen. */
  readonly min: Float64Array;
  /** The greatest, likewise. */
  readonly max: Float64Array;

  /** @param channels where they lie. */
  constructor(private readonly channels: Channels) {
    this.min = new Float64Array(channels.count).fill(Infinity);
    this.max = new Float64Array(channels.count).fill(-Infinity);
  }

  /** Takes note of the activation of one sample. */
  observe(data: Float32Array, dims: readonly number[]): void {
    const { channels, min, max } = this;
    const { outer, inner } = spread(channels, dims);
    for (let i = 0; i < outer * channels.count; i++) {
      const c = i % channels.count;
      for (let at = i * inner; at < (i + 1) * inner; at++) {
        if (data[at] < min[c]) min[c] = data[at];
        if (data[at] > max[c]) max[c] = data[at];
      }
    }
  }
}

/** Whether a layer multiplies nothing but what is there: no zeros around a picture, which would not be lowered. */
export function isUnpadded({ window }: ReadRows): boolean {
  if (!window) return true;
  const { pads } = window;
  return typeof pads !== "string" && pads.every(([before, after]) => before === 0 && after === 0);
}

/**
 * What the channels of an activation are lowered by, and how much narrower its range becomes, in dB.
 *
 * @param cut whether a ReLU cuts off what would go below zero.
 */
export function shiftsOf(
  { min, max }: Pick<ChannelEnds, "min" | "max">,
  cut: boolean,
): { shifts: number[]; gain: number } {
  const shifts = Array.from(min, (low, c) => {
    const by = cut ? Math.max(low - MARGIN * (max[c] - low), 0) : (low + max[c]) / 2;
    return Number.isFinite(by) ? Math.fround(by) : 0;
  });
  const width = (by: readonly number[]) => {
    let [low, high] = [0, 0];
    by.forEach((shift, c) => {
      low = Math.min(low, min[c] - shift);
      high = Math.max(high, max[c] - shift);
    });
    return high - low;
  };
  const [before, after] = [width(shifts.map(() => 0)), width(shifts)];
  return { shifts, gain: after > 0 ? 20 * Math.log10(before / after) : 0 };
}
