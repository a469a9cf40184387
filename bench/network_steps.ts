/**
 * Where a network's time goes: the recorded steps of its compiled form, each timed on the device alone.
 *
 * Run: `deno run -A bench/network_steps.ts recognition`, a network of {@linkcode networks}, or a path and
 * shapes, `model.onnx 1,3,48,320`. `--all` lists every step in order beside the sums of each kernel.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { importOnnx, init, randn, type Tensor, zeros } from "../mod.ts";
import { WebGpuBackend } from "../lib/backend/webgpu/backend.ts";
import type { PooledBuffer } from "../lib/backend/webgpu/pool.ts";
import { bound, type RecordedStep } from "../lib/backend/webgpu/steps.ts";
import { DispatchTimer } from "../lib/compile/dispatch_timer.ts";
import { WebGpuProgram } from "../lib/compile/webgpu.ts";
import { quantiles } from "./measure.ts";
import { networks } from "./network_list.ts";
import { tensorsOf } from "./network_runs.ts";

const { values: args, positionals: [name, ...shapes] } = parseArgs({
  options: { all: { type: "boolean" }, minilm: { type: "string" } },
  allowPositionals: true,
});
/** Turns of each step, and how often it runs in one. */
const TURNS = 3;
const REPEATS = 4;
/** Characters of a kernel's key that are shown. */
const SHOWN = 150;

await init({ device: "webgpu" });
const known = networks(args.minilm).find((network) => network.name === name);
const module = await importOnnx(known?.path ?? name);
const inputs: Tensor[] = known
  ? tensorsOf(module, (await known.inputs(1))[0])
  : shapes.map((shape) => randn(shape.split(",").map(Number)));
const program = new WebGpuProgram(module);
const { recording } = program.plan(inputs);
const { backend } = inputs[0];
if (!(backend instanceof WebGpuBackend)) throw new Error("bench: there is no WebGPU device");
const { runtime } = backend;
const timer = new DispatchTimer(runtime);
const ys = recording.acquireOutputs();
using fence = zeros([1]);
program.forwardAll(...inputs).forEach((y) => y.dispose());
await fence.data();

/** Milliseconds of one step. */
async function timed(step: RecordedStep): Promise<number> {
  const buffers = recording.buffersOf(
    step,
    inputs.map((x) => x.operand.buffer as PooledBuffer),
    ys,
  );
  const run = "from" in step
    ? () => runtime.copy(buffers[0], buffers[1])
    : () => runtime.dispatch(step.kernel, buffers, step.params, step.workgroups);
  const times: number[] = [];
  for (let turn = 0; turn < TURNS; turn++) times.push(await timer.measure(run, REPEATS));
  return quantiles(times, 0.5)[0];
}

const rows: { ms: number; kernel: string; params: string; bytes: string }[] = [];
for (const step of recording.steps) {
  rows.push({
    ms: await timed(step),
    kernel: ("from" in step ? "copy" : step.kernel.key).slice(0, SHOWN),
    params: "from" in step ? "" : step.params.slice(0, 10).join(","),
    bytes: bound(step).map(({ byteLength }) => byteLength).join("/"),
  });
}
if (args.all) {
  for (const { ms, kernel, params, bytes } of rows) {
    console.log(`${ms.toFixed(2).padStart(8)}  ${kernel}  (${params})  ${bytes}`);
  }
}
const sums = Map.groupBy(rows, ({ kernel }) => kernel.split(/ (?:steps|params|places)=/)[0]);
const total = rows.reduce((sum, { ms }) => sum + ms, 0);
console.log(`\n${recording.steps.length} steps, ${total.toFixed(1)} ms one by one`);
const ranked = [...sums].map(([kernel, of]) =>
  [of.reduce((sum, { ms }) => sum + ms, 0), of.length, kernel] as const
);
for (const [ms, count, kernel] of ranked.sort(([a], [b]) => b - a)) {
  console.log(`${ms.toFixed(2).padStart(8)} ms, ${String(count).padStart(3)} × ${kernel}`);
}
timer.dispose();
Deno.exit(0);
