/**
 * What commands are made of: a table of options, from which follow the flags of the command line, the recipes that
 * can stand in their place, and the schema of these.
 *
 * @module
 */
import type { Console } from "./console.ts";
import type { OptionKind } from "./option_kinds.ts";

/** An option of a command. */
export interface OptionSpec {
  /** Where its value stands in a recipe, in the words of the library: `quantizeStatic.percentile`. */
  readonly at: string;
  /** Its flag and what follows that, `--percentile <p>`; an argument by its place, `<model>`; none if only a recipe
   * has it. */
  readonly flags?: string;
  /** The flag that says no, and its text, where there is one. */
  readonly negative?: readonly [flags: string, text: string];
  /** What it is for. */
  readonly text: string;
  /** What it may be. */
  readonly kind: OptionKind;
  /** What it is unless told. */
  readonly default?: unknown;
  /** Whether there is no doing without. */
  readonly required?: true;
  /** The heading under which help has it. */
  readonly group?: string;
}

/** A command. */
export interface CommandSpec {
  /** Its name, on the command line and in recipes. */
  readonly name: string;
  /** A line in the list of commands. */
  readonly summary: string;
  /** A sentence above its help. */
  readonly description: string;
  /** What help teaches below the options. */
  readonly help: string;
  /** Its options, as help has them. */
  readonly options: readonly OptionSpec[];
  /**
   * Does it.
   *
   * @param recipe the options by the keys of recipes, objects in objects.
   * @returns the exit code.
   */
  run(recipe: unknown, console: Console): Promise<number>;
}

/** Whether an option is an argument, told by its place. */
export function isArgument({ flags }: OptionSpec): boolean {
  return flags !== undefined && !flags.startsWith("-");
}
