/**
 * The commands and their options.
 *
 * @module
 */
import { Command } from "./commander.ts";
import { VERSION } from "../files/version.ts";
import { addCommand } from "./add_command.ts";
import { COMMANDS } from "./commands.ts";
import { addCompletionCommand } from "./completion_command.ts";
import type { Console } from "./console.ts";
import { OVERVIEW } from "./help.ts";
import { addSchemaCommand } from "./schema_command.ts";

/**
 * The program, ready to parse arguments. It throws `CommanderError` in place of ending the process.
 *
 * @param console where it writes.
 * @param exit is told the exit code of a command that ended well but did not reach what was asked for.
 */
export function createProgram(console: Console, exit: (code: number) => void): Command {
  const program = new Command("staticquant")
    .description(
      "Quantizes ONNX models: looks into them, makes them small and fast, and says what it cost.",
    )
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help, also of a command")
    .helpCommand(false)
    .configureHelp({
      helpWidth: Math.min(console.outColumns, 100),
      subcommandTerm: (command) => command.name(),
    })
    .configureOutput({
      writeOut: (text) => console.out(text),
      writeErr: (text) => console.err(text),
      // What is wrong is printed once, where the error is caught.
      outputError: () => {},
      // There are no colours to decide on; by itself commander asks the environment.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride()
    .addHelpText("after", OVERVIEW);
  for (const spec of COMMANDS) addCommand(program, spec, COMMANDS, console, exit);
  addSchemaCommand(program, console);
  addCompletionCommand(program, console);
  for (const command of program.commands) {
    command.optionsGroup("Other:")
      .option("--debug", "print stacks of errors")
      .helpOption("-h, --help", "print this");
  }
  return program;
}
