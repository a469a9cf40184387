/**
 * What a compiled model runs on.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";

/** What running a model gives: its outputs where work is enqueued, a promise where it is waited for. */
export type Outputs = Tensor[] | Promise<Tensor[]>;

/** A model made ready for a backend. */
export interface Program {
  /** The model's first output. */
  forward(...inputs: Tensor[]): Tensor | Promise<Tensor>;
  /** All outputs. */
  forwardAll(...inputs: Tensor[]): Outputs;
  /** Frees what was made for running. */
  dispose(): void;
}

/** The first output; the others are given up. */
export function firstOf(outputs: readonly Tensor[]): Tensor {
  for (let i = 1; i < outputs.length; i++) outputs[i].dispose();
  return outputs[0];
}
