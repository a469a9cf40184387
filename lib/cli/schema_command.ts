/**
 * The command `schema`.
 *
 * @module
 */
import type { Command } from "./commander.ts";
import { COMMANDS } from "./commands.ts";
import type { Console } from "./console.ts";
import { SCHEMA_HELP } from "./help.ts";
import { recipeSchemaText } from "./recipe_schema.ts";

/** Adds the command. */
export function addSchemaCommand(program: Command, console: Console): void {
  program.command("schema")
    .summary("print the JSON schema of recipes, for editors")
    .description("Prints the JSON schema of recipes, by which editors complete and check them.")
    .addHelpText("after", SCHEMA_HELP)
    .action(() => console.out(recipeSchemaText(COMMANDS)));
}
