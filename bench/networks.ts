/**
 * Whole networks on WebGPU: PP-OCRv4's recognition, detection and direction, and a sentence encoder where
 * its file is given. How long a run takes, compiled and not, in floats and in the integers of the file that
 * `quantizeStatic` makes; how many dispatches it is; what it holds on the device; how near its outputs are
 * to onnxruntime's, which runs beside it on the CPU.
 *
 * Run: `deno task bench:networks`, or with the names of the networks to run. `--minilm FILE` adds the
 * encoder, `--steady 1000` runs each so often and looks whether memory grows, `--json FILE` keeps the
 * numbers.
 *
 * @module
 */
import { parseArgs } from "node:util";
import * as ort from "onnxruntime-node";
import {
  backendFor,
  importOnnx,
  init,
  type OnnxModel,
  type OnnxModule,
  quantizeStatic,
  type Tensor,
  zeros,
} from "../mod.ts";
import { WebGpuBackend } from "../lib/backend/webgpu/backend.ts";
import { WebGpuProgram } from "../lib/compile/webgpu.ts";
import { type Candidate, measure, type Timing } from "./measure.ts";
import { type Feed, type Network, networks } from "./network_list.ts";
import { nearness, tensorsOf } from "./network_runs.ts";

const { values: args, positionals: chosen } = parseArgs({
  options: {
    minilm: { type: "string" },
    steady: { type: "string" },
    json: { type: "string" },
  },
  allowPositionals: true,
});
/** Samples that the integers' ranges are observed on. */
const CALIBRATION = 8;
const MIB = 2 ** 20;

/** What is said of a network in one form. */
interface Row {
  readonly network: string;
  readonly form: string;
  readonly timing: Timing;
  readonly cosine?: number;
  readonly off?: number;
  readonly dispatches?: number;
  readonly weightBytes?: number;
  readonly plannedBytes?: number;
  readonly liveBytes?: number;
}

const { adapter } = await init({ device: "webgpu" });
const backend = backendFor("webgpu");
if (!(backend instanceof WebGpuBackend)) throw new Error("bench: there is no WebGPU device");
const { runtime } = backend;
const fence = zeros([1]);
/** Lets go of what nobody holds any more, where Deno was started so that it can be asked to. */
async function collected(): Promise<void> {
  (globalThis as { gc?: () => void }).gc?.();
  await new Promise((resolve) => setTimeout(resolve, 50));
}

const liveBytes = () => backend.memory().liveBytes;

/** How many dispatches some work enqueues. */
function dispatchesOf(work: () => void): number {
  let count = 0;
  const { dispatch } = runtime;
  runtime.dispatch = (...args) => {
    count++;
    dispatch.apply(runtime, args);
  };
  try {
    work();
  } finally {
    runtime.dispatch = dispatch;
  }
  return count;
}

const freed = (ys: readonly Tensor[]) => ys.forEach((y) => y.dispose());

/** A file as a network of ours: what is timed, and what is known of it. */
async function ours(form: string, source: string | OnnxModel, feeds: Record<string, Feed>) {
  await collected();
  const before = liveBytes();
  const module: OnnxModule = await importOnnx(source);
  const xs = tensorsOf(module, feeds);
  const program = new WebGpuProgram(module);
  freed(module.forwardAll(...xs)); // weights get the forms in which they are multiplied
  const [first, ...rest] = program.forwardAll(...xs);
  const output = await first.data();
  freed([first, ...rest]);
  await collected();
  const weightBytes = liveBytes() - before - xs.reduce((sum, x) => sum + x.nbytes, 0);
  const { recording } = program.plan(xs);
  const { bytes: plannedBytes, largestLiveSet } = recording.memory;
  const facts = { weightBytes, plannedBytes, liveBytes: largestLiveSet };
  const finish = async () => void await fence.data();
  const uncompiled = dispatchesOf(() => freed(module.forwardAll(...xs)));
  const runs: { candidate: Candidate; facts: Partial<Row> }[] = [{
    candidate: {
      name: `${form}, compiled`,
      run: () => freed(program.forwardAll(...xs)),
      finish,
      dispose: () => {
        program.dispose();
        freed(xs);
      },
    },
    facts: { ...facts, dispatches: recording.steps.length },
  }, {
    candidate: { name: form, run: () => freed(module.forwardAll(...xs)), finish },
    facts: { dispatches: uncompiled },
  }];
  return { runs, output };
}

/** What onnxruntime makes of a file, and itself to be timed. */
async function reference(form: string, source: string | Uint8Array, feeds: Record<string, Feed>) {
  const session = await ort.InferenceSession.create(source as string, { logSeverityLevel: 3 });
  const inputs = Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      new ort.Tensor(type, data as Float32Array, dims),
    ]),
  );
  const result = await session.run(inputs);
  let last: Promise<unknown> = Promise.resolve();
  const candidate: Candidate = {
    name: form,
    run: () => void (last = last.then(() => session.run(inputs))),
    finish: async () => void await last,
    dispose: () => session.release(),
  };
  return { candidate, output: result[session.outputNames[0]].data as Float32Array };
}

/** Whether memory grows over many runs. */
async function steady(name: string, run: () => void, count: number): Promise<void> {
  const seen: string[] = [];
  for (const runs of [10, count]) {
    for (let i = 0; i < runs; i++) {
      run();
      if (i % 8 === 7) await fence.data();
    }
    await fence.data();
    const { liveBytes, pooledBytes } = backend.memory();
    const rss = Math.round(Deno.memoryUsage().rss / MIB);
    seen.push(`after ${runs} more: ${liveBytes} bytes live, ${pooledBytes} pooled, ${rss} MiB`);
  }
  console.log(`${name}, ${seen.join("; ")}`);
}

async function bench({ name, path, inputs }: Network): Promise<Row[]> {
  const [feeds, ...calibration] = await inputs(1 + CALIBRATION);
  const float = await reference("onnxruntime, CPU", path, feeds);
  const candidates: { candidate: Candidate; facts: Partial<Row> }[] = [];
  const add = async (form: string, source: string | OnnxModel, wanted: Float32Array) => {
    const { runs, output } = await ours(form, source, feeds);
    const near = nearness(output, wanted);
    candidates.push(...runs.map((run) => ({ ...run, facts: { ...run.facts, ...near } })));
  };
  await add("float", path, float.output);
  candidates.push({ candidate: float.candidate, facts: {} });
  try {
    const { model } = await quantizeStatic(path, calibration);
    const integers = await reference("onnxruntime, CPU, integers", model.toBytes(), feeds);
    const near = nearness(integers.output, float.output);
    await add("integers", model, integers.output);
    candidates.push({ candidate: integers.candidate, facts: near });
  } catch (error) {
    console.log(`${name} in integers: ${(error as Error).message.slice(0, 200)}`);
  }
  const timings = await measure(candidates.map(({ candidate }) => candidate), {
    rounds: 5,
    roundMs: 500,
    budgetMs: 20_000,
  });
  if (args.steady) {
    for (const { candidate } of candidates) {
      if (candidate.name.includes("onnxruntime")) continue;
      await steady(`${name}, ${candidate.name}`, candidate.run, Number(args.steady));
    }
  }
  for (const { candidate } of candidates) await candidate.dispose?.();
  return timings.map((timing, i) => ({
    network: name,
    form: timing.name,
    timing,
    ...candidates[i].facts,
  }));
}

/** A row as it is printed; `ours` is what times are compared with. */
function printed(row: Row, ours: Row): Record<string, string | number> {
  const { timing: { median, low, high }, weightBytes, plannedBytes, liveBytes } = row;
  return {
    "ms": median.toFixed(1),
    "quartiles": `${low.toFixed(1)} to ${high.toFixed(1)}`,
    "of ours": (median / ours.timing.median).toFixed(2),
    "dispatches": row.dispatches ?? "",
    "weights, MiB": weightBytes === undefined ? "" : (weightBytes / MIB).toFixed(1),
    "activations, MiB": plannedBytes === undefined ? "" : (plannedBytes / MIB).toFixed(1),
    "of live set": plannedBytes && liveBytes ? (plannedBytes / liveBytes).toFixed(2) : "",
    "off by": row.off?.toExponential(1) ?? "",
    "cosine": row.cosine?.toFixed(7) ?? "",
  };
}

const [load] = Deno.loadavg();
console.log(`Deno ${Deno.version.deno}, ${adapter}, load ${load.toFixed(1)}`);
const all: Row[] = [];
for (const network of networks(args.minilm)) {
  if (chosen.length > 0 && !chosen.includes(network.name)) continue;
  const rows = await bench(network);
  all.push(...rows);
  console.log(`\n${network.name}`);
  console.table(Object.fromEntries(rows.map((row) => [row.form, printed(row, rows[0])])));
}
if (args.json) await Deno.writeTextFile(args.json, JSON.stringify({ adapter, load, rows: all }));
Deno.exit(0);
