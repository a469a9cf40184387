/**
 * The command line as a function.
 *
 * @module
 */
import { CommanderError } from "./commander.ts";
import { CleanStop } from "./clean_stop.ts";
import { CliError, EXIT, isTemporary, plainMessage, RUN_AGAIN } from "./cli_error.ts";
import { type Console, processConsole } from "./console.ts";
import { inspected } from "../files/terminal.ts";
import { logLine } from "./json_log.ts";
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
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    const { aborted, reason } = console.signal;
    const cause = aborted && reason instanceof CliError ? reason : error;
    if (args.includes("--debug")) console.err(`${inspected(error)}\n`);
    const { message, exitCode } = problem(cause);
    const retry = RUN_AGAIN.has(exitCode);
    if (asksForLog(args)) console.err(logLine("failed", { error: message, exitCode, retry }));
    if (args.includes("--json")) {
      console.out(`${JSON.stringify({ error: message, exitCode }, null, 2)}\n`);
    } else if (!asksForLog(args)) {
      if (!args.includes("--debug")) console.err(`error: ${message}\n`);
      if (exitCode === EXIT.usage) console.err("Try --help.\n");
    }
    return exitCode;
  }
}

/** Whether errors are to be lines of JSON, too early for the parser of arguments to tell. */
function asksForLog(args: readonly string[]): boolean {
  return args.some((arg, i) => arg === "--log=json" || arg === "json" && args[i - 1] === "--log");
}

/** What an error means to a person, and the exit code that belongs to it. */
function problem(error: unknown): { message: string; exitCode: number } {
  if (error instanceof CommanderError) {
    return { message: error.message.replace(/^error: /, ""), exitCode: EXIT.usage };
  }
  const exitCode = error instanceof CliError
    ? error.exitCode
    : isTemporary(error)
    ? EXIT.again
    : EXIT.failed;
  return { message: plainMessage(error), exitCode };
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
