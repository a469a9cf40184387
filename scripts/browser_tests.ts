/**
 * Runs in Chromium, on WebGPU, the tests that ask nothing of Deno, and sees to it that no kernel is left out.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { portableTests } from "./bundle_tests.ts";
import { ensureChromium, WEBGPU_FLAGS } from "./chromium.ts";
import { countKernels, kernelNames } from "./kernel_names.ts";
import { root } from "./paths.ts";
import type { Counts } from "./summary.ts";
import { type PageOutcome, type PageTests, TestChromium } from "./test_chromium.ts";

/** What a page is told, of which tests are minified, and what is run of it with and without WebGPU. */
const IN_PAGE = `${root}/tests/hosts/in_page.ts`;
const NO_WEBGPU = "\\[no webgpu\\]$";

/** All but what runs on the CPU, and what Chromium has no WebGPU for. */
const ON_WEBGPU = "^(?!.*\\[(cpu|no webgpu)\\]$)";

/** Browsers at a time: each compiles its kernels on one core. */
const BROWSERS = Math.min(Math.max(navigator.hardwareConcurrency, 1), 4);

/** What became of files of tests. */
interface Result extends Counts {
  readonly kernels: Set<string>;
}

const testsOf = (path: string, filter: string): PageTests => {
  return { path, filter, minify: path === IN_PAGE };
};

/** Says what became of a file. */
function tell({ path }: PageTests, { outcomes }: PageOutcome, seconds: number, result: Result) {
  const failures = outcomes.filter(({ error }) => error !== undefined);
  result.failed += failures.length;
  result.passed += outcomes.length - failures.length;
  const name = path.slice(root.length + 1);
  console.log(`${outcomes.length} tests (${seconds.toFixed(1)} s) ${name}`);
  for (const { name, error } of failures) console.error(`FAILED ${name}\n${error}\n`);
}

/** Runs what is in the queue in one Chromium after the other: a lost device is seldom the only one. */
async function work(queue: PageTests[], flags: readonly string[], result: Result): Promise<void> {
  let chromium = await TestChromium.launch(flags);
  try {
    for (let tests = queue.shift(); tests; tests = queue.shift()) {
      const start = performance.now();
      let page = await chromium.run(tests);
      if (page.lost !== undefined) {
        const name = tests.path.slice(root.length + 1);
        console.log(`${name}: ${page.lost}; once more, in a new Chromium`);
        await chromium[Symbol.asyncDispose]();
        chromium = await TestChromium.launch(flags);
        page = await chromium.run(tests);
      }
      for (const key of page.kernels) result.kernels.add(key);
      tell(tests, page, (performance.now() - start) / 1000, result);
    }
  } finally {
    await chromium[Symbol.asyncDispose]();
  }
}

/** Runs files of tests, several at a time. */
async function run(tests: readonly PageTests[], flags: readonly string[]): Promise<Result> {
  const result: Result = { passed: 0, failed: 0, kernels: new Set() };
  const queue = [...tests];
  const browsers = Math.min(BROWSERS, tests.length);
  await Promise.all(Array.from({ length: browsers }, () => work(queue, flags, result)));
  return result;
}

/** Says how many kernels each module made that were run; returns names of which there were none. */
async function tellKernels(keys: ReadonlySet<string>): Promise<string[]> {
  const modules = await kernelNames();
  const counts = countKernels(modules, keys);
  console.log("\nKernels that Chromium ran, by the modules that make them:");
  for (const [module, names] of modules) {
    console.log(`  ${module}: ${names.map((name) => `${counts.get(name)} ${name}`).join(", ")}`);
  }
  return [...counts].filter(([, count]) => count === 0).map(([name]) => name);
}

/** The tests of kernels, tensors, layers and the tutorial, and what is said where there is no WebGPU. */
export async function testPages(): Promise<Counts> {
  if (!await ensureChromium()) return { passed: 0, failed: 1 };
  const paths = [IN_PAGE, ...await portableTests()];
  const on = await run(paths.map((path) => testsOf(path, ON_WEBGPU)), WEBGPU_FLAGS);
  const without = await run([testsOf(IN_PAGE, NO_WEBGPU)], []);
  await esbuild.stop();
  const missing = await tellKernels(on.kernels);
  for (const name of missing) console.error(`FAILED no test in Chromium runs the kernel ${name}`);
  const passed = on.passed + without.passed;
  const failed = on.failed + without.failed + missing.length;
  console.log(`\nChromium: ${passed} passed, ${failed} failed; ${on.kernels.size} kernels`);
  return { passed, failed };
}

/** Those whose paths have something in them, without asking for all kernels. */
async function testNamed(part: string): Promise<Counts> {
  const paths = [IN_PAGE, ...await portableTests()].filter((path) => path.includes(part));
  const result = await run(paths.map((path) => testsOf(path, ON_WEBGPU)), WEBGPU_FLAGS);
  await esbuild.stop();
  await tellKernels(result.kernels);
  console.log(`\nChromium: ${result.passed} passed, ${result.failed} failed`);
  return result.passed ? result : { passed: 0, failed: 1 };
}

if (import.meta.main) {
  const [part] = Deno.args;
  const { failed } = part === undefined ? await testPages() : await testNamed(part);
  Deno.exit(failed ? 1 : 0);
}
