/**
 * `quantizeDynamic` beside Python's `quantize_dynamic`, for signed and unsigned weights: SQNR on samples that nobody has
 * seen, size, and the processor's time on one thread as a share of the other's, taken in turns.
 *
 * Python makes its files of the original model, of what its own preparation and of what this library's makes of it, per
 * tensor as is its default and per channel; its best is the one with the greatest SQNR.
 *
 * @module
 */
import {
  loadOnnx,
  modelInputs,
  OnnxRuntime,
  prepareOnnx,
  quantizeDynamic,
  readSamples,
  saveOnnx,
} from "../mod.ts";
import { timeShare } from "../lib/onnx/run/race.ts";
import { Noise } from "../lib/quantization/analysis/noise.ts";
import { benchModels } from "./onnx_models.ts";
import type { Feeds } from "./onnx_samples.ts";

/** Where models come from, and where files go. */
export interface DynamicJob {
  /** A Python that has onnxruntime. */
  readonly python: string;
  /** For what is made; what is there is not made again, but for this library's files. */
  readonly folder: string;
  /** A folder with a sentence encoder. */
  readonly minilm?: string;
  /** A folder of `NAME.onnx` and `NAME.npz`, an array of samples of its only input; they are named as the file. */
  readonly networks?: string;
  /** Whether their times are taken. */
  readonly isTimed: boolean;
  /** How many samples of a model it is judged by, at most. */
  readonly samples: number;
  /** Those that are measured; by default all. */
  readonly names?: readonly string[];
}

interface Subject {
  readonly path: string;
  readonly samples: readonly Feeds[];
}

/** A file and what it is worth. */
interface Form {
  readonly path: string;
  readonly bytes: number;
  readonly sqnr: number;
}

/** What `peers/dynamic_onnx.py` says of a file. */
interface PythonForm {
  readonly type: "int8" | "uint8";
  readonly perChannel: boolean;
  readonly path: string;
  readonly problem?: string;
}

/** The networks of a folder, each with its samples. */
async function networks(
  folder: string,
  limit: number,
): Promise<[string, () => Promise<Subject>][]> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  const found = names.filter((name) => name.endsWith(".npz")).map((name) => name.slice(0, -4))
    .filter((name) => names.includes(`${name}.onnx`)).toSorted();
  return found.map((name) => [`${name}.onnx`, async () => {
    const path = `${folder}/${name}.onnx`;
    const [input] = modelInputs(await loadOnnx(path));
    const samples = readSamples(`${folder}/${name}.npz`, [input], { limit });
    return { path, samples: await Array.fromAsync(samples) as Feeds[] };
  }]);
}

/** What is measured. */
async function subjects(
  { folder, minilm, networks: more, samples: unseen }: DynamicJob,
): Promise<Map<string, () => Promise<Subject>>> {
  const counts = { calibration: 1, tuning: 1, unseen };
  const known = [...benchModels(counts, folder, minilm)].map(([name, make]) =>
    [name, async () => {
      const { path, samples: [, , samples] } = await make();
      return { path, samples };
    }] as const
  );
  return new Map([...known, ...more === undefined ? [] : await networks(more, unseen)]);
}

type Outputs = readonly Float32Array[];

/** All floats that a model gives for each sample. */
async function answers(path: string, samples: readonly Feeds[]): Promise<Outputs[]> {
  await using runtime = await OnnxRuntime.open("bench", await loadOnnx(path));
  const all: Outputs[] = [];
  for (const sample of samples) {
    const outputs = Object.values(await runtime.run(sample));
    all.push(outputs.flatMap(({ data }) => data instanceof Float32Array ? [data.slice()] : []));
  }
  return all;
}

async function judged(path: string, { samples }: Subject, float: Outputs[]): Promise<Form> {
  const noise = new Noise();
  const own = await answers(path, samples);
  float.forEach((outputs, i) => outputs.forEach((x, k) => noise.add(x, own[i][k])));
  return { path, bytes: (await Deno.stat(path)).size, sqnr: noise.sqnr };
}

/** What Python makes of a model. */
async function pythons(
  { python, folder }: DynamicJob,
  name: string,
  models: readonly string[],
): Promise<PythonForm[]> {
  const list = `${folder}/${name}-python.json`;
  try {
    return JSON.parse(await Deno.readTextFile(list));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const script = new URL("./peers/dynamic_onnx.py", import.meta.url).pathname;
  const job = { models, output: `${folder}/${name}-python` };
  const { stdout, stderr, success } = await new Deno.Command(python, {
    args: [script, JSON.stringify(job)],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  await Deno.writeFile(list, stdout);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** One model with weights of one type: a row of the table. */
async function row(
  name: string,
  type: "int8" | "uint8",
  subject: Subject,
  float: Outputs[],
  theirs: readonly PythonForm[],
  { folder, isTimed }: DynamicJob,
): Promise<string[]> {
  const path = `${folder}/${name}-own-${type}.onnx`;
  const { model } = await quantizeDynamic(subject.path, { weightType: type });
  await saveOnnx(model, path, { force: true });
  const own = await judged(path, subject, float);
  const forms: [PythonForm, Form][] = [];
  for (const form of theirs) {
    if (form.type !== type || form.problem !== undefined) continue;
    // Files that onnxruntime does not open are no results.
    const worth = await judged(form.path, subject, float).catch(() => undefined);
    if (worth) forms.push([form, worth]);
  }
  const bestOf = (perChannel?: boolean) =>
    forms.filter(([form]) => perChannel === undefined || form.perChannel === perChannel)
      .map(([, form]) => form).toSorted((a, b) => b.sqnr - a.sqnr).at(0);
  const best = bestOf();
  const times = [];
  for (const other of isTimed ? [best?.path, subject.path] : []) {
    const share = other === undefined
      ? undefined
      : await timeShare("bench", await loadOnnx(path), await loadOnnx(other), subject.samples[0]);
    times.push(share?.toFixed(2) ?? "");
  }
  const decibels = (form: Form | undefined) => form ? form.sqnr.toFixed(1) : "none";
  return [
    ...[name, type, decibels(own), decibels(bestOf(false)), decibels(bestOf(true))],
    ...[(own.bytes / 1e3).toFixed(0), best ? (own.bytes / best.bytes).toFixed(3) : ""],
    ...times,
  ];
}

/** The table's head, and then a row for each model and type. */
export async function* dynamicForms(job: DynamicJob): AsyncGenerator<readonly string[]> {
  await Deno.mkdir(job.folder, { recursive: true });
  const all = await subjects(job);
  yield [
    ...["model", "weights", "SQNR, dB", "Python, per tensor", "Python, per channel"],
    ...["size, kB", "of Python's best"],
    ...job.isTimed ? ["time, of Python's best", "of float's"] : [],
  ];
  for (const name of job.names ?? all.keys()) {
    const make = all.get(name);
    if (!make) throw new Error(`there is no model ${name}; there are ${[...all.keys()]}`);
    const subject = await make();
    const prepared = `${job.folder}/${name}-prepared.onnx`;
    await saveOnnx(await prepareOnnx(await loadOnnx(subject.path)), prepared, { force: true });
    const theirs = await pythons(job, name, [subject.path, prepared]);
    const float = await answers(subject.path, subject.samples);
    for (const type of ["int8", "uint8"] as const) {
      yield await row(name, type, subject, float, theirs, job);
    }
  }
}
