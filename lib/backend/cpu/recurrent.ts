/**
 * Recurrent cells, step by step.
 *
 * @module
 */
import { type Operand, type RecurrentArgs, recurrentSizes } from "../backend.ts";
import { floatsOf } from "./buffer.ts";
import { sigmoid } from "./special.ts";

/** What a recurrence gives, as numbers. */
export interface RecurrentValues {
  readonly output: Float32Array;
  readonly hidden: Float32Array;
  readonly state: Float32Array | null;
}

/** Runs the cell over all steps. */
export function recur(x: Operand, args: RecurrentArgs): RecurrentValues {
  const { cell, reverse } = args;
  const { steps, batch, size, gates, rowOf } = recurrentSizes(x, args);
  const xs = floatsOf(x.buffer);
  const hidden = args.hidden ? floatsOf(args.hidden.buffer) : new Float32Array(batch * size);
  const state = args.state ? floatsOf(args.state.buffer) : new Float32Array(batch * size);
  const output = new Float32Array(steps * batch * size);
  const product = productOf(args, size);
  const compute = cell === "lstm" ? lstm : gru;
  for (let s = 0; s < steps; s++) {
    const t = reverse ? steps - 1 - s : s;
    for (let b = 0; b < batch; b++) {
      const row = rowOf(t, b);
      const own = hidden.subarray(b * size, (b + 1) * size);
      const fromInput = xs.subarray(row * gates * size, (row + 1) * gates * size);
      compute(fromInput, product(own), own, state.subarray(b * size, (b + 1) * size));
      output.set(own, row * size);
    }
  }
  return { output, hidden, state: cell === "lstm" ? state : null };
}

/** The product of a hidden state with the weight, plus the bias. */
function productOf({ weight, bias }: RecurrentArgs, size: number) {
  const ws = floatsOf(weight.buffer);
  const bs = bias && floatsOf(bias.buffer);
  return (hidden: Float32Array): Float32Array =>
    Float32Array.from({ length: weight.shape[0] }, (_, n) => {
      let sum = 0;
      for (let k = 0; k < size; k++) sum += ws[n * size + k] * hidden[k];
      return bs ? Math.fround(sum) + bs[n] : sum;
    });
}

/** One step of one sample: writes its hidden and cell state. */
type Cell = (x: Float32Array, h: Float32Array, hidden: Float32Array, state: Float32Array) => void;

const lstm: Cell = (x, h, hidden, state) => {
  const size = hidden.length;
  const gate = (g: number, j: number) => x[g * size + j] + h[g * size + j];
  for (let j = 0; j < size; j++) {
    const kept = sigmoid(gate(1, j)) * state[j];
    state[j] = kept + sigmoid(gate(0, j)) * Math.tanh(gate(2, j));
    hidden[j] = sigmoid(gate(3, j)) * Math.tanh(state[j]);
  }
};

const gru: Cell = (x, h, hidden) => {
  const size = hidden.length;
  const gate = (g: number, j: number) => sigmoid(x[g * size + j] + h[g * size + j]);
  for (let j = 0; j < size; j++) {
    const fresh = Math.tanh(x[2 * size + j] + gate(0, j) * h[2 * size + j]);
    hidden[j] = fresh + gate(1, j) * (hidden[j] - fresh);
  }
};
