/**
 * What `staticquant convert MODEL --dtype all` takes: time, and memory above what the same takes for a model of a few
 * kilobytes, which is the program, onnxruntime and all forms of nothing, as a multiple of the float file. Linux only.
 *
 * Run: `deno task bench:convert --model FOLDER --data SAMPLES`
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { writeTextEncoder } from "../examples/support/text_encoder_folder.ts";
import { peakOf } from "./peak_memory.ts";

const { values: args } = parseArgs({
  options: { model: { type: "string" }, data: { type: "string" } },
});
const CLI = fileURLToPath(new URL("../cli.ts", import.meta.url));
const scratch = await Deno.makeTempDir({ prefix: "bench-convert-" });

/** Converts a folder in a process of its own. */
async function convert(folder: string, out: string, more: readonly string[] = []) {
  const start = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", CLI, "convert", folder, "--dtype", "all", "--out", out, ...more],
    stdout: "inherit",
  }).spawn();
  const peak = await peakOf(child);
  if (!(await child.status).success) throw new Error(`bench: ${folder} was not converted`);
  return { peak, seconds: (performance.now() - start) / 1000 };
}

try {
  await writeTextEncoder(`${scratch}/small`);
  const idle = await convert(`${scratch}/small`, `${scratch}/idle`);
  const { model = `${scratch}/small`, data } = args;
  const { size } = await Deno.stat(`${model}/onnx/model.onnx`);
  const whole = await convert(
    model,
    `${scratch}/forms`,
    data === undefined ? [] : ["--data", data],
  );
  console.table({
    "all forms": {
      "float, MB": (size / 1e6).toFixed(1),
      "seconds": whole.seconds.toFixed(1),
      "peak, MB": Math.round(whole.peak / 1e6),
      "of a small model, MB": Math.round(idle.peak / 1e6),
      "above, times": ((whole.peak - idle.peak) / size).toFixed(2),
    },
  });
  console.log(
    "above: the peak of memory (VmHWM) of the process less that of the same command for a model of half a megabyte, " +
      "as a multiple of the float file",
  );
} finally {
  await Deno.remove(scratch, { recursive: true });
}
