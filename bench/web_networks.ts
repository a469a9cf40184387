/**
 * Whole networks in Chromium, in one page: this project on WebGPU beside onnxruntime-web's WebGPU providers, the one of
 * `onnxruntime-web/webgpu` and the default import's JSEP, and its WebAssembly with one thread. Chromium's WebGPU is computed in
 * software here, so that its milliseconds compare with one another only.
 *
 * Run: `deno task bench:web-networks`, with Chromium on the path, or with the names of the networks to run.
 * `--minilm FILE` adds the sentence encoder, `--rounds 5` says how often each is timed, `--integers` adds the
 * file that `quantizeStatic` makes, `--runtimes JSEP,WASM` leaves the others out, and
 * `--page 320` draws smaller pages for detection. Of one round, the first run after
 * kernels were compiled is what counts.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { quantizeStatic } from "../mod.ts";
import { hostPlugin, SYMBOLS } from "../scripts/bundle.ts";
import { CHROMIUM_FLAGS, findChromium, WEBGPU_FLAGS } from "../scripts/chromium.ts";
import { ensureModules } from "../scripts/web/modules.ts";
import { serveFolder } from "../scripts/web/server.ts";
import { quantiles } from "./measure.ts";
import { type Feed, type Network, networks } from "./network_list.ts";
import { nearness } from "./network_runs.ts";
import type { PageFeed, PageJob, PageResult, PageRuntime } from "./peers/network_page.ts";

const { values: args, positionals: chosen } = parseArgs({
  options: {
    minilm: { type: "string" },
    rounds: { type: "string", default: "5" },
    integers: { type: "boolean" },
    page: { type: "string", default: "640" },
    runtimes: { type: "string", default: "WebGPU,JSEP,WASM" },
  },
  allowPositionals: true,
});
const CALIBRATION = 8;
const RUNTIMES: readonly PageRuntime[] = [
  { name: "WebGPU", entry: "ort.webgpu.min.mjs", provider: "webgpu" },
  { name: "JSEP", entry: "ort.min.mjs", provider: "webgpu" },
  { name: "WASM", entry: "ort.wasm.min.mjs", provider: "wasm" },
];
const chosenRuntimes = args.runtimes.split(",");
const BUNDLED = ["@bufbuild/protobuf", "@observablehq/plot", "onnx-buf"];

/** A folder with all that the page loads. */
async function pageFolder(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "bench-web-" });
  const modules = await ensureModules();
  await esbuild.build({
    entryPoints: [new URL("./peers/network_page.ts", import.meta.url).pathname],
    outfile: join(folder, "network_page.js"),
    bundle: true,
    format: "esm",
    target: ["es2022"],
    keepNames: true,
    nodePaths: [modules],
    external: ["linkedom", "onnxruntime-web/wasm"],
    plugins: [hostPlugin("browser", BUNDLED)],
    banner: { js: SYMBOLS },
    logLevel: "error",
  });
  await esbuild.stop();
  await import("onnxruntime-web/wasm");
  const dist = dirname(fileURLToPath(import.meta.resolve("onnxruntime-web/wasm")));
  for await (const { name } of Deno.readDir(dist)) {
    if (/\.(mjs|wasm)$/.test(name)) await Deno.symlink(join(dist, name), join(folder, name));
  }
  await Deno.writeTextFile(join(folder, "index.html"), "<!doctype html><title>bench</title>");
  return folder;
}

function pageFeeds(feeds: Record<string, Feed>): Record<string, PageFeed> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { type, data, dims }]) => [
      name,
      { type, dims, data: Array.from(data as ArrayLike<number>, Number) },
    ]),
  );
}

async function jobOf(network: Network, folder: string): Promise<PageJob> {
  const [feeds, ...calibration] = await network.inputs(1 + (args.integers ? CALIBRATION : 0));
  const models = [{ name: "float", url: "float.onnx" }];
  await Deno.writeFile(join(folder, "float.onnx"), await Deno.readFile(network.path));
  if (args.integers) {
    const { model } = await quantizeStatic(network.path, calibration);
    await Deno.writeFile(join(folder, "integers.onnx"), model.toBytes());
    models.push({ name: "integers", url: "integers.onnx" });
  }
  const runtimes = RUNTIMES.filter(({ name }) => chosenRuntimes.includes(name));
  return { models, feeds: pageFeeds(feeds), runtimes, rounds: Number(args.rounds) };
}

function printed({ problem, times, output }: PageResult, first: PageResult, wanted: PageResult) {
  if (problem !== undefined) return { ms: "no", note: problem.split("\n")[0].slice(0, 80) };
  const [low, median, high] = quantiles([...times], 0.25, 0.5, 0.75);
  const { off, cosine } = nearness(output, wanted.output);
  return {
    "ms": median.toFixed(0),
    "quartiles": `${low.toFixed(0)} to ${high.toFixed(0)}`,
    "of ours": (median / quantiles([...first.times], 0.5)[0]).toFixed(2),
    "off by": off.toExponential(1),
    "cosine": cosine.toFixed(7),
  };
}

const executablePath = await findChromium();
if (!executablePath) throw new Error("bench: there is no Chromium; deno task test installs it");
const folder = await pageFolder();
const server = serveFolder(folder);
const browser = await chromium.launch({
  executablePath,
  args: [...CHROMIUM_FLAGS, ...WEBGPU_FLAGS],
});
try {
  const origin = `http://127.0.0.1:${server.addr.port}`;
  for (const network of networks(args.minilm, Number(args.page))) {
    if (chosen.length > 0 && !chosen.includes(network.name)) continue;
    const page = await browser.newPage();
    page.on("console", (message) => message.type() === "log" && console.error(message.text()));
    await page.goto(`${origin}/`);
    const job = await jobOf(network, folder);
    const [load] = Deno.loadavg();
    const { adapter, results } = await page.evaluate(
      async ({ origin, job }: { origin: string; job: PageJob }) => {
        const here = await import(`${origin}/network_page.js`);
        const results: PageResult[] = await here.runAll(job);
        return { adapter: await here.adapter() as string, results };
      },
      { origin, job },
    );
    console.log(`\n${network.name} in Chromium ${browser.version()}, ${adapter}, load ${load}`);
    const wanted = results.find(({ name }) => name.endsWith("WASM")) ?? results[0];
    console.table(
      Object.fromEntries(results.map((row) => [row.name, printed(row, results[0], wanted)])),
    );
    await page.close();
  }
} finally {
  await browser.close();
  await server.shutdown();
  await Deno.remove(folder, { recursive: true });
}
