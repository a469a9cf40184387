/**
 * transformers.js, whose folders `convert` writes, as its users have it: in Node and in Chromium, with nothing fetched
 * from elsewhere.
 *
 * @module
 */
import { chromium } from "playwright-core";
import { CHROMIUM_FLAGS, findChromium, WEBGPU_FLAGS } from "./chromium.ts";
import { ensureNodes, nodePath } from "./consumers.ts";
import { ensureNodePackages, pinned } from "./node_packages.ts";
import { cache } from "./paths.ts";
import { run } from "./run.ts";
import { serveFolder } from "./web/server.ts";

/** What is asked of it. */
export interface ClientJob {
  /** The folder that folders of models lie in. */
  readonly models: string;
  /** The model's folder in that. */
  readonly name: string;
  /** The options of each pipeline, by what it is to be called: `{ q8: { dtype: "q8" } }`. */
  readonly pipelines: Readonly<Record<string, PipelineOptions>>;
  /** What is embedded. */
  readonly texts: readonly string[];
  /** How often, for the time; once by default. */
  readonly rounds?: number;
}

/** Options of transformers.js's `pipeline`. */
export interface PipelineOptions {
  readonly dtype: string;
  readonly model_file_name?: string;
  readonly device?: string;
}

/** What became of one pipeline. */
export interface ClientAnswer {
  /** Why there are no embeddings. */
  readonly problem?: string;
  /** The mean of each text's tokens, of length 1. */
  readonly embeddings: readonly (readonly number[])[];
  /** Milliseconds of each round after the first. */
  readonly times: readonly number[];
}

/** The answers by the names of the pipelines. */
export type ClientAnswers = Readonly<Record<string, ClientAnswer>>;

/** The pipelines for the files that `convert` writes; the static one is asked for by its file. */
export function pipelinesFor(dtypes: readonly string[]): Record<string, PipelineOptions> {
  return Object.fromEntries(dtypes.map((dtype) => [
    dtype,
    dtype === "static" ? { dtype: "fp32", model_file_name: "model_static" } : { dtype },
  ]));
}

/** The cosine of two embeddings. */
export function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** The least cosine of each answer's embeddings to those of one that is the reference. */
export function leastCosines(
  answers: ClientAnswers,
  reference: readonly (readonly number[])[],
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(answers).map(([name, { embeddings }]) => [
      name,
      Math.min(...reference.map((row, i) => embeddings[i] ? cosine(row, embeddings[i]) : NaN)),
    ]),
  );
}

/** Runs in Node and in pages: all that it names is in it. */
async function answer(
  // deno-lint-ignore no-explicit-any
  { pipeline }: any,
  { name, pipelines, texts, rounds = 1 }: Omit<ClientJob, "models">,
): Promise<ClientAnswers> {
  const answers: Record<string, ClientAnswer> = {};
  for (const [called, options] of Object.entries(pipelines)) {
    try {
      const extract = await pipeline("feature-extraction", name, options);
      const embed = async () =>
        (await extract(texts, { pooling: "mean", normalize: true })).tolist();
      const embeddings = await embed();
      const times: number[] = [];
      for (let i = 1; i < rounds; i++) {
        const start = performance.now();
        await embed();
        times.push(performance.now() - start);
      }
      answers[called] = { embeddings, times };
      await extract.dispose();
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      answers[called] = { problem, embeddings: [], times: [] };
    }
  }
  return answers;
}

/** Nothing is asked of anybody else. */
const OFFLINE = `env.allowRemoteModels = false;
env.allowLocalModels = true;
env.useFSCache = env.useBrowserCache = env.useWasmCache = false;`;

/** The package, in a folder of its own. */
async function clientPackages(): Promise<string> {
  return await ensureNodePackages(`${cache}/transformers`, pinned(["@huggingface/transformers"]));
}

/** What transformers.js answers in Node. */
export async function inNode({ models, ...job }: ClientJob): Promise<ClientAnswers> {
  await ensureNodes();
  const modules = await clientPackages();
  const folder = `${cache}/transformers`;
  const program = `import * as transformers from "@huggingface/transformers";
import { readFileSync, writeFileSync } from "node:fs";
const { env } = transformers;
${OFFLINE}
env.localModelPath = ${JSON.stringify(`${models}/`)};
globalThis.fetch = (url) => { throw new Error("it asks for " + url); };
const answer = ${answer};
const answers = await answer(transformers, JSON.parse(readFileSync(0, "utf8")));
writeFileSync("answers.json", JSON.stringify(answers));
process.exit();
`;
  const path = `${folder}/client.mjs`;
  await Deno.writeTextFile(path, program);
  const { ok, stdout } = await run(nodePath("node22"), ["--no-warnings", path], {
    cwd: folder,
    output: "keep",
    input: JSON.stringify(job),
    env: { ORT_DISABLE_TELEMETRY: "1" },
  });
  if (!ok) throw new Error(`transformers.js did not end well in Node, from ${modules}:\n${stdout}`);
  return JSON.parse(await Deno.readTextFile(`${folder}/answers.json`));
}

/** Files that are served beside the models. */
const PAGE =
  `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>client</title>
<script type="module">
import * as transformers from "/transformers/transformers.min.js";
const { env } = transformers;
${OFFLINE}
env.localModelPath = "/models/";
env.backends.onnx.wasm.wasmPaths = location.origin + "/onnxruntime/";
env.backends.onnx.wasm.numThreads = 1;
globalThis.transformers = transformers;
globalThis.ready = true;
</script>`;

/** What is served, of which the first that has it answers. */
function serve(folders: Readonly<Record<string, string>>): Deno.HttpServer<Deno.NetAddr> {
  const servers = Object.entries(folders).map(([path, folder]) => ({
    path,
    server: serveFolder(folder),
  }));
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const front = Deno.serve(options, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response(PAGE, { headers: { "content-type": "text/html" } });
    const found = servers.find(({ path }) => pathname.startsWith(path));
    if (!found) return new Response("no such file", { status: 404 });
    const rest = pathname.slice(found.path.length);
    return await fetch(`http://127.0.0.1:${found.server.addr.port}/${rest}`);
  });
  front.finished.then(() => servers.forEach(({ server }) => void server.shutdown()));
  return front;
}

/** What transformers.js answers in Chromium, each request for another server being an error. */
export async function inChromium({ models, ...job }: ClientJob): Promise<ClientAnswers> {
  const modules = await clientPackages();
  const executablePath = await findChromium();
  if (!executablePath) throw new Error("there is no Chromium; deno task test installs it");
  // Beside the package itself lies what it needs, in the versions that it needs.
  const packages = await Deno.realPath(`${modules}/@huggingface/transformers`);
  const server = serve({
    "/models/": models,
    "/transformers/": `${packages}/dist`,
    "/onnxruntime/": `${packages}/../../onnxruntime-web/dist`,
  });
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const browser = await chromium.launch({
    executablePath,
    args: [...CHROMIUM_FLAGS, ...WEBGPU_FLAGS],
  });
  const elsewhere: string[] = [];
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.origin !== origin && !["data:", "blob:"].includes(url.protocol)) {
        elsewhere.push(request.url());
      }
    });
    await page.goto(`${origin}/`);
    await page.waitForFunction("globalThis.ready === true", undefined, { timeout: 120_000 });
    const answers = await page.evaluate(
      `(${answer})(globalThis.transformers, ${JSON.stringify(job)})`,
    ) as ClientAnswers;
    if (elsewhere.length) throw new Error(`the page asked others: ${elsewhere.join(", ")}`);
    return answers;
  } finally {
    await browser.close();
    await server.shutdown();
  }
}
