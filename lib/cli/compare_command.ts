/**
 * The command `compare`.
 *
 * @module
 */
import type { Command } from "./commander.ts";
import type { Console } from "./console.ts";
import { addDataOptions } from "./data_options.ts";
import { COMPARE_HELP } from "./help.ts";
import type { CompareFlags } from "./options.ts";
import { parseNumber } from "./parse.ts";
import { addRuntimeOption } from "./runtime_option.ts";

/** Adds the command; `exit` is told if the target is missed. */
export function addCompareCommand(
  program: Command,
  console: Console,
  exit: (code: number) => void,
): void {
  const command = program.command("compare")
    .summary("say what quantizing cost: accuracy, size, time")
    .description("Runs a float model and the one quantized from it on the same samples.")
    .argument("<float>", "the float ONNX file")
    .argument("<quantized>", "the quantized ONNX file")
    .option("--report <path>", "write an HTML page with plots")
    .option("--force", "replace --report if it exists")
    .option("--json", "print JSON")
    .option("--target-sqnr <dB>", "end with exit code 3 if an output is below", parseNumber);
  addRuntimeOption(command);
  addDataOptions(command, "samples to run");
  command
    .addHelpText("after", COMPARE_HELP)
    .action(async (float: string, quantized: string, options: CompareFlags) => {
      const { compare } = await import("./compare.ts");
      exit(await compare(float, quantized, options, console));
    });
}
