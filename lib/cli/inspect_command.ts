/**
 * The command `inspect`.
 *
 * @module
 */
import { EXIT } from "./cli_error.ts";
import type { CommandSpec } from "./command_spec.ts";
import { INSPECT_HELP } from "./help.ts";
import { PATH, SWITCH } from "./option_kinds.ts";
import type { InspectOptions } from "./options.ts";

/** Looks into a model. */
export const INSPECT: CommandSpec = {
  name: "inspect",
  summary: "show what is in a model and what can be quantized",
  description: "Shows a model's inputs, outputs, sizes and operators, and what can be quantized.",
  help: INSPECT_HELP,
  options: [
    { at: "model", flags: "<model>", text: "an ONNX file", kind: PATH, required: true },
    { at: "json", flags: "--json", text: "print JSON", kind: SWITCH },
  ],
  async run(options, console) {
    const { model, json = false } = options as InspectOptions;
    const { inspect } = await import("./inspect.ts");
    console.out(await inspect(model, json, console.outColumns));
    return EXIT.ok;
  },
};
