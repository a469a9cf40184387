/**
 * Runs in Node the tests that ask nothing of Deno: those of the CPU backend, those that compare it with WebGPU, and
 * the tutorial on WebGPU, by the package `webgpu` on Chromium's software driver.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { bundleShim, bundleTests, portableTests } from "./bundle_tests.ts";
import { ensureNodes, nodePath, type NODES } from "./consumers.ts";
import { softwareVulkan } from "./chromium.ts";
import { emptyFolder } from "./folders.ts";
import { ensureNodePackages, pinned } from "./node_packages.ts";
import { cache, root } from "./paths.ts";
import { run } from "./run.ts";
import type { Counts } from "./summary.ts";

const FOLDER = `${cache}/node_tests`;

/** Tests that do not hold there, by what their names begin with, and why. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["FqnToConfig takes parameters' names", "Node 22 knows no flags inside of regular expressions"],
  ["asked for WebGPU by name where there is none", "it replaces the navigator's WebGPU"],
  ["not asked by name, init warns", "it replaces the navigator's WebGPU"],
  ["calls of init at the same time", "it replaces the navigator's WebGPU"],
  ["a compiled ", "it needs the device that a test on WebGPU has opened"],
  ["a quantized model of such layers compiles", "it needs that device too"],
  ["float32 from float32 scales", "this driver takes subnormal scales for 0, as WGSL allows"],
  ["float32 from bfloat16 scales", "the same"],
  ["bfloat16 from float32 scales", "the same"],
  ["bfloat16 from bfloat16 scales", "the same"],
]);

/** Runs the tests of all bundles in the folder and writes what became of them as JSON. */
const RUNNER = `import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { addFile, runTests } from "./shim.mjs";
const [folder, ...bundles] = process.argv.slice(2);
for (const name of readdirSync(folder, { recursive: true })) {
  if (/\\.(json|safetensors)$/.test(name)) addFile(name.split("/").at(-1), readFileSync(folder + "/" + name));
}
for (const bundle of bundles) await import(bundle);
const outcomes = [];
const SKIPPED = ${JSON.stringify([...ELSEWHERE.keys()])};
const wanted = (name) => !SKIPPED.some((start) => name.startsWith(start)) && (!name.endsWith("[webgpu]") || /tutorial/.test(name));
for await (const outcome of runTests(wanted)) outcomes.push(outcome);
writeFileSync("outcomes.json", JSON.stringify(outcomes));
process.exit();
`;

/** Runs the tests in one Node. */
export async function testInNode(name: keyof typeof NODES): Promise<Counts> {
  await ensureNodes();
  const modules = await ensureNodePackages(`${cache}/node_packages`, pinned(["webgpu"]));
  await emptyFolder(FOLDER);
  await Deno.symlink(modules, `${FOLDER}/node_modules`);
  await Deno.writeTextFile(`${FOLDER}/shim.mjs`, await bundleShim());
  await Deno.writeTextFile(`${FOLDER}/runner.mjs`, RUNNER);
  const bundles: string[] = [];
  for (const path of await portableTests()) {
    const bundle = `./tests${bundles.length}.mjs`;
    await Deno.writeTextFile(`${FOLDER}/${bundle}`, await bundleTests("node", path));
    bundles.push(bundle);
  }
  await esbuild.stop();
  const args = ["runner.mjs", `${root}/tests/testdata`, ...bundles];
  const env = await softwareVulkan();
  const { ok, stdout } = await run(nodePath(name), args, { cwd: FOLDER, output: "keep", env });
  if (!ok) throw new Error(`the tests did not end in ${name}:\n${stdout}`);
  const outcomes: { name: string; error?: string }[] = JSON.parse(
    await Deno.readTextFile(`${FOLDER}/outcomes.json`),
  );
  const failures = outcomes.filter(({ error }) => error !== undefined);
  for (const { name, error } of failures) console.error(`FAILED ${name}\n${error}\n`);
  const counts = { passed: outcomes.length - failures.length, failed: failures.length };
  console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed`);
  return counts.passed ? counts : { ...counts, failed: counts.failed + 1 };
}

if (import.meta.main) {
  const { failed } = await testInNode("node22");
  Deno.exit(failed ? 1 : 0);
}
