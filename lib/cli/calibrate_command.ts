/**
 * The command `calibrate`.
 *
 * @module
 */
import { STATISTIC_KINDS } from "../quantization/statistics/statistic.ts";
import type { CommandSpec } from "./command_spec.ts";
import { dataOptions } from "./data_options.ts";
import { CALIBRATE_HELP } from "./help.ts";
import { COUNT, METHOD, NAMES, PATH, PERCENTILE, SWITCH } from "./option_kinds.ts";
import type { CalibrateOptions } from "./options.ts";
import { RUNTIME_OPTION } from "./runtime_option.ts";
import { LOG_OPTION, SHARD_OPTION } from "./shard_options.ts";

/** Notes the ranges of a share of the samples. */
export const CALIBRATE: CommandSpec = {
  name: "calibrate",
  summary: "note ranges of a share of the samples, for quantize",
  description:
    "Runs a float model on samples, or a share of them, and writes what it saw: a part, for merge and quantize.",
  help: CALIBRATE_HELP,
  options: [
    { at: "model", flags: "<model>", text: "an ONNX file", kind: PATH, required: true },
    {
      at: "out",
      flags: "--out <path>",
      text: "where the part goes, as safetensors",
      kind: PATH,
      required: true,
    },
    { at: "force", flags: "--force", text: "replace --out if it exists", kind: SWITCH },
    { at: "json", flags: "--json", text: "print the summary as JSON", kind: SWITCH },
    RUNTIME_OPTION,
    SHARD_OPTION,
    {
      at: "threads",
      flags: "--threads <n>",
      text: "threads of this process (one a core by default); 1 for a process a core",
      kind: COUNT,
    },
    LOG_OPTION,
    {
      at: "calibrateOnnx.calibrationMethod",
      flags: "--method <name>",
      text: "how ranges are chosen; quantize --help says which to take",
      kind: METHOD,
      default: "minmax",
      group: "Calibration",
    },
    {
      at: "calibrateOnnx.percentile",
      flags: "--percentile <p>",
      text: "percentage of values that --method percentile keeps",
      kind: PERCENTILE,
      group: "Calibration",
    },
    {
      at: "calibrateOnnx.averagingConstant",
      text: "how far the method movingAverage moves towards each sample",
      kind: { schema: { type: "number", exclusiveMinimum: 0, maximum: 1 } },
    },
    {
      at: "calibrateOnnx.opTypesToQuantize",
      flags: "--op-types <op,…>",
      text: "only what these operators ask for",
      kind: NAMES,
      group: "Calibration",
    },
    {
      at: "calibrateOnnx.learn",
      flags: "--learn <kind,…>",
      text: `what else is learnt: ${STATISTIC_KINDS.join(", ")}`,
      kind: NAMES,
      group: "Calibration",
    },
    ...dataOptions("samples to calibrate with"),
  ],
  async run(options, console) {
    const { calibratePart } = await import("./calibrate_part.ts");
    return await calibratePart(options as CalibrateOptions, console);
  },
};
