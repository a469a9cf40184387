/**
 * Every check of this repository, as `deno task test` runs them. With `--quick`, only those that
 * need neither an install nor Jupyter.
 *
 * @module
 */
import { basename } from "node:path";
import { ensureVulkanDriver } from "./driver.ts";
import { execute } from "./execute.ts";
import { type Command, ensureJupyter } from "./jupyter.ts";
import { notebooks } from "./paths.ts";
import { permissions, temporary } from "./permissions.ts";
import { deno } from "./run.ts";
import { Steps } from "./steps.ts";
import { type Counts, countTests } from "./summary.ts";

const SOURCES = [
  "mod.ts",
  "cli.ts",
  "lib",
  "examples",
  "tests",
  "bench",
  "scripts",
  "vendor",
  "docs",
];

const PROCESS_TESTS = "tests/cli/process_test.ts";

async function denoTest(...what: string[]): Promise<Counts> {
  const args = ["test", ...await permissions(), ...what];
  const { ok, stdout } = await deno(args, { env: temporary(), output: "tee" });
  return countTests(ok, stdout);
}

const quick = Deno.args.includes("--quick");
const steps = new Steps();
const check = (...args: string[]) =>
  steps.step(`deno ${args.join(" ")}`, async () => (await deno(args)).ok);

if (!quick) await steps.step("GPU driver", ensureVulkanDriver);
await check("fmt", "--check");
await check("lint");
await check("check", ...SOURCES);
await check("doc", "--lint", "mod.ts");
if (!quick) await check("publish", "--dry-run", "--allow-dirty");
await steps.step("deno test", () => denoTest(`--ignore=${PROCESS_TESTS}`));
// Those start the command line with permissions of its own, so they may start this Deno.
await steps.step(
  `deno test ${PROCESS_TESTS}`,
  () => denoTest(`--allow-run=${Deno.execPath()}`, PROCESS_TESTS),
);
await steps.step("deno test --doc", () => denoTest("--doc", "--ignore=tests", "mod.ts", "lib"));

if (!quick) {
  let jupyter: Command | undefined;
  await steps.step("Jupyter", async () => (jupyter = await ensureJupyter()) !== undefined);
  for (const path of notebooks()) {
    await steps.step(
      `notebook ${basename(path)}`,
      async () => jupyter !== undefined && await execute(jupyter, path) !== undefined,
    );
  }
}

Deno.exitCode = steps.summarise() ? 0 : 1;
