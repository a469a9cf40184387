/**
 * Recurrent cells over whole sequences.
 *
 * @module
 */
import { float32 } from "../numbers/dtype.ts";
import { checkSameDevice } from "./ops.ts";
import { Tensor } from "./tensor.ts";

/** What a cell is run with; all tensors are float32. */
export interface CellArgs {
  /** Which cell. */
  readonly cell: "lstm" | "gru";
  /** Multiplies the hidden state, (gates · H, H). */
  readonly weight: Tensor;
  /** (gates · H,), or null. */
  readonly bias: Tensor | null;
  /** What the hidden state begins from, (B, H); null for zeros. */
  readonly hidden: Tensor | null;
  /** What an LSTM's cell state begins from; null for zeros. */
  readonly state: Tensor | null;
  /** Whether the input is (B, T, …), not (T, B, …). */
  readonly batchFirst: boolean;
  /** Whether the last step comes first. */
  readonly reverse: boolean;
}

/** What a cell gives, in float32. */
export interface CellResult {
  /** The hidden state after each step, laid out as the input. */
  readonly output: Tensor;
  /** That after the last, (B, H). */
  readonly hidden: Tensor;
  /** An LSTM's cell state after it, (B, H); else null. */
  readonly state: Tensor | null;
}

/**
 * Runs a cell over the steps of `x`, (T, B, gates · H) or (B, T, gates · H), which holds the products of the inputs,
 * biases added. Shapes are the caller's care; `where` opens messages. Enqueued.
 */
export function runCell(where: string, x: Tensor, args: CellArgs): CellResult {
  const { cell, weight, bias, hidden, state, batchFirst, reverse } = args;
  const others = [weight, bias, hidden, state].filter((t) => t !== null);
  checkSameDevice(where, x, ...others);
  const { backend } = x;
  const result = backend.recur(x.operand, {
    cell,
    weight: weight.operand,
    bias: bias && bias.operand,
    hidden: hidden && hidden.operand,
    state: state && state.operand,
    batchFirst,
    reverse,
  });
  const [a, b] = x.shape;
  const size = weight.shape[1];
  const last = [batchFirst ? a : b, size];
  return {
    output: new Tensor(backend, result.output, [a, b, size], float32),
    hidden: new Tensor(backend, result.hidden, last, float32),
    state: result.state && new Tensor(backend, result.state, last, float32),
  };
}
