/**
 * Commands as the parser of arguments has them.
 *
 * @module
 */
import { Argument, type Command, Option } from "./commander.ts";
import { type CommandSpec, isArgument, type OptionSpec } from "./command_spec.ts";
import type { Console } from "./console.ts";
import { checkComplete, nested, readRecipe, recipeText } from "./recipe.ts";

/** The option of a table as the parser has it; two where another flag says no. */
function parserOptions({ flags, negative, text, kind, group, ...spec }: OptionSpec): Option[] {
  const option = new Option(flags!, text);
  if (kind.schema.enum) option.choices(kind.schema.enum.map(String));
  if (kind.parse) option.argParser(kind.parse);
  // What is shown; values themselves are put together with those of a recipe.
  if (spec.default !== undefined && kind.schema.type !== "boolean") option.default(spec.default);
  const all = negative ? [option, new Option(...negative)] : [option];
  return group === undefined ? all : all.map((each) => each.helpGroup(`${group}:`));
}

/** The values that the command line gives, by where they stand in a recipe. */
function given(command: Command, { options }: CommandSpec): Map<string, unknown> {
  const values = new Map<string, unknown>();
  options.filter(isArgument).forEach(({ at, flags }, i) => {
    if (command.args[i] === undefined) return;
    values.set(at, flags!.endsWith("...>") ? command.args.slice(i) : command.args[i]);
  });
  for (const { at, flags } of options.filter((option) => option.flags?.startsWith("-"))) {
    const name = new Option(flags!).attributeName();
    if (command.getOptionValueSource(name) === "cli") values.set(at, command.getOptionValue(name));
  }
  return values;
}

/**
 * Adds a command.
 *
 * @param commands all that a recipe may be for.
 * @param exit is told the exit code.
 */
export function addCommand(
  program: Command,
  spec: CommandSpec,
  commands: readonly CommandSpec[],
  console: Console,
  exit: (code: number) => void,
): void {
  const { name, summary, description, help, options } = spec;
  const args = options.filter(isArgument);
  const command = program.command(name).summary(summary).description(description)
    .usage(["[options]", ...args.map(({ flags }) => flags)].join(" "));
  for (const { flags, text } of args) {
    // Not required here, for a recipe may have it.
    command.addArgument(new Argument(flags!.replace(/^<(.*)>$/, "[$1]"), text));
  }
  for (const option of options.filter(({ flags }) => flags?.startsWith("-"))) {
    for (const each of parserOptions(option)) command.addOption(each);
  }
  command.optionsGroup("Recipes:")
    .option("--config <recipe>", "take what is not given here from this JSON file")
    .option("--print-config", "print what would be done as such a file, and do nothing")
    .addHelpText("after", help)
    .action(async () => {
      const { config, printConfig } = command.opts<{ config?: string; printConfig?: boolean }>();
      const values = new Map<string, unknown>(
        options.flatMap((option) =>
          option.default === undefined ? [] : [[option.at, option.default] as const]
        ),
      );
      const kept = config === undefined ? [] : await readRecipe(config, spec, commands);
      for (const [at, value] of [...kept, ...given(command, spec)]) values.set(at, value);
      if (printConfig) return console.out(recipeText(spec, values));
      checkComplete(spec, values, config);
      exit(await spec.run(nested(options, values), console));
    });
}
