/**
 * What `calibrate` does.
 *
 * @module
 */
import { readSamples } from "../data/read_samples.ts";
import { showShard } from "../data/shard.ts";
import { OnnxCalibration } from "../onnx/calibration/calibrate.ts";
import { modelInputs } from "../onnx/inspect/model_inputs.ts";
import { formatBytes } from "../plot/format.ts";
import type { Console } from "./console.ts";
import { factLines } from "./facts.ts";
import { floatModel } from "./float_model.ts";
import { progressOf } from "./json_log.ts";
import { type CalibrateOptions, withFlags } from "./options.ts";
import { checkFree, checkOutputs, writeWhole } from "./output_file.ts";
import { EXIT } from "./cli_error.ts";
import { shardOf } from "./shard_options.ts";

/**
 * Calibrates a model on a share of the samples, and writes what it saw.
 *
 * @returns the exit code.
 */
export async function calibratePart(options: CalibrateOptions, console: Console): Promise<number> {
  const { model: path, out, data, force, json, log, readSamples: reading } = options;
  const shard = shardOf(options.shard);
  const { signal } = console;
  await checkOutputs({ "--out": out }, { "the model": path, "--data": data });
  await checkFree(out, force);
  const name = shard && showShard(shard).replace("shard ", "");
  using progress = progressOf(console, log, { command: "calibrate", shard: name, out });
  const { model } = await floatModel(path, options.runtime);
  const warnings: string[] = [];
  const calibration = await OnnxCalibration.open(model, options.calibrateOnnx);
  let total: number | undefined;
  await calibration.add(
    (shard) =>
      readSamples(data, modelInputs(model), {
        ...reading,
        shard,
        signal,
        onTotal: (samples) => total = samples,
        onWarning: (warning) => void warnings.push(withFlags(warning)),
      }),
    {
      signal,
      shard,
      threads: options.threads,
      onProgress: ({ samples }) => progress.update("calibrating", samples, total),
    },
  );
  const part = await calibration.save();
  signal.throwIfAborted();
  await console.finish(() => writeWhole(out, part));
  progress.clear();
  const { samples } = calibration;
  const result = { file: path, out, shard: name, samples, bytes: part.length };
  progress.event?.("done", { samples, bytes: part.length });
  if (json) console.out(`${JSON.stringify({ ...result, warnings }, null, 2)}\n`);
  else {
    const facts: [string, string][] = [
      ["written", `${out}, ${formatBytes(part.length)}`],
      [
        "seen",
        `${samples} ${samples === 1 ? "sample" : "samples"}${
          shard ? ` of ${showShard(shard)}` : ""
        }`,
      ],
    ];
    console.out(`${factLines(facts, console.outColumns)}\n`);
  }
  for (const warning of warnings) console.err(`warning: ${warning}\n`);
  return EXIT.ok;
}
