/**
 * Calibration in shards on real engines: Ray, on two nodes of which one is killed, and GNU parallel, where a process
 * is killed. What they merge has the bytes of any other merging, and quantizes to the bytes of one process.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { classifier } from "../tests/cli/models.ts";
import { floats } from "../tests/data/files.ts";
import { init, manualSeed, randn } from "../mod.ts";
import { apt, aptLine, canApt } from "./apt.ts";
import { cache, root } from "./paths.ts";
import { run } from "./run.ts";
import { scratch } from "./scratch.ts";

/** The version of Ray that is tried. */
const RAY = "ray==2.52.0";
const SHARDS = 4;

const venv = join(cache, "cluster", "venv");
const python = join(venv, "bin", "python");
const examples = join(root, "examples", "cluster");
const CLI = `${Deno.execPath()} run -A --config ${join(root, "deno.json")} ${join(root, "cli.ts")}`;

async function has(program: string, ...args: string[]): Promise<boolean> {
  return (await run(program, args, { output: "hide" })).ok;
}

/** Sees to it that there is GNU parallel, installing it where that may be; else says what to type. */
async function ensureParallel(): Promise<boolean> {
  if (await has("parallel", "--version")) return true;
  if (await canApt() && await apt("parallel") && await has("parallel", "--version")) return true;
  console.error(`There is no GNU parallel. To install it, type:\n\n    ${aptLine("parallel")}\n`);
  return false;
}

/** Sees to it that there is Ray, in an environment of the checkout's own; else says what to type. */
async function ensureRay(): Promise<boolean> {
  if (await has(python, "-c", "import ray")) return true;
  let made = await has("python3", "-m", "venv", venv);
  if (!made && await canApt()) {
    made = await apt("python3-venv") && await has("python3", "-m", "venv", venv);
  }
  if (made && (await run(python, ["-m", "pip", "install", "--quiet", RAY])).ok) return true;
  console.error(
    `There is no Ray. In a Python with venv (${aptLine("python3-venv")}), type:\n\n` +
      `    python3 -m venv ${venv}\n    ${python} -m pip install ${RAY}\n`,
  );
  return false;
}

/** Runs the command line to its end. */
async function cli(...args: string[]): Promise<void> {
  const [program, ...rest] = CLI.split(" ");
  const { ok } = await run(program, [...rest, ...args], { output: "keep" });
  if (!ok) throw new Error(`${args[0]} failed`);
}

/** A folder with a model, samples, and what one process makes of them. */
async function prepare(): Promise<string> {
  const folder = join(scratch(), "cluster");
  Deno.mkdirSync(folder);
  await init({ device: "cpu" });
  manualSeed(1);
  Deno.writeFileSync(join(folder, "model.onnx"), await classifier());
  Deno.writeFileSync(join(folder, "data.npy"), floats([...await randn([50, 40]).data()], 50, 40));
  const [model, data] = ["model.onnx", "data.npy"].map((name) => join(folder, name));
  await cli(
    "quantize",
    model,
    "--data",
    data,
    "--method",
    "percentile",
    "--out",
    `${folder}/one.onnx`,
  );
  return folder;
}

/** Whether what an engine merged quantizes to the bytes of one process. */
async function check(folder: string, merged: string): Promise<boolean> {
  const out = `${merged}.onnx`;
  await cli("quantize", join(folder, "model.onnx"), "--calibration", merged, "--out", out);
  assertEquals(Deno.readFileSync(out), Deno.readFileSync(join(folder, "one.onnx")));
  return true;
}

function options(folder: string, out: string): string[] {
  const [model, data] = ["model.onnx", "data.npy"].map((name) => join(folder, name));
  return [model, data, String(SHARDS), out, "--method", "percentile"];
}

/** GNU parallel; the first process of one shard is killed before it has written anything. */
async function onParallel(folder: string): Promise<boolean> {
  if (!await ensureParallel()) return false;
  const out = join(folder, "parallel.safetensors");
  const flaky = join(folder, "flaky.sh");
  Deno.writeTextFileSync(
    flaky,
    `#!/bin/sh\ncase "$*" in *" 2/${SHARDS} "*)\n` +
      `  if mkdir "${folder}/killed" 2> /dev/null; then kill -9 $$; fi ;;\nesac\nexec ${CLI} "$@"\n`,
    { mode: 0o755 },
  );
  const env = { STATICQUANT: flaky, PARALLEL_HOME: folder };
  const script = join(examples, "gnu_parallel.sh");
  const { ok } = await run(script, options(folder, out), { env });
  if (!ok || !Deno.statSync(join(folder, "killed")).isDirectory) return false;
  return await check(folder, out);
}

/** Ray on two nodes, one of which is killed in mid-run. */
async function onRay(folder: string): Promise<boolean> {
  if (!await ensureRay()) return false;
  const out = join(folder, "ray.safetensors");
  const env = { STATICQUANT: CLI, RAY_DEDUP_LOGS: "0", RAY_USAGE_STATS_ENABLED: "0" };
  const harness = join(root, "tests", "cluster", "ray_cluster.py");
  const driver = [join(examples, "calibrate_ray.py"), ...options(folder, out)];
  const { ok } = await run(python, [harness, `${out}.parts`, ...driver], { env });
  return ok && await check(folder, out);
}

/** Tries the engines, and compares with one process. */
export async function testCluster(): Promise<boolean> {
  if (Deno.build.os !== "linux") {
    console.log("Ray and GNU parallel are tried on Linux only");
    return true;
  }
  const folder = await prepare();
  const parallel = await onParallel(folder);
  const ray = await onRay(folder);
  console.log(
    `GNU parallel: ${parallel ? "same bytes" : "FAILED"}; Ray: ${ray ? "same bytes" : "FAILED"}`,
  );
  if (!parallel || !ray) return false;
  const bytes = (name: string) => Deno.readFileSync(join(folder, name));
  assertEquals(bytes("ray.safetensors"), bytes("parallel.safetensors"));
  return true;
}

if (import.meta.main) Deno.exitCode = await testCluster() ? 0 : 1;
