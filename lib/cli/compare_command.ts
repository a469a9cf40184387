/**
 * The command `compare`.
 *
 * @module
 */
import type { CommandSpec } from "./command_spec.ts";
import { dataOptions } from "./data_options.ts";
import { COMPARE_HELP } from "./help.ts";
import { NUMBER, PATH, SWITCH } from "./option_kinds.ts";
import type { CompareOptions } from "./options.ts";
import { RUNTIME_OPTION } from "./runtime_option.ts";
import { LOG_OPTION, SHARD_OPTION } from "./shard_options.ts";

/** Says what quantizing cost. */
export const COMPARE: CommandSpec = {
  name: "compare",
  summary: "say what quantizing cost: accuracy, size, time",
  description: "Runs a float model and the one quantized from it on the same samples.",
  help: COMPARE_HELP,
  options: [
    { at: "float", flags: "<float>", text: "the float ONNX file", kind: PATH, required: true },
    {
      at: "quantized",
      flags: "<quantized>",
      text: "the quantized ONNX file",
      kind: PATH,
      required: true,
    },
    { at: "report", flags: "--report <path>", text: "write an HTML page with plots", kind: PATH },
    { at: "force", flags: "--force", text: "replace --report if it exists", kind: SWITCH },
    { at: "json", flags: "--json", text: "print JSON", kind: SWITCH },
    {
      at: "targetSqnr",
      flags: "--target-sqnr <dB>",
      text: "end with exit code 3 if an output is below",
      kind: NUMBER,
    },
    RUNTIME_OPTION,
    SHARD_OPTION,
    {
      at: "out",
      flags: "--out <path>",
      text: "write what was summed up, for merge, in place of a report",
      kind: PATH,
      group: "Many machines",
    },
    {
      at: "comparison",
      flags: "--comparison <path>",
      text: "tell what merge made of such parts, in place of running --data",
      kind: PATH,
      group: "Many machines",
    },
    LOG_OPTION,
    ...dataOptions("samples to run", "optional"),
  ],
  async run(options, console) {
    const { compare } = await import("./compare.ts");
    return await compare(options as CompareOptions, console);
  },
};
