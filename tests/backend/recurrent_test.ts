import { assert, assertEquals } from "@std/assert";
import { backendFor, type Device, float32, type Tensor, tensor } from "../../mod.ts";
import { type CellArgs, runCell } from "../../lib/tensor/recurrent.ts";
import { eachBackend } from "../backends.ts";
import { uniform } from "../oracles.ts";

type Numbers = ArrayLike<number>;
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** A step in float64, from the gates of a sample, those of its input and those of its hidden state. */
const CELLS = {
  lstm: ([i, f, g, o]: number[], [hi, hf, hg, ho]: number[], _: number, c: number) => {
    const next = sigmoid(f + hf) * c + sigmoid(i + hi) * Math.tanh(g + hg);
    return [sigmoid(o + ho) * Math.tanh(next), next];
  },
  gru: ([r, z, n]: number[], [hr, hz, hn]: number[], h: number, c: number) => {
    const update = sigmoid(z + hz);
    return [(1 - update) * Math.tanh(n + sigmoid(r + hr) * hn) + update * h, c];
  },
};

/** Runs a cell in float64, all steps of one sample after those of another. */
function expected(
  cell: "lstm" | "gru",
  [steps, batch, size]: readonly number[],
  read: (t: number, b: number) => number,
  reverse: boolean,
  [x, w, bias, h0, c0]: readonly (Numbers | null)[],
) {
  const gates = cell === "lstm" ? 4 : 3;
  const output: number[] = [];
  const [hidden, state]: number[][] = [[], []];
  for (let b = 0; b < batch; b++) {
    let h = Array.from({ length: size }, (_, j) => h0 ? h0[b * size + j] : 0);
    const c = Array.from({ length: size }, (_, j) => c0 ? c0[b * size + j] : 0);
    for (let s = 0; s < steps; s++) {
      const row = read(reverse ? steps - 1 - s : s, b);
      const gate = (j: number) => Array.from({ length: gates }, (_, g) => g * size + j);
      const product = (n: number) =>
        h.reduce((sum, v, k) => sum + w![n * size + k] * v, bias ? bias[n] : 0);
      const next = h.map((v, j) => {
        const own = gate(j).map((n) => x![row * gates * size + n]);
        const [value, kept] = CELLS[cell](own, gate(j).map(product), v, c[j]);
        c[j] = kept;
        return value;
      });
      h = next;
      h.forEach((v, j) => output[row * size + j] = v);
    }
    hidden.push(...h);
    state.push(...c);
  }
  return { output, hidden, state };
}

async function near(actual: Tensor | null, wanted: number[], what: string): Promise<void> {
  const values = await actual!.data();
  assertEquals(values.length, wanted.length, what);
  wanted.forEach((v, i) =>
    assert(Math.abs(values[i] - v) < 5e-6, `${what} ${i}: ${values[i]} ${v}`)
  );
}

async function check(
  cell: "lstm" | "gru",
  sizes: readonly number[],
  device: Device,
  flags: { batchFirst: boolean; reverse: boolean; begun: boolean },
): Promise<void> {
  const [steps, batch, size] = sizes;
  const { batchFirst, reverse, begun } = flags;
  const rows = (cell === "lstm" ? 4 : 3) * size;
  const make = (seed: number, shape: number[]) =>
    tensor(uniform(seed, shape.reduce((a, b) => a * b, 1)), { shape, device, dtype: float32 });
  const x = make(1, batchFirst ? [batch, steps, rows] : [steps, batch, rows]);
  const args: CellArgs = {
    cell,
    weight: make(2, [rows, size]),
    bias: begun ? make(3, [rows]) : null,
    hidden: begun ? make(4, [batch, size]) : null,
    state: begun && cell === "lstm" ? make(5, [batch, size]) : null,
    batchFirst,
    reverse,
  };
  const { output, hidden, state } = runCell("test", x, args);
  const read = (t: number, b: number) => batchFirst ? b * steps + t : t * batch + b;
  const tensors = [x, args.weight, args.bias, args.hidden, args.state];
  const numbers = await Promise.all(tensors.map((t) => t && t.data()));
  const wanted = expected(cell, sizes, read, reverse, numbers);
  const what = `${cell} ${sizes} ${JSON.stringify(flags)}`;
  assertEquals(output.shape, [...x.shape.slice(0, 2), size], what);
  await near(output, wanted.output, `output of ${what}`);
  await near(hidden, wanted.hidden, `hidden state of ${what}`);
  if (cell === "lstm") await near(state, wanted.state, `state of ${what}`);
  else assertEquals(state, null);
  for (const t of [...tensors, output, hidden, state]) t?.dispose();
}

for (const cell of ["lstm", "gru"] as const) {
  eachBackend(`${cell} gives what its formula says`, async (device) => {
    const before = backendFor(device).memory().liveBuffers;
    for (const sizes of [[1, 1, 1], [5, 2, 4], [3, 5, 7], [4, 20, 16], [2, 3, 33], [3, 0, 4]]) {
      for (const batchFirst of [false, true]) {
        for (const reverse of [false, true]) {
          for (const begun of [false, true]) {
            await check(cell, sizes, device, { batchFirst, reverse, begun });
          }
        }
      }
    }
    assertEquals(backendFor(device).memory().liveBuffers, before);
  });
}
