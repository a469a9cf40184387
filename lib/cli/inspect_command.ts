/**
 * The command `inspect`.
 *
 * @module
 */
import type { Command } from "./commander.ts";
import type { Console } from "./console.ts";
import { INSPECT_HELP } from "./help.ts";

/** Adds the command. */
export function addInspectCommand(program: Command, console: Console): void {
  program.command("inspect")
    .summary("show what is in a model and what can be quantized")
    .description("Shows a model's inputs, outputs, sizes and operators, and what can be quantized.")
    .argument("<model>", "an ONNX file")
    .option("--json", "print JSON")
    .addHelpText("after", INSPECT_HELP)
    .action(async (model: string, { json = false }: { json?: boolean }) => {
      const { inspect } = await import("./inspect.ts");
      console.out(await inspect(model, json, console.outColumns));
    });
}
