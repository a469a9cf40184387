/**
 * The checks of this repository. `deno task ok` runs the quick ones with the tests of what changed,
 * `deno task ok --all` with all tests, and `deno task test` also sets up what they need, executes
 * the notebooks and tries the package.
 *
 * @module
 */
import { join, relative } from "node:path";
import { testPages } from "./browser_tests.ts";
import { checkSizes } from "./bundle_sizes.ts";
import { denoConsumer, nodeConsumers } from "./consumers.ts";
import { changedFiles, testsOf } from "./changed.ts";
import { testCluster } from "./cluster.ts";
import { ensureChromium } from "./chromium.ts";
import { ensureVulkanDriver } from "./driver.ts";
import { execute } from "./execute.ts";
import { type Command, ensureJupyter } from "./jupyter.ts";
import { testInNode } from "./node_tests.ts";
import { notebooks, root } from "./paths.ts";
import { permissions, temporary } from "./permissions.ts";
import { deno } from "./run.ts";
import { Steps } from "./steps.ts";
import { type Counts, countTests } from "./summary.ts";

/** What the package offers: the values of `exports` in deno.json. */
const ENTRIES = ["mod.ts", "quantization.ts", "onnx.ts", "plot.ts", "cli.ts"];

const SOURCES = [
  ...ENTRIES,
  "lib",
  "examples",
  "tests",
  "bench",
  "scripts",
  "vendor",
  "web",
  "docs",
];

/** Those of the command line as a process and of the GitHub Action, which may start this Deno and a shell. */
const PROCESS_TESTS = ["tests/cli/process_test.ts", "tests/scripts/action_test.ts"];

/** Those of files on servers, which start one on this machine. */
const SERVER_TESTS = "tests/data/remote_test.ts";

/** Those of the page, in a browser; only the whole checks run them. */
const PAGE_TESTS = "tests/web";

/** Those of programs that load what is written here, in Node and in a browser; only the whole checks run them. */
const CLIENT_TESTS = "tests/clients";

const whole = Deno.args.includes("--whole");
const all = whole || Deno.args.includes("--all");
const steps = new Steps();

const check = (...args: string[]) =>
  steps.step(`deno ${args.join(" ")}`, async () => (await deno(args)).ok);

async function denoTest(...what: string[]): Promise<Counts> {
  const args = ["test", ...await permissions(), ...what];
  const { ok, stdout } = await deno(args, { env: temporary(), output: "tee" });
  return countTests(ok, stdout);
}

const test = (name: string, ...what: string[]) =>
  steps.step(`deno test ${name}`, () => denoTest(...what));

const testProcesses = () =>
  test(PROCESS_TESTS.join(" "), `--allow-run=${Deno.execPath()},bash`, ...PROCESS_TESTS);

const testServers = () => test(SERVER_TESTS, "--allow-net=127.0.0.1", SERVER_TESTS);

async function testAll(): Promise<void> {
  await test("", `--ignore=${[...PROCESS_TESTS, SERVER_TESTS, PAGE_TESTS, CLIENT_TESTS]}`);
  await testProcesses();
  await testServers();
  await test("--doc", "--doc", "--ignore=tests", ...ENTRIES, "lib");
}

async function testChanged(): Promise<void> {
  const files = await changedFiles();
  const tests = [...new Set(files.flatMap((path) => testsOf(path) ?? []))];
  const sources = files.filter((path) => /^lib\/.*\.ts$/.test(path));
  console.log(`\n${files.length} files differ from main; --all runs the tests of the others too.`);
  const own = [...PROCESS_TESTS, SERVER_TESTS];
  const inside = tests.filter((path) =>
    !own.includes(path) && !path.startsWith(PAGE_TESTS) && !path.startsWith(CLIENT_TESTS)
  );
  if (inside.length) await test(inside.join(" "), `--ignore=${own}`, ...inside);
  if (PROCESS_TESTS.some((test) => tests.some((path) => test.startsWith(path)))) {
    await testProcesses();
  }
  if (tests.some((path) => SERVER_TESTS.startsWith(path))) await testServers();
  if (sources.length) await steps.step("deno test --doc", () => docTests(sources));
}

/** Sources without an example have no test, which is no failure here. */
async function docTests(sources: readonly string[]): Promise<boolean> {
  const args = ["test", ...await permissions(), "--permit-no-files", "--doc", ...sources];
  return (await deno(args, { env: temporary() })).ok;
}

async function executeNotebooks(): Promise<void> {
  let jupyter: Command | undefined;
  await steps.step("Jupyter", async () => (jupyter = await ensureJupyter()) !== undefined);
  for (const path of notebooks()) {
    await steps.step(
      `notebook ${relative(join(root, "notebooks"), path)}`,
      async () => jupyter !== undefined && await execute(jupyter, path) !== undefined,
    );
  }
}

/** Builds the page and tests it in Chromium, which Playwright starts and asks as it likes. */
async function testPage(): Promise<void> {
  if (!await steps.step("Chromium", ensureChromium)) return;
  if (!await check("task", "web:build")) return;
  await steps.step(`deno test ${PAGE_TESTS}`, async () => {
    const { ok, stdout } = await deno(["test", "-A", PAGE_TESTS], { output: "tee" });
    return countTests(ok, stdout);
  });
  await steps.step("tests of kernels in Chromium", testPages);
}

/** Has transformers.js load a folder of forms in Node and in Chromium. */
async function testClients(): Promise<void> {
  await steps.step(`deno test ${CLIENT_TESTS}`, async () => {
    const { ok, stdout } = await deno(["test", "-A", CLIENT_TESTS], { output: "tee" });
    return countTests(ok, stdout);
  });
}

/** In this order, for Deno is compared with Node. */
const tryPackage = async () => await nodeConsumers() && await denoConsumer();

if (whole) await steps.step("GPU driver", ensureVulkanDriver);
await check("fmt", "--check");
await check("lint");
await check("check", ...SOURCES);
await check("task", "floors");
await check("task", "hosts");
await check("doc", "--lint", ...ENTRIES);
await check("task", "help", "--check");
await check("run", "-A", "scripts/check_notebooks.ts");
if (whole) await check("publish", "--dry-run", "--allow-dirty");
if (whole) await check("task", "site");
await (all ? testAll() : testChanged());
if (whole) await testPage();
if (whole) await testClients();
if (whole) await executeNotebooks();
if (whole) await steps.step("calibration on Ray and GNU parallel", testCluster);
if (whole) await steps.step("package in Node and Deno", tryPackage);
if (whole) await steps.step("sizes of what a page loads", checkSizes);
if (whole) await steps.step("tests in Node 22", () => testInNode("node22"));

Deno.exitCode = steps.summarise() ? 0 : 1;
