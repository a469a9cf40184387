/**
 * Runs in Chromium, on WebGPU, the tests that ask nothing of Deno.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { type Browser, chromium } from "playwright-core";
import { bundleShim, bundleTests, portableTests } from "./bundle_tests.ts";
import { CHROMIUM_FLAGS, ensureChromium, findChromium, WEBGPU_FLAGS } from "./chromium.ts";
import { filesIn } from "./folders.ts";
import { root } from "./paths.ts";
import type { Counts } from "./summary.ts";
import type { Outcome } from "../tests/hosts/shim.ts";

/**
 * Tests that compile kernels for minutes where a browser has no GPU, of what others try there with fewer
 * cases; Deno runs them on WebGPU. Named alone, they run in Chromium too.
 */
const LONG = [
  /^tests\/(quantization|nn)\//,
  /torchao_0_18_test/,
  /torch_(layers|models|operations|windows)/,
  /packed_conv_test/,
];

/** The tests of every kernel, of tensors and layers, and of the tutorial. */
export async function chromiumTests(): Promise<string[]> {
  return (await portableTests()).filter((path) =>
    !LONG.some((pattern) => pattern.test(path.slice(root.length + 1)))
  );
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>tests</title>
<link rel="icon" href="data:,"><script type="module">
import { addFile, runTests } from "./shim.js";
for (const name of await (await fetch("files.json")).json()) {
  addFile(name, new Uint8Array(await (await fetch("testdata/" + name)).arrayBuffer()));
}
await import("./tests.js");
const filter = new RegExp(decodeURIComponent(location.hash.slice(1)));
for await (const outcome of runTests((name) => filter.test(name))) await globalThis.report(outcome);
await globalThis.report(null);
</script>`;

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
    if (pathname === "/files.json") return answer(JSON.stringify([...files.keys()]), "text/json");
    const path = files.get(pathname.slice("/testdata/".length));
    return path
      ? answer(await Deno.readFile(path), "application/octet-stream")
      : new Response("", { status: 404 });
  });
}

/** The files of recorded answers, by their names. */
async function recordedFiles(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const path of filesIn(`${root}/tests/testdata`)) {
    if (/\.(json|safetensors)$/.test(path)) files.set(path.split("/").at(-1)!, path);
  }
  return files;
}

/** Runs what a page has, up to its end. */
async function testInPage(browser: Browser, url: string): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const page = await browser.newPage();
  const ended = Promise.withResolvers<void>();
  page.on("pageerror", (error) => ended.reject(error));
  page.on("crash", () => ended.reject(new Error("the page crashed")));
  browser.once("disconnected", () => ended.reject(new Error("the browser ended")));
  await page.exposeFunction("report", (outcome: Outcome | null) => {
    if (outcome) outcomes.push(outcome);
    else ended.resolve();
  });
  try {
    await Promise.all([page.goto(url), ended.promise]);
  } catch (error) {
    outcomes.push({ name: "the page", error: String(error) });
  } finally {
    await page.close().catch(() => {});
  }
  return outcomes;
}

/** What a page is told, of which tests are minified, and what is run of it with and without WebGPU. */
const IN_PAGE = `${root}/tests/hosts/in_page.ts`;
const NO_WEBGPU = "\\[no webgpu\\]$";

/** All but what runs on the CPU, and what Chromium has no WebGPU for. */
export const ON_WEBGPU = "^(?!.*\\[(cpu|no webgpu)\\]$)";

/** All tests in Chromium: those on WebGPU, and what is said where there is none. */
export async function testPages(): Promise<Counts> {
  const on = await testInChromium([IN_PAGE, ...await chromiumTests()], ON_WEBGPU);
  const without = await testInChromium([IN_PAGE], NO_WEBGPU, []);
  return { passed: on.passed + without.passed, failed: on.failed + without.failed };
}

/**
 * Runs tests in Chromium, each file in a page of its own.
 *
 * @param tests their files.
 * @param filter what the names of those that are run have in them.
 * @param flags what gives Chromium its WebGPU.
 */
async function testInChromium(
  tests: readonly string[],
  filter: string,
  flags: readonly string[] = WEBGPU_FLAGS,
): Promise<Counts> {
  const counts = { passed: 0, failed: 0 };
  if (!await ensureChromium()) return { ...counts, failed: 1 };
  const scripts = new Map([["/shim.js", await bundleShim()]]);
  const server = serve(scripts, await recordedFiles());
  const url = `http://127.0.0.1:${server.addr.port}/#${encodeURIComponent(filter)}`;
  const browser = await chromium.launch({
    executablePath: await findChromium(),
    args: [...CHROMIUM_FLAGS, ...flags],
  });
  try {
    for (const path of tests) {
      scripts.set("/tests.js", await bundleTests("browser", path, path === IN_PAGE));
      const start = performance.now();
      const outcomes = await testInPage(browser, url);
      const failures = outcomes.filter(({ error }) => error !== undefined);
      counts.failed += failures.length;
      counts.passed += outcomes.length - failures.length;
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`${outcomes.length} tests (${seconds} s) ${path.slice(root.length + 1)}`);
      for (const { name, error } of failures) console.error(`FAILED ${name}\n${error}\n`);
    }
  } finally {
    await browser.close();
    await server.shutdown();
    await esbuild.stop();
  }
  console.log(`Chromium: ${counts.passed} passed, ${counts.failed} failed`);
  return counts.passed ? counts : { ...counts, failed: counts.failed + 1 };
}

if (import.meta.main) {
  const [only] = Deno.args;
  const tests = (await portableTests()).filter((path) => path.includes(only));
  const { failed } = only === undefined
    ? await testPages()
    : await testInChromium(tests, ON_WEBGPU);
  Deno.exit(failed ? 1 : 0);
}
