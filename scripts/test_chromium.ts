/**
 * Chromium for tests that are bundled for a page.
 *
 * @module
 */
import { type Browser, chromium, type Page } from "playwright-core";
import type { Outcome } from "../tests/hosts/shim.ts";
import { bundleShim, bundleTests } from "./bundle_tests.ts";
import { CHROMIUM_FLAGS, findChromium } from "./chromium.ts";
import { filesIn } from "./folders.ts";
import { root } from "./paths.ts";

/** Tests of one file, and how they are run. */
export interface PageTests {
  readonly path: string;
  /** What the names of those that are run have in them. */
  readonly filter: string;
  /** Whether names are made short, as projects do. */
  readonly minify: boolean;
}

/** What became of them. */
export interface PageOutcome {
  readonly outcomes: readonly Outcome[];
  /** The keys of the kernels that were run. */
  readonly kernels: readonly string[];
  /** What ended the page, or took its device, before all tests had ended. */
  readonly lost?: string;
}

/** How long one test may take, where a browser computes in software and others are at work. */
const PATIENCE_MS = 600_000;

const PAGE = `<!doctype html><meta charset="utf-8"><title>tests</title>
<link rel="icon" href="data:,"><script type="module">
const kernels = new Set();
const pass = globalThis.GPUComputePassEncoder?.prototype;
const setPipeline = pass?.setPipeline;
if (pass) pass.setPipeline = function (pipeline) {
  kernels.add(pipeline.label);
  setPipeline.call(this, pipeline);
};
globalThis.compilesSlowly = true;
const { addFile, runTests } = await import("./shim.js");
for (const name of await (await fetch("files.json")).json()) {
  addFile(name, new Uint8Array(await (await fetch("testdata/" + name)).arrayBuffer()));
}
await import("./tests.js");
const filter = new RegExp(decodeURIComponent(location.hash.slice(1)));
for await (const outcome of runTests((name) => filter.test(name))) await globalThis.report(outcome);
await globalThis.ended([...kernels]);
</script>`;

/** The files of recorded answers, by their names. */
async function recordedFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const path of filesIn(`${root}/tests/testdata`)) {
    if (/\.(json|safetensors)$/.test(path)) files.set(path.split("/").at(-1)!, path);
  }
  return files;
}

/** A server of the page, the scripts and the recorded answers. */
function serve(
  scripts: ReadonlyMap<string, string>,
  files: ReadonlyMap<string, string>,
): Deno.HttpServer<Deno.NetAddr> {
  // Alone with itself, a page has shared memory, of which the assertions speak.
  const alone = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  };
  const answer = (body: BodyInit, type: string) =>
    new Response(body, { headers: { "content-type": type, ...alone } });
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async ({ url }) => {
    const { pathname } = new URL(url);
    if (pathname === "/") return answer(PAGE, "text/html");
    const script = scripts.get(pathname);
    if (script !== undefined) return answer(script, "text/javascript");
    if (pathname === "/files.json") {
      const read = scripts.get("/tests.js")!.includes("testdata/");
      return answer(JSON.stringify(read ? [...files.keys()] : []), "text/json");
    }
    const path = files.get(pathname.slice("/testdata/".length));
    return path
      ? answer(await Deno.readFile(path), "application/octet-stream")
      : new Response("", { status: 404 });
  });
}

/** Runs what a page has, up to its end. */
async function runPage(page: Page, url: string): Promise<PageOutcome> {
  const outcomes: Outcome[] = [];
  const ended = Promise.withResolvers<string[]>();
  const late = () => ended.reject(new Error(`no test ended within ${PATIENCE_MS / 1000} seconds`));
  let timer = setTimeout(late, PATIENCE_MS);
  page.on("pageerror", (error) => ended.reject(error));
  page.on("crash", () => ended.reject(new Error("the page crashed")));
  page.context().browser()!.once("disconnected", () => {
    ended.reject(new Error("the browser ended"));
  });
  await page.exposeFunction("report", (outcome: Outcome) => {
    outcomes.push(outcome);
    clearTimeout(timer);
    timer = setTimeout(late, PATIENCE_MS);
  });
  await page.exposeFunction("ended", ended.resolve);
  try {
    const [, kernels] = await Promise.all([page.goto(url), ended.promise]);
    const gone = outcomes.find(({ error }) => error?.includes("DeviceLostError"));
    return { outcomes, kernels, lost: gone && "its WebGPU device was lost" };
  } catch (error) {
    const lost = error instanceof Error ? error.message : String(error);
    return { outcomes: [...outcomes, { name: "the page", error: lost }], kernels: [], lost };
  } finally {
    clearTimeout(timer);
  }
}

/** One Chromium, which runs files of tests one after the other, each in a page of its own. */
export class TestChromium implements AsyncDisposable {
  private readonly server;

  private constructor(
    private readonly browser: Browser,
    private readonly scripts: Map<string, string>,
    files: ReadonlyMap<string, string>,
  ) {
    this.server = serve(scripts, files);
  }

  /** @param flags what gives it WebGPU. */
  static async launch(flags: readonly string[]): Promise<TestChromium> {
    const scripts = new Map([["/shim.js", await bundleShim()]]);
    const files = await recordedFiles();
    const executablePath = await findChromium();
    const browser = await chromium.launch({ executablePath, args: [...CHROMIUM_FLAGS, ...flags] });
    return new TestChromium(browser, scripts, files);
  }

  /** Runs the tests of a file. */
  async run({ path, filter, minify }: PageTests): Promise<PageOutcome> {
    this.scripts.set("/tests.js", await bundleTests("browser", path, minify));
    const url = `http://127.0.0.1:${this.server.addr.port}/#${encodeURIComponent(filter)}`;
    const page = await this.browser.newPage();
    try {
      return await runPage(page, url);
    } finally {
      await page.close().catch(() => {});
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser.close();
    await this.server.shutdown();
  }
}
