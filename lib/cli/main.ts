/**
 * The command line as a function.
 *
 * @module
 */
import { CommanderError } from "./commander.ts";
import { CleanStop } from "./clean_stop.ts";
import { CliError, EXIT, plainMessage } from "./cli_error.ts";
import { type Console, processConsole } from "./console.ts";
import { inspected } from "../files/terminal.ts";
import { createProgram } from "./program.ts";

/**
 * Runs a command.
 *
 * @param args the arguments, without the name of the program.
 * @param console where it writes.
 * @returns the exit code.
 */
export async function runCommand(args: readonly string[], console: Console): Promise<number> {
  let code: number = EXIT.ok;
  try {
    const program = createProgram(console, (exitCode) => code = exitCode);
    if (args.length === 0) {
      program.outputHelp({ error: true });
      return EXIT.usage;
    }
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.ok;
      console.err(`${error.message}\nTry --help.\n`);
      return EXIT.usage;
    }
    const { aborted, reason } = console.signal;
    const stopped = aborted && reason instanceof CliError ? reason : undefined;
    if (args.includes("--debug")) console.err(`${inspected(error)}\n`);
    else console.err(`error: ${plainMessage(stopped ?? error)}\n`);
    const code = (stopped ?? error) instanceof CliError
      ? (stopped ?? error as CliError).exitCode
      : EXIT.failed;
    if (code === EXIT.usage) console.err("Try --help.\n");
    return code;
  }
}

/**
 * Runs a command of this process. Ctrl-C and SIGTERM end it at once, or where it writes what is to be whole, soon.
 *
 * @param args the arguments, without the name of the program.
 * @returns the exit code.
 */
export async function main(args: readonly string[]): Promise<number> {
  return await runCommand(args, processConsole(new CleanStop()));
}
