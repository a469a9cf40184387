/**
 * The command `quantize`.
 *
 * @module
 */
import { OPTIMIZE_FOR } from "../onnx/qdq/selection.ts";
import { QUANTIZE_TARGETS } from "../onnx/qdq/targets.ts";
import type { CommandSpec, OptionSpec } from "./command_spec.ts";
import { dataOptions } from "./data_options.ts";
import { QUANTIZE_HELP } from "./help.ts";
import {
  choice,
  METHOD_OR_AUTO,
  NAMES,
  NUMBER,
  type OptionKind,
  PATH,
  PERCENTILE,
  SWITCH,
} from "./option_kinds.ts";
import type { QuantizeOptions } from "./options.ts";
import { RUNTIME_OPTION } from "./runtime_option.ts";

/** What is known better of activations, by their names. */
const OVERRIDES: OptionKind = {
  schema: {
    type: "object",
    additionalProperties: {
      type: "object",
      properties: Object.fromEntries(
        ["min", "max", "scale", "zeroPoint"].map((key) => [key, { type: "number" as const }]),
      ),
      additionalProperties: false,
    },
  },
};

/** What `quantizeStatic` takes of them. */
export const STATIC_OPTIONS: readonly OptionSpec[] = [
  {
    at: "quantizeStatic.target",
    flags: "--target <name>",
    text: "who runs the file; see below",
    kind: choice(QUANTIZE_TARGETS),
    default: "onnxruntime",
  },
  {
    at: "quantizeStatic.optimize",
    flags: "--optimize <what>",
    text: "what counts most; latency times the model here to find what is faster in float",
    kind: choice(OPTIMIZE_FOR),
  },
  {
    at: "quantizeStatic.calibrationMethod",
    flags: "--method <name>",
    text: "how ranges are chosen; see below (minmax by default)",
    kind: METHOD_OR_AUTO,
  },
  {
    at: "quantizeStatic.percentile",
    flags: "--percentile <p>",
    text: "percentage of values that --method percentile keeps",
    kind: PERCENTILE,
  },
  {
    at: "quantizeStatic.averagingConstant",
    text: "how far the method movingAverage moves towards each sample",
    kind: { schema: { type: "number", exclusiveMinimum: 0, maximum: 1 } },
  },
  {
    at: "quantizeStatic.activationType",
    flags: "--activation-type <type>",
    text: "integers of activations",
    kind: choice(["uint8", "int8"]),
    default: "uint8",
  },
  {
    at: "quantizeStatic.weightType",
    flags: "--weight-type <type>",
    text: "integers of weights",
    kind: choice(["int8", "uint8", "int4", "uint4"]),
    default: "int8",
  },
  {
    at: "quantizeStatic.perChannel",
    flags: "--per-channel",
    text: "a scale for each output channel of a weight (the default)",
    negative: ["--no-per-channel", "one scale for each weight"],
    kind: SWITCH,
    default: true,
  },
  {
    at: "quantizeStatic.activationSymmetric",
    flags: "--symmetric",
    text: "zero points of activations in the middle of the range",
    kind: SWITCH,
  },
  {
    at: "quantizeStatic.weightSymmetric",
    text: "whether 0 is in the middle of the ranges of weights; always so per channel",
    kind: SWITCH,
  },
  {
    at: "quantizeStatic.reduceRange",
    flags: "--reduce-range",
    text: "weights of 7 bits, for x64 processors without VNNI",
    kind: SWITCH,
  },
  {
    at: "quantizeStatic.fillChannels",
    text: "whether depthwise convolutions get channels of zeros up to a multiple of 16",
    kind: SWITCH,
  },
  {
    at: "quantizeStatic.cutGates",
    text: "whether the gate of a HardSwish is its input's bytes, cut off",
    kind: SWITCH,
  },
  {
    at: "quantizeStatic.dynamicLstms",
    text: "whether LSTMs are on bytes whose ranges are found at each step",
    kind: SWITCH,
  },
  {
    at: "quantizeStatic.opTypesToQuantize",
    flags: "--op-types <op,…>",
    text: "quantize these operators only",
    kind: NAMES,
  },
  {
    at: "quantizeStatic.nodesToQuantize",
    text: "quantize these nodes only: names as they are after preparing",
    kind: NAMES,
  },
  {
    at: "quantizeStatic.nodesToExclude",
    text: "leave these nodes float: names as they are after preparing",
    kind: NAMES,
  },
  {
    at: "quantizeStatic.tensorOverrides",
    text: "ranges, or scales and zero points, that are known better, by the names of activations",
    kind: OVERRIDES,
  },
];

/** Makes a model small and fast. */
export const QUANTIZE: CommandSpec = {
  name: "quantize",
  summary: "make a model small and fast, with ranges from samples",
  description:
    "Calibrates a float model on samples and writes a quantized one, whose integers any onnxruntime runs.",
  help: QUANTIZE_HELP,
  options: [
    { at: "model", flags: "<model>", text: "an ONNX file", kind: PATH, required: true },
    {
      at: "out",
      flags: "--out <path>",
      text: "where the quantized model goes",
      kind: PATH,
      required: true,
    },
    { at: "force", flags: "--force", text: "replace --out if it exists", kind: SWITCH },
    { at: "json", flags: "--json", text: "print the summary as JSON", kind: SWITCH },
    RUNTIME_OPTION,
    ...STATIC_OPTIONS.map((option) => ({ ...option, group: "Quantization" })),
    {
      at: "exclude",
      flags: "--exclude <name,…>",
      text:
        "leave these nodes float: names as they are after preparing, with * and ?, or operators",
      kind: NAMES,
      group: "Quantization",
    },
    {
      at: "heldOut",
      flags: "--held-out <path>",
      text: "samples to judge with, read like --data",
      kind: PATH,
      group: "Accuracy",
    },
    {
      at: "autoQuantize.targetSqnr",
      flags: "--target-sqnr <dB>",
      text:
        "leave out the fewest nodes so that the outputs reach this SQNR on the samples held out",
      kind: NUMBER,
      group: "Accuracy",
    },
    {
      at: "calibration",
      flags: "--calibration <path>",
      text: "what calibrate wrote, or merge, in place of --data and --method",
      kind: PATH,
      group: "Calibration",
    },
    {
      at: "state",
      flags: "--state <path>",
      text:
        "resume a calibration on the same --data from this file if it exists, and save it there",
      kind: PATH,
      group: "Calibration",
    },
    ...dataOptions("samples to calibrate with", "optional"),
  ],
  async run(options, console) {
    const { quantize } = await import("./quantize.ts");
    return await quantize(options as QuantizeOptions, console);
  },
};
