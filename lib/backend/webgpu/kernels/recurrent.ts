/** What a step of a recurrent cell does once its hidden state was multiplied. */
import { helpers } from "./functions.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

const WORKGROUP = 64;

/** Workgroups for a step over so many numbers of hidden state. */
export function recurrentWorkgroups(numel: number): number {
  return Math.ceil(numel / WORKGROUP);
}

/**
 * A step over arrays of f32: `x`, products of all inputs, `h`, that of the hidden state, `state` with an
 * LSTM, `hidden` and `y`, all outputs. An invocation makes one number of the hidden state. Parameters:
 * `numel`, numbers of hidden state; `size`, those of a sample; and the rows of `x` and `y` that the
 * step is for: `first`, and `stride` from a sample to the next.
 */
export function recurrentKernel(cell: "lstm" | "gru"): Kernel {
  return kernel("recurrent", { cell }, recurrent);
}

/** Input, forget, cell and output gate. */
const LSTM = /* wgsl */ `
let kept = sigmoid_(x[at + size] + h[own + size]) * state[i];
let added = sigmoid_(x[at] + h[own]) * tanh_(x[at + 2u * size] + h[own + 2u * size]);
let next = kept + added;
state[i] = next;
let value = sigmoid_(x[at + 3u * size] + h[own + 3u * size]) * tanh_(next);
`;

/** Reset and update gate, and what is new. */
const GRU = /* wgsl */ `
let reset = sigmoid_(x[at] + h[own]);
let update = sigmoid_(x[at + size] + h[own + size]);
let fresh = tanh_(x[at + 2u * size] + reset * h[own + 2u * size]);
let value = fresh + update * (hidden[i] - fresh);
`;

function recurrent({ cell }: { cell: "lstm" | "gru" }): Shader {
  const [gates, compute] = cell === "lstm" ? [4, LSTM] : [3, GRU];
  return {
    arrays: [
      ["x", "f32"],
      ["h", "f32"],
      ...cell === "lstm" ? [["state", "f32", "read_write"] as const] : [],
      ["hidden", "f32", "read_write"],
      ["y", "f32", "read_write"],
    ],
    fields: ["numel", "size", "first", "stride"],
    declarations: helpers(compute),
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let i = index * ${WORKGROUP}u + lane;
if (i >= params.numel) { return; }
let size = params.size;
let sample = i / size;
let j = i % size;
let row = params.first + sample * params.stride;
let at = row * ${gates}u * size + j;
let own = sample * ${gates}u * size + j;
${compute}
hidden[i] = value;
y[row * size + j] = value;
`,
  };
}
