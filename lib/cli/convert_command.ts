/**
 * The command `convert`.
 *
 * @module
 */
import { CONVERT_DTYPES, CONVERT_PROVIDERS } from "../onnx/convert/dtypes.ts";
import type { CommandSpec, OptionSpec } from "./command_spec.ts";
import { dataOptions } from "./data_options.ts";
import { CONVERT_HELP } from "./help.ts";
import { choice, dtypesKind, NAMES, numberChoice, PATH, SWITCH } from "./option_kinds.ts";
import type { ConvertOptions } from "./options.ts";
import { STATIC_OPTIONS } from "./quantize_command.ts";
import { RUNTIME_OPTION } from "./runtime_option.ts";

const DYNAMIC: readonly OptionSpec[] = [
  {
    at: "convertOnnx.quantizeDynamic.perChannel",
    flags: "--per-channel",
    text: "a scale for each output channel of a weight, for q8, int8 and uint8 (the default)",
    negative: ["--no-per-channel", "one scale for each weight"],
    kind: SWITCH,
  },
  {
    at: "convertOnnx.quantizeDynamic.reduceRange",
    flags: "--reduce-range",
    text: "weights of 7 bits, for x64 processors without VNNI",
    kind: SWITCH,
  },
];

const WEIGHTS: readonly OptionSpec[] = [
  {
    at: "convertOnnx.quantizeWeights.groupSize",
    flags: "--block-size <n>",
    text: "neighbours that share a scale, for q4, q4f16 and bnb4 (32; 64 for bnb4)",
    kind: numberChoice([16, 32, 64, 128, 256]),
  },
  {
    at: "convertOnnx.quantizeWeights.method",
    flags: "--rounding <how>",
    text: "how weights of 4 bits are rounded (gptq by default, mse where that would take minutes)",
    kind: choice(["nearest", "mse", "hqq", "gptq", "awq"]),
  },
  {
    at: "convertOnnx.quantizeWeights.symmetric",
    text: "whether 0 is in the middle of the integers, so that no zero points are stored",
    kind: SWITCH,
  },
  {
    at: "convertOnnx.quantizeWeights.accuracyLevel",
    flags: "--accuracy-level <n>",
    text: "what onnxruntime may round activations to beside weights of 4 bits: 1 float32, " +
      "4 integers of 8 bits, which is fastest on a CPU",
    kind: numberChoice([0, 1, 2, 3, 4]),
  },
  {
    at: "convertOnnx.quantizeWeights.embeddingBits",
    text: "bits of tables that are looked up in, beside weights of 4 bits",
    kind: numberChoice([4, 8, 32]),
  },
];

const FLOAT16: readonly OptionSpec[] = [
  {
    at: "convertOnnx.toFloat16.keepIoTypes",
    text: "whether inputs and outputs stay float32 beside float16",
    kind: SWITCH,
  },
  {
    at: "convertOnnx.toFloat16.blockList",
    text: "operators or nodes that stay float32 beside float16",
    kind: NAMES,
  },
];

/** What it makes of the samples, for the form `static`; a recipe only has it. */
const STATIC: readonly OptionSpec[] = STATIC_OPTIONS.map((option): OptionSpec => ({
  at: `convertOnnx.${option.at}`,
  text: option.text,
  kind: option.kind,
  ...option.at.endsWith("calibrationMethod") ? { flags: option.flags } : {},
}));

const FORMS = [...DYNAMIC, ...WEIGHTS, ...FLOAT16, ...STATIC];

/** Writes a folder as transformers.js loads it. */
export const CONVERT: CommandSpec = {
  name: "convert",
  summary: "make every form that transformers.js loads, and say what each is worth",
  description: "Writes models in the forms that transformers.js loads: fp16, q8, q4 and others.",
  help: CONVERT_HELP,
  options: [
    {
      at: "source",
      flags: "<source>",
      text: "a folder with onnx/model.onnx, or an ONNX file",
      kind: PATH,
      required: true,
    },
    {
      at: "convertOnnx.dtypes",
      flags: "--modes, --dtype <name,…>",
      text: `all, or some of ${[...CONVERT_DTYPES.keys()].join(", ")}`,
      kind: dtypesKind([...CONVERT_DTYPES.keys()]),
      default: "all",
    },
    {
      at: "out",
      flags: "--out <folder>",
      text: "the folder that is filled (the one that is given, by default)",
      kind: PATH,
    },
    {
      at: "convertOnnx.provider",
      flags: "--for <provider>",
      text:
        "what is to run them: says which forms it cannot run, or not well, and makes static for pages",
      kind: choice([...CONVERT_PROVIDERS]),
    },
    { at: "force", flags: "--force", text: "replace files that exist", kind: SWITCH },
    {
      at: "card",
      flags: "--card <path>",
      text: "write a piece for the model's README: its forms, and how they are loaded",
      kind: PATH,
    },
    { at: "json", flags: "--json", text: "print the table as JSON", kind: SWITCH },
    RUNTIME_OPTION,
    {
      at: "convertOnnx.externalData",
      flags: "--external-data",
      text: "put large constants into files of their own, such as model_q4.onnx_data (where they " +
        "have to by default)",
      kind: SWITCH,
    },
    ...FORMS.map((option) => ({ ...option, group: "Forms" })),
    ...dataOptions("samples to judge with, and for static to calibrate with", "optional"),
  ],
  async run(options, console) {
    const { convert } = await import("./convert.ts");
    return await convert(options as ConvertOptions, console);
  },
};
