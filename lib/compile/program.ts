/**
 * What a compiled model runs on.
 *
 * @module
 */
import type { Tensor } from "../tensor/tensor.ts";

/**
 * A model made ready for a backend. `R` is what a forward gives: a tensor where work is enqueued, a
 * promise of one where it is waited for.
 */
export interface Program<R extends Tensor | Promise<Tensor>> {
  /** The model's output. */
  forward(...inputs: Tensor[]): R;
  /** Frees what was made for running. */
  dispose(): void;
}
