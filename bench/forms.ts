/**
 * A folder in every form that transformers.js loads: what `convertOnnx` says of each, what transformers.js makes of it in
 * Node and in Chromium, and which versions of onnxruntime run it.
 *
 * Run: `deno task bench:forms`, which takes the small encoder, or with `--model FOLDER --data SAMPLES --texts FILE` of a
 * sentence encoder, and `--unseen SAMPLES` to judge by. `--out FOLDER` keeps the forms and finds them there again. `--parts forms,times,node,chromium,versions`
 * says what is measured, `--node 1.20.1,…` and `--web 1.20.1,…` in which versions.
 *
 * `--parts dynamic,times --python PATH` measures `quantizeDynamic` beside Python's instead, see `dynamic_forms.ts`:
 * `--models recognition,vit` says of which models, `--minilm FOLDER` and `--networks FOLDER` give more of them,
 * without `times` no times are taken. `--samples 48` says how many samples are read, of each model or of `--data`.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  convertOnnx,
  loadOnnx,
  modelInputs,
  type OnnxFeed,
  type OnnxFeeds,
  quantizeWeights,
  type QuantizeWeightsOptions,
  readSamples,
  replay,
  saveOnnx,
} from "../mod.ts";
import { FormJudge } from "../lib/onnx/convert/judge.ts";
import { sampleInputs } from "../lib/onnx/convert/sample_inputs.ts";
import { timeShare } from "../lib/onnx/run/race.ts";
import { CONVERT_DTYPES } from "../lib/onnx/convert/dtypes.ts";
import { SENTENCES, writeTextEncoder } from "../examples/support/text_encoder_folder.ts";
import { deno } from "../scripts/run.ts";
import {
  type ClientAnswers,
  inChromium,
  inNode,
  leastCosines,
  pipelinesFor,
} from "../scripts/transformers_js.ts";
import { RuntimePage } from "../scripts/web/runtime_page.ts";
import { dynamicForms } from "./dynamic_forms.ts";
import { quantiles } from "./measure.ts";
import type { JsonFeed, NodeRun } from "./node_runtime.ts";

const { values: args } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    unseen: { type: "string" },
    texts: { type: "string" },
    out: { type: "string" },
    python: { type: "string" },
    models: { type: "string" },
    minilm: { type: "string" },
    networks: { type: "string" },
    samples: { type: "string", default: "48" },
    parts: { type: "string", default: "forms,times,node,chromium,versions" },
    node: { type: "string", default: "1.20.1,1.22.0,1.24.3,1.27.0,1.30.0" },
    web: { type: "string", default: "1.20.1,1.22.0,1.23.2,1.30.0" },
  },
});

/** Samples to judge with that no form was made with. */
const SAMPLES = 32;
/** How often transformers.js is timed. */
const ROUNDS = 6;
/** The forms, and what their files' names end with. */
const NAMES = [
  ["fp32", ""] as const,
  ...[...CONVERT_DTYPES].map(([dtype, { suffix }]) => [dtype, suffix] as const),
];

const parts = new Set(args.parts.split(","));
const scratch = await Deno.makeTempDir({ prefix: "bench-forms-" });

function print(rows: readonly (readonly string[])[]): void {
  const [head, ...body] = rows;
  for (const row of [head, head.map(() => "---"), ...body]) console.log(`| ${row.join(" | ")} |`);
  console.log();
}

function inShort(message: string): string {
  return `no: ${message.split("\n")[0].replaceAll("|", "/").slice(0, 90)}`;
}

function sqnr(x: readonly number[], y: readonly number[]): number {
  let [signal, noise] = [0, 0];
  x.forEach((value, i) => [signal, noise] = [signal + value ** 2, noise + (value - y[i]) ** 2]);
  return 10 * Math.log10(signal / noise);
}

/** The folder that is converted, and its samples. */
async function subject() {
  const model = args.model ?? `${scratch}/small`;
  if (args.model === undefined) await writeTextEncoder(model);
  const float = await loadOnnx(`${model}/onnx/model.onnx`);
  const inputs = modelInputs(float);
  const made = args.data === undefined ? await sampleInputs("bench", float) : undefined;
  const data = made
    ? () => made
    : replay(() => readSamples(args.data!, inputs, { limit: Number(args.samples) }));
  return { model, data: data as () => Iterable<OnnxFeeds> | AsyncIterable<OnnxFeeds> };
}

async function forms(model: string, out: string, data: () => unknown): Promise<void> {
  const start = performance.now();
  const { files } = await convertOnnx(model, { out, data: data as never, force: true });
  const seconds = (performance.now() - start) / 1000;
  const [float] = files;
  print([
    ["dtype", "size", "of float", "SQNR", "ms", "of float"],
    ...files.map(({ dtype, bytes, sqnr = NaN, ms = NaN }) => [
      dtype,
      `${(bytes / 2 ** 20).toPrecision(3)} MiB`,
      `${(100 * bytes / float.bytes).toFixed(0)} %`,
      dtype === "fp32" ? "" : `${sqnr.toFixed(1)} dB`,
      ms.toPrecision(3),
      `${(100 * ms / float.ms!).toFixed(0)} %`,
    ]),
  ]);
  console.log(`${seconds.toFixed(0)} s for all\n`);
}

/** The processor's time of each file on one thread beside the float model's, taken in turns. */
async function times(out: string, data: () => Iterable<OnnxFeeds> | AsyncIterable<OnnxFeeds>) {
  const file = (suffix: string) => loadOnnx(`${out}/onnx/model${suffix}.onnx`);
  const float = await file("");
  for await (const sample of data()) {
    const rows = [];
    for (const [dtype, suffix] of NAMES.slice(1)) {
      const share = await timeShare("bench", await file(suffix), float, sample);
      rows.push([dtype, `${Math.round(100 * share)} %`]);
    }
    print([["dtype", "time, of float"], ...rows]);
    return;
  }
}

/** What the forms are worth on samples that they were not made with. */
async function unseen(model: string, out: string, path: string): Promise<void> {
  const float = await loadOnnx(`${model}/onnx/model.onnx`);
  const samples = readSamples(path, modelInputs(float), { limit: SAMPLES });
  const judge = await FormJudge.open("bench", float, await Array.fromAsync(samples));
  const rows = [];
  for (const [dtype, suffix] of NAMES.slice(1)) {
    const { sqnr } = await judge.worth(await loadOnnx(`${out}/onnx/model${suffix}.onnx`));
    rows.push([dtype, `${sqnr.toFixed(1)} dB`]);
  }
  print([["dtype", "SQNR on unseen samples"], ...rows]);
}

/** What transformers.js makes of the folder. */
async function clients(out: string): Promise<void> {
  const [, models, name] = /^(.*)\/([^/]+)$/.exec(out)!;
  const texts = args.texts === undefined
    ? SENTENCES
    : (await Deno.readTextFile(args.texts)).split("\n").filter(Boolean);
  const dtypes = ["fp32", ...CONVERT_DTYPES.keys()];
  const job = { models, name, texts, pipelines: pipelinesFor(dtypes), rounds: ROUNDS };
  const node = await inNode(job);
  const answers: Record<string, ClientAnswers> = { Node: node };
  if (parts.has("chromium")) answers["Chromium, WASM"] = await inChromium(job);
  const cosines = Object.fromEntries(
    Object.entries(answers).map((
      [where, each],
    ) => [where, leastCosines(each, node.fp32.embeddings)]),
  );
  const cell = (where: string, dtype: string) => {
    const { problem, times } = answers[where][dtype];
    if (problem !== undefined) return inShort(problem);
    return `${cosines[where][dtype].toFixed(5)}, ${
      quantiles([...times], 0.5)[0].toPrecision(3)
    } ms`;
  };
  const wheres = Object.keys(answers);
  print([
    ["dtype", ...wheres.map((where) => `least cosine, time in ${where}`)],
    ...dtypes.map((dtype) => [dtype, ...wheres.map((where) => cell(where, dtype))]),
  ]);
}

function jsonFeeds(feeds: OnnxFeeds): Record<string, JsonFeed> {
  return Object.fromEntries(
    Object.entries(feeds as Record<string, OnnxFeed>).map(([name, { data, dims }]) => {
      const type = data instanceof BigInt64Array ? "int64" as const : "float32" as const;
      return [name, { type, dims: [...dims], data: Array.from(data as ArrayLike<number>, Number) }];
    }),
  );
}

/** Forms of weights that `convert` does not write. */
const MORE_FORMS: Readonly<Record<string, QuantizeWeightsOptions>> = {
  "2 bits": { bits: 2 },
  "3 bits": { bits: 3 },
  "8 bits": { bits: 8 },
  "embeddings of 4 bits": { embeddingBits: 4 },
  "QDQ of 4 bits": { format: "qdq" },
};

/** Which versions run the files, by how near the output is to the float model's in the same version. */
async function versions(
  model: string,
  out: string,
  data: () => Iterable<OnnxFeeds> | AsyncIterable<OnnxFeeds>,
) {
  const rows = NAMES.map(([dtype, ending]): [string, string] => [
    dtype,
    `${out}/onnx/model${ending}.onnx`,
  ]).filter(([, path]) => existsSync(path));
  for (const [name, options] of Object.entries(MORE_FORMS)) {
    const path = `${scratch}/${name.replaceAll(" ", "_")}.onnx`;
    const { model: narrow } = await quantizeWeights(`${model}/onnx/model.onnx`, options);
    await saveOnnx(narrow, path);
    rows.push([name, path]);
  }
  const files = rows.map(([, path]) => path);
  let feeds: Record<string, JsonFeed> = {};
  for await (const sample of data()) {
    feeds = jsonFeeds(sample);
    break;
  }
  await Deno.writeTextFile(`${scratch}/feeds.json`, JSON.stringify(feeds));
  const columns: [string, readonly NodeRun[]][] = [];
  for (const version of args.node.split(",")) {
    const script = ["run", "-A", "--no-lock", "bench/node_runtime.ts"];
    const env = { ORT_DISABLE_TELEMETRY: "1" };
    const { stdout } = await deno([...script, version, `${scratch}/feeds.json`, ...files], {
      output: "keep",
      env,
    });
    columns.push([`node ${version}`, JSON.parse(stdout.trim().split("\n").at(-1)!)]);
  }
  const bytes = await Promise.all(files.map((path) => Deno.readFile(path)));
  for (const version of args.web.split(",").filter(Boolean)) {
    await using page = await RuntimePage.launch(version);
    const runtime = { entry: "ort.wasm.min.mjs", provider: "wasm" } as const;
    columns.push([`web ${version}`, await page.run(runtime, bytes, feeds, 0, 600_000)]);
  }
  print([
    ["dtype", ...columns.map(([name]) => name)],
    ...rows.map(([dtype], i) => [
      dtype,
      ...columns.map(([, runs]) => {
        const { problem, output } = runs[i];
        if (problem !== undefined) return inShort(problem);
        return i === 0 ? "runs" : `${sqnr(runs[0].output, output).toFixed(1)} dB`;
      }),
    ]),
  ]);
}

/** `quantizeDynamic` beside Python's: a row at a time, for it takes minutes. */
async function dynamic(): Promise<void> {
  if (!args.python) throw new Error("--parts dynamic needs --python PATH of one with onnxruntime");
  const { python, minilm, networks, models } = args;
  const job = {
    python,
    minilm,
    networks,
    names: models?.split(","),
    samples: Number(args.samples),
    isTimed: parts.delete("times"),
  };
  const folder = args.out ?? `${scratch}/dynamic`;
  let isHead = true;
  for await (const row of dynamicForms({ ...job, folder })) {
    console.log(`| ${row.join(" | ")} |`);
    if (isHead) console.log(`| ${row.map((_, i) => i < 2 ? "---" : "--:").join(" | ")} |`);
    isHead = false;
  }
}

if (parts.delete("dynamic")) await dynamic();
if (parts.size === 0) {
  await Deno.remove(scratch, { recursive: true });
  Deno.exit(0);
}
const { model, data } = await subject();
const out = args.out ?? `${scratch}/forms`;
if (parts.has("forms")) await forms(model, out, data);
if (parts.has("times")) await times(out, data);
if (args.unseen !== undefined) await unseen(model, out, args.unseen);
if (parts.has("node")) await clients(out);
if (parts.has("versions")) await versions(model, out, data);
await Deno.remove(scratch, { recursive: true });
Deno.exit(0);
