/**
 * The command `tune`.
 *
 * @module
 */
import { QUANTIZE_TARGETS } from "../onnx/qdq/targets.ts";
import { TUNE_METRICS } from "../onnx/tune/metrics.ts";
import type { CommandSpec, OptionSpec } from "./command_spec.ts";
import { dataOptions } from "./data_options.ts";
import { TUNE_HELP } from "./help.ts";
import { choice, COUNT, NAMES, NUMBER, PATH, POSITIVE, SWITCH } from "./option_kinds.ts";
import type { TuneOptions } from "./options.ts";
import { RUNTIME_OPTION } from "./runtime_option.ts";

/** What is asked for. */
const ASKED: readonly OptionSpec[] = [
  {
    at: "tuneOnnx.metric",
    flags: "--metric <name>",
    text: "what is judged by; see below",
    kind: choice(TUNE_METRICS),
    default: "sqnr",
  },
  {
    at: "metricProgram",
    flags: "--metric-program <path>",
    text: "a program that is given a model's path and prints a number, the greater the better",
    kind: PATH,
  },
  {
    at: "tuneOnnx.target",
    flags: "--reach <number>",
    text: "stop when the metric reaches this",
    kind: NUMBER,
  },
  {
    at: "keepBest",
    flags: "--keep-best",
    text: "write the best that was found also where --reach is missed",
    kind: SWITCH,
  },
  {
    at: "tuneOnnx.budget.seconds",
    flags: "--seconds <s>",
    text: "begin nothing new after this time",
    kind: POSITIVE,
  },
  {
    at: "tuneOnnx.budget.bytes",
    flags: "--max-bytes <n>",
    text: "how large the file may be",
    kind: COUNT,
  },
  {
    at: "tuneOnnx.budget.latency",
    flags: "--max-latency <share>",
    text: "what it may take of the float model's time, such as 0.5",
    kind: POSITIVE,
  },
];

/** How it is gone about. */
const MEANS: readonly OptionSpec[] = [
  {
    at: "tuneOnnx.quantize.target",
    flags: "--target <name>",
    text: "who runs the file: onnxruntime, or onnxruntime-web in browsers",
    kind: choice(QUANTIZE_TARGETS),
    default: "onnxruntime",
  },
  {
    at: "calibration",
    flags: "--calibration <path>",
    text: "what calibrate wrote, or merge, to start from; with --learn also what remedies go by",
    kind: PATH,
  },
  {
    at: "tuneOnnx.remedies",
    flags: "--remedies <name,…>",
    text: "try these only, in this order",
    kind: NAMES,
  },
  {
    at: "recipe",
    flags: "--recipe <path>",
    text: "where it is written what was done, as JSON",
    kind: PATH,
  },
  {
    at: "useRecipe",
    flags: "--use-recipe <path>",
    text: "do what a recipe says; nothing is searched for",
    kind: PATH,
  },
];

/** Finds out what ruins a quantized model, and mends it. */
export const TUNE: CommandSpec = {
  name: "tune",
  summary: "find out why a quantized model is bad, and make it better",
  description:
    "Quantizes a float model, says which nodes cost most and why, tries remedies, keeps what helps on " +
    "samples held out, and writes the best.",
  help: TUNE_HELP,
  options: [
    { at: "model", flags: "<model>", text: "an ONNX file", kind: PATH, required: true },
    {
      at: "out",
      flags: "--out <path>",
      text: "where the quantized model goes",
      kind: PATH,
      required: true,
    },
    {
      at: "heldOut",
      flags: "--held-out <path>",
      text: "samples to judge with, read like --data",
      kind: PATH,
      required: true,
    },
    {
      at: "force",
      flags: "--force",
      text: "replace --out and --recipe if they exist",
      kind: SWITCH,
    },
    { at: "json", flags: "--json", text: "print the summary as JSON", kind: SWITCH },
    RUNTIME_OPTION,
    ...ASKED.map((option) => ({ ...option, group: "What is asked for" })),
    ...MEANS.map((option) => ({ ...option, group: "How" })),
    ...dataOptions("samples to calibrate with"),
  ],
  async run(options, console) {
    const { tune } = await import("./tune.ts");
    return await tune(options as TuneOptions, console);
  },
};
