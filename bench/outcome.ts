/**
 * What a bench has found, and ratios of it.
 *
 * @module
 */
import type { Timing } from "./measure.ts";
import type { Peaks } from "./peak.ts";
import type { Shape } from "./shapes.ts";

/** Times by contestant, or why there is none. */
export type Times = ReadonlyMap<string, Timing | string>;

/** What the adapter can do at most. */
export interface Adapter {
  readonly peaks: Peaks;
  /** Bytes a second when reading a buffer of so many bytes. */
  readonly bandwidth: ReadonlyMap<number, number>;
}

/** A shape's times. */
export interface ShapeOutcome {
  readonly shape: Shape;
  readonly times: Times;
}

/** A model's times. */
export interface ModelOutcome {
  readonly name: string;
  readonly rows: number;
  readonly unit: string;
  readonly times: Times;
}

/** All that was found. */
export interface Outcome {
  /** The contestants, in the table's order. */
  readonly names: readonly string[];
  readonly shapes: readonly ShapeOutcome[];
  readonly models: readonly ModelOutcome[];
}

/** How many times as fast `name` is as `other`, wall time by wall time; nothing if one is missing. */
export function speedup(times: Times, name: string, other: string): number | undefined {
  const [a, b] = [times.get(name), times.get(other)];
  return typeof a === "object" && typeof b === "object" ? b.median / a.median : undefined;
}

/** The geometric mean of ratios; nothing if one is missing or there are none. */
export function geometricMean(ratios: readonly (number | undefined)[]): number | undefined {
  const logs = ratios.map((ratio) => ratio === undefined ? NaN : Math.log(ratio));
  const mean = Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
  return Number.isFinite(mean) ? mean : undefined;
}
