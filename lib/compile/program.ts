/**
 * What a compiled model runs on.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";

/** What running a model gives: its outputs where work is enqueued, a promise where it is waited for. */
export type Outputs = Tensor[] | Promise<Tensor[]>;

/** A model made ready for a backend. */
export interface Program<R extends Outputs> {
  /** The model's outputs. */
  forwardAll(...inputs: Tensor[]): R;
  /** Frees what was made for running. */
  dispose(): void;
}
