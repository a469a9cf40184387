/**
 * The command `completion`.
 *
 * @module
 */
import { Argument, type Command } from "./commander.ts";
import { completionScript, type Shell, SHELLS } from "./completion.ts";
import type { Console } from "./console.ts";
import { COMPLETION_HELP } from "./help.ts";

/** Adds the command. */
export function addCompletionCommand(program: Command, console: Console): void {
  program.command("completion")
    .summary("print a script that makes your shell complete commands and options")
    .description("Prints a script that makes a shell complete commands, options and their values.")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText("after", COMPLETION_HELP)
    .action((shell: Shell) => console.out(completionScript(program, shell)));
}
