/**
 * `quantizeStatic`, `tuneOnnx` and `quantizeDynamic` beside Python's onnxruntime.quantization, on ten models: what the
 * quantized models are worth on samples that nobody has seen, for their task too, how fast onnxruntime runs them, how big
 * they are, and what making them took.
 *
 * Both get the same samples, and the same prepared float file; Python tries the original file with its own preparation as
 * well, and of all that it makes the best counts (QDQ, uint8 activations, int8 weights per channel). Samples have one
 * shape where the model lets them, since Python's percentiles take no other.
 *
 * Run: `deno task bench:onnx --python /path/to/python`; without it, only this library is measured.
 * `--models recognition,mobilenet` says which models, `--minilm FOLDER` where a sentence encoder is, `--samples 64` how many
 * to calibrate on. Tuning may take at most `--seconds`, and 55 times what plain quantizing does; what it gives is to be about
 * as fast as what that gives and as Python's best, and faster than float. With `--folder FOLDER` what was made stays there, and the
 * figures in `results.json`: `--only make`, `time` or `report` does a part of it, so that times can be taken when the
 * machine is quiet; what is in the results is not made again, but for rows that `--again latency,tuned` names.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { loadOnnx, OnnxRuntime, prepareOnnx, saveOnnx } from "../mod.ts";
import { processorTime } from "../lib/files/processor_time.ts";
import { timeShare } from "../lib/onnx/run/race.ts";
import { Noise } from "../lib/quantization/analysis/noise.ts";
import { type Candidate, measure, quantiles } from "./measure.ts";
import { type Answers, type BenchModel, benchModels } from "./onnx_models.ts";
import { type Feeds, type QuantizeJob, readFeeds, writeFeeds } from "./onnx_samples.ts";

const { values: args } = parseArgs({
  options: {
    python: { type: "string" },
    models: { type: "string" },
    minilm: { type: "string" },
    samples: { type: "string", default: "64" },
    seconds: { type: "string", default: "600" },
    folder: { type: "string" },
    only: { type: "string" },
    again: { type: "string", default: "" },
  },
});
const COUNTS = { calibration: Number(args.samples), tuning: 96, unseen: 48 };
const LATENCY_SAMPLES = 8;
/** What tuning may take beside plain quantizing, and what comes of it beside the plain model, float, and Python's best. */
const TUNED = { times: 55, ofPlain: 1.1, ofFloat: 0.945, ofPython: 1.03, atLeast: 1.03 } as const;

type Method = QuantizeJob["method"];
/** What this library does, and what Python does: of its static ways the best counts. */
const OURS: readonly Method[] = ["minmax", "auto", "latency", "tuned", "dynamic"];
const PYTHONS: readonly Method[] = ["minmax", "percentile", "entropy"];

/** What quantizing took. */
interface Made {
  readonly seconds: number;
  readonly peakBytes: number;
}

/** A file and what was measured of it. */
interface Row extends Partial<Made> {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  readonly sqnr?: number;
  readonly score: number;
  ms?: number;
}

/** What was measured of a model. */
interface Result {
  readonly task: string;
  readonly rows: Row[];
}

/** Starts a quantizer in a process of its own. */
async function quantize(program: "ours" | "python", job: QuantizeJob): Promise<Made> {
  const here = (name: string) => new URL(`./peers/${name}`, import.meta.url).pathname;
  const [command, before] = program === "ours"
    ? [Deno.execPath(), ["run", "-A", here("quantize_onnx.ts")]]
    : [args.python!, [here("quantize_onnx.py")]];
  const child = new Deno.Command(command, {
    args: [...before, JSON.stringify(job)],
    stderr: "piped",
  });
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim().split("\n").at(-1));
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
}

/** The first output of a model, for samples. */
async function answers(path: string, samples: readonly Feeds[]): Promise<Answers> {
  await using runtime = await OnnxRuntime.open("bench", await loadOnnx(path));
  const [{ name }] = runtime.outputs;
  const all = [];
  for (const sample of samples) all.push((await runtime.run(sample, [name]))[name]);
  return all;
}

/** Signal to quantization noise over all samples, in dB. */
function sqnr(float: Answers, quantized: Answers): number {
  const noise = new Noise();
  float.forEach(({ data }, i) =>
    noise.add(data as Float32Array, quantized[i].data as Float32Array)
  );
  return noise.sqnr;
}

/** A way to quantize: who does it, and how. */
interface Way {
  readonly name: string;
  readonly program: "ours" | "python";
  readonly method: Method;
  /** Whether Python prepares the original file itself. */
  readonly preprocess: boolean;
}

/** All ways that are tried. */
const WAYS: readonly Way[] = [
  ...OURS.map((method) => ({ name: method, program: "ours", method, preprocess: false } as const)),
  ...[false, true].flatMap((preprocess) =>
    PYTHONS.map((method) => ({
      ...{ name: `Python ${method}${preprocess ? ", own preparation" : ""}`, method, preprocess },
      program: "python",
    } as const))
  ),
  { name: "Python dynamic", program: "python", method: "dynamic", preprocess: false },
];

const isPythonsStatic = ({ name }: Row) => name.startsWith("Python") && name !== "Python dynamic";

/** What counts of all that was made: of Python's static ways the best. */
function counted(rows: readonly Row[]): Row[] {
  const theirs = rows.filter(isPythonsStatic);
  const [best] = theirs.toSorted((a, b) => b.sqnr! - a.sqnr!);
  return rows.filter((row) => row === best || !theirs.includes(row));
}

/** What tuning may cost: seconds, bytes, and latency as a share of float's. */
async function budget(rows: readonly Row[], { bytes, samples: [, , samples] }: BenchModel) {
  const plain = rows.find(({ name }) => name === "minmax");
  if (!plain) return {};
  const float = await loadOnnx(rows[0].file);
  const shareOf = async (row: Row) =>
    await timeShare("bench", await loadOnnx(row.file), float, samples[0]);
  const share = await shareOf(plain);
  const [python] = counted(rows).filter(isPythonsStatic);
  const atLeast = TUNED.atLeast * share;
  const theirs = python ? TUNED.ofPython * await shareOf(python) : Infinity;
  return {
    bytes,
    seconds: Math.min(Number(args.seconds), TUNED.times * plain.seconds!),
    latency: Math.min(TUNED.ofFloat, Math.max(Math.min(TUNED.ofPlain * share, theirs), atLeast)),
  };
}

/** Makes the files of a model that are not there yet and judges them; `keep` is told of each. */
async function make(
  name: string,
  model: BenchModel,
  folder: string,
  { rows }: Result,
  keep: () => Promise<void>,
): Promise<void> {
  const at = (what: string) => `${folder}/${name}-${what}`;
  const [calibration, tuning, unseen] = ["calibration", "tuning", "unseen"].map(at);
  for (const [i, path] of [calibration, tuning, unseen].entries()) {
    await writeFeeds(path, model.samples[i]);
  }
  const float = at("float.onnx");
  await saveOnnx(await prepareOnnx(await loadOnnx(model.path)), float, { force: true });
  const expected = await answers(float, model.samples[2]);
  const anew = new Set<string>();
  const judge = async (what: string, file: string, made: Partial<Made> = {}) => {
    const given = file === float ? expected : await answers(file, model.samples[2]);
    anew.add(what);
    const at = rows.findIndex((row) => row.name === what);
    rows.splice(at < 0 ? rows.length : at, at < 0 ? 0 : 1, {
      ...{ name: what, file, bytes: (await Deno.stat(file)).size, ...made },
      ...file === float ? {} : { sqnr: sqnr(expected, given) },
      score: await model.score(given, expected),
    });
    await keep();
  };
  const again = args.again.split(",");
  const isThere = (what: string) =>
    rows.some((row) => row.name === what && (!again.includes(what) || anew.has(what)));
  if (!isThere("float")) await judge("float", float);
  for (const { name: what, program, method, preprocess } of WAYS) {
    if (isThere(what) || program === "python" && !args.python) continue;
    const job: QuantizeJob = {
      ...{ model: preprocess ? model.path : float, method, preprocess, perChannel: true },
      ...{ samples: calibration, heldOut: tuning, count: COUNTS.calibration, percentile: 99.999 },
      output: at(`${what.replaceAll(/\W+/g, "-")}.onnx`),
      ...method === "tuned" ? await budget(rows, model) : {},
    };
    try {
      await judge(what, job.output, await quantize(program, job));
    } catch (error) {
      console.error(`${name}, ${what}: ${(error as Error).message}`);
    }
  }
}

/**
 * A session that runs the samples in turn, on one thread: so the processor's time is that of a machine that does nothing
 * else.
 */
async function candidate(path: string, samples: readonly Feeds[]): Promise<Candidate> {
  const runtime = await OnnxRuntime.open("bench", await loadOnnx(path), { threads: 1 });
  let next = 0;
  let start: number | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return {
    name: path,
    run() {
      start ??= processorTime();
      last = last.then(() => runtime.run(samples[next++ % samples.length]));
    },
    async finish() {
      await last;
      const time = processorTime() - start!;
      start = undefined;
      return time;
    },
    dispose: () => runtime.release(),
  };
}

/** Times all files of a model, in turns. */
async function time(name: string, { rows: all }: Result, folder: string): Promise<void> {
  const rows = counted(all);
  const samples = await Array.fromAsync(readFeeds(`${folder}/${name}-unseen`, LATENCY_SAMPLES));
  const candidates: Candidate[] = [];
  for (const { file } of rows) candidates.push(await candidate(file, samples));
  const timings = await measure(candidates, { rounds: 9, roundMs: 100 });
  rows.forEach((row, i) => row.ms = timings[i].median);
  for (const { dispose } of candidates) await dispose?.();
}

function report(results: ReadonlyMap<string, Result>): void {
  const number = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? "";
  const head = [
    ...["model", "", "SQNR, dB", "task", "latency, ms", "of float's", "MB", "quantizing, s"],
    "peak memory, MB",
  ];
  console.log(`| ${head.join(" | ")} |\n| --- | --- |${" --: |".repeat(head.length - 2)}`);
  for (const [model, { task, rows }] of results) {
    for (
      const [i, { name, sqnr, score, ms, bytes, seconds, peakBytes }] of counted(rows).entries()
    ) {
      const cells = [
        ...[i === 0 ? model : i === 1 ? `(${task})` : "", name, number(sqnr, 1)],
        ...[`${(100 * score).toFixed(1)} %`, number(ms, 2), number(ms && ms / rows[0].ms!, 2)],
        ...[number(bytes / 1e6, 2), number(seconds, 1), number(peakBytes && peakBytes / 1e6, 0)],
      ];
      console.log(`| ${cells.join(" | ")} |`);
    }
  }
  const ratios = [...results.values()].flatMap(({ rows }) => {
    const [float, tuned] = ["float", "tuned"].map((name) => rows.find((row) => row.name === name));
    return float?.ms && tuned?.ms ? [tuned.ms / float.ms] : [];
  });
  if (ratios.length > 1) {
    console.log(`\nTuned models take ${number(quantiles(ratios, 0.5)[0], 2)} of float's time.`);
  }
}

/** The results that lie in a folder. */
async function known(path: string): Promise<Map<string, Result>> {
  try {
    return new Map(Object.entries(JSON.parse(await Deno.readTextFile(path))));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Map();
    throw error;
  }
}

const folder = args.folder ?? await Deno.makeTempDir({ prefix: "bench-onnx-" });
await Deno.mkdir(folder, { recursive: true });
const file = `${folder}/results.json`;
try {
  const results = await known(file);
  const models = benchModels(COUNTS, folder, args.minilm);
  const names = args.models?.split(",") ?? [...models.keys()];
  const does = (part: string) => (args.only ?? part) === part;
  for (const name of names) {
    const model = models.get(name);
    if (!model) throw new Error(`there is no model ${name}; there are ${[...models.keys()]}`);
    // Another process may have written of other models meanwhile.
    const keep = async () => {
      const all = await known(file);
      const own = results.get(name);
      if (own) all.set(name, own);
      await Deno.writeTextFile(file, JSON.stringify(Object.fromEntries(all), null, 2) + "\n");
    };
    if (does("make")) {
      const made = await model();
      const result = results.get(name) ?? { task: made.task, rows: [] };
      results.set(name, result);
      await make(name, made, folder, result, keep);
    }
    const result = results.get(name);
    if (result && does("time")) await time(name, result, folder);
    await keep();
  }
  if (does("report")) report(results);
} finally {
  if (!args.folder) await Deno.remove(folder, { recursive: true });
}
