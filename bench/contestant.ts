/**
 * Who takes part in the table.
 *
 * @module
 */
import type { Candidate } from "./measure.ts";
import type { Shape } from "./shapes.ts";

/** One column: something that multiplies. */
export interface Contestant {
  readonly name: string;
  /** A product of this shape, ready to be timed. */
  layer(shape: Shape): Promise<Candidate>;
}

/** Contestants that come from one place. */
export interface Team {
  /** What they are and in which versions; for people. */
  readonly version: string;
  readonly contestants: readonly Contestant[];
  /** Ends what the team runs on. */
  close?(): Promise<void>;
}

/** Opens a team, or fails where it cannot take part. */
export interface Entry {
  /** The names of its contestants, known even if it fails. */
  readonly names: readonly string[];
  open(): Promise<Team>;
}
