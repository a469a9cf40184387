/**
 * Recipes: what a command is to do, as a file that can be kept, read and repeated.
 *
 * @module
 */
import { nearest } from "../numbers/arguments.ts";
import { quote } from "../numbers/printable.ts";
import { InputFile } from "../files/input_file.ts";
import { isNotFound } from "../files/disk.ts";
import { problemOf } from "../files/file_problem.ts";
import { paths } from "../files/paths.ts";
import { CliError, EXIT } from "./cli_error.ts";
import type { CommandSpec, OptionSpec } from "./command_spec.ts";
import { problemWith } from "./json_schema.ts";
import { recipeSchema } from "./recipe_schema.ts";

/** Values of options, by where they stand in a recipe. */
export type Values = ReadonlyMap<string, unknown>;

/** Bytes that no recipe has. */
const TOO_LARGE = 4 << 20;

/** Where a printed recipe says that its schema is. */
const SCHEMA_FILE = "./recipe.schema.json";

function refuse(message: string): never {
  throw new CliError(EXIT.usage, message);
}

/**
 * What a file has for a command, by where it stands.
 *
 * @param commands all that a recipe may be for.
 * @throws {CliError} if it is no recipe, or has nothing for this command; names the file, the key and what to do.
 */
export async function readRecipe(
  path: string,
  command: CommandSpec,
  commands: readonly CommandSpec[],
): Promise<Values> {
  const json = parse(path, await text(path));
  const problem = problemWith(recipeSchema(commands), json);
  if (problem) refuse(`${path}: ${problem.at || "the recipe"} ${hinted(problem, commands)}`);
  const part = (json as Record<string, unknown>)[command.name];
  if (part === undefined) {
    const others = Object.keys(json as object).filter((key) => key !== "$schema");
    refuse(
      `${path}: there is nothing for ${command.name} in it` +
        (others.length ? `, only for ${others.join(", ")}` : "") +
        `; put its options under the key ${command.name}, as ${command.name} --print-config has them`,
    );
  }
  const values = new Map<string, unknown>();
  const folder = paths().dirname(path);
  for (const { at, kind } of command.options) {
    const value = valueAt(part, at.split("."));
    if (value === undefined) continue;
    values.set(at, kind.isPath ? allSeenFrom(folder, value as string | string[]) : value);
  }
  return values;
}

async function text(path: string): Promise<string> {
  try {
    using file = await InputFile.open(path);
    if (file.size > TOO_LARGE) refuse(`${path}: a file of ${file.size} bytes is no recipe`);
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.read(0, file.size));
  } catch (error) {
    if (isNotFound(error)) refuse(`${path}: there is no such recipe`);
    if (error instanceof TypeError) refuse(`${path}: it is no text in UTF-8`);
    const problem = problemOf(error);
    if (problem === undefined) throw error;
    refuse(`${path}: ${problem}`);
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Engines tell the place in their own ways.
    const at = /position (\d+)/.exec((error as Error).message)?.[1];
    const lines = at === undefined ? undefined : text.slice(0, Number(at)).split("\n");
    const place = lines ? ` at line ${lines.length}, column ${lines.at(-1)!.length + 1}` : "";
    refuse(`${path}: it is no JSON: ${(error as Error).message.split(" in JSON")[0]}${place}`);
  }
}

/** A problem's message, with the place in a recipe where a flag's or a misplaced option's value belongs. */
function hinted(
  { at, message }: { at: string; message: string },
  commands: readonly CommandSpec[],
): string {
  const [, name, key] = /^([^.]*)\.(?:.*\.)?([^.]*)$/.exec(at) ?? [];
  const command = commands.find((each) => each.name === name);
  if (!command || !/no key/.test(message)) return message;
  const belongs = command.options.find((option) => namesOf(option).includes(key)) ??
    command.options.find((option) =>
      nearest(key, namesOf(option)) && !message.includes("did you mean")
    );
  const place = belongs && `${name}.${belongs.at}`;
  return place && place !== at ? `is no key there is; did you mean ${place}?` : message;
}

/** What somebody may call an option: its key, and its flag as it is or in the form of a key. */
function namesOf({ at, flags = "" }: OptionSpec): string[] {
  const flag = /--([\w-]+)/.exec(flags)?.[1] ?? "";
  const camel = flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return [at.split(".").at(-1)!, flag, camel].filter(Boolean);
}

function valueAt(from: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return from;
  const there = typeof from === "object" && from !== null && Object.hasOwn(from, key);
  return there ? valueAt((from as Record<string, unknown>)[key], rest) : undefined;
}

function allSeenFrom(folder: string, path: string | string[]): string | string[] {
  return Array.isArray(path) ? path.map((each) => seenFrom(folder, each)) : seenFrom(folder, path);
}

function seenFrom(folder: string, path: string): string {
  const { isAbsolute, join } = paths();
  // Standard input, and what lies on a server, are nowhere in a folder.
  const elsewhere = path === "" || path === "-" || /^\w+:\/\//.test(path) || isAbsolute(path);
  return folder === "." || elsewhere ? path : join(folder, path);
}

/** The values as the objects in objects that a recipe has, and that the library takes. */
export function nested(options: readonly OptionSpec[], values: Values): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const { at } of options) {
    const keys = at.split(".");
    const last = keys.pop()!;
    let into = root;
    for (const key of keys) into = (into[key] ??= {}) as Record<string, unknown>;
    const value = values.get(at);
    if (value !== undefined) into[last] = value;
  }
  return root;
}

/** A recipe as the text of a file. */
export function recipeText({ name, options }: CommandSpec, values: Values): string {
  const recipe = { $schema: SCHEMA_FILE, [name]: withoutEmpty(nested(options, values)) };
  return `${JSON.stringify(recipe, null, 2)}\n`;
}

function withoutEmpty(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => {
      const isObject = typeof each === "object" && each !== null && !Array.isArray(each);
      const kept = isObject ? withoutEmpty(each as Record<string, unknown>) : each;
      return isObject && Object.keys(kept as object).length === 0 ? [] : [[key, kept]];
    }),
  );
}

/** @throws {CliError} if a value is not there without which nothing can be done. */
export function checkComplete(command: CommandSpec, values: Values, recipe?: string): void {
  const missing = command.options.find(({ at, required }) => required && !values.has(at));
  if (!missing) return;
  const { at, flags = "" } = missing;
  const isArgument = !flags.startsWith("-");
  refuse(
    recipe === undefined
      ? isArgument
        ? `missing required argument ${quote(at).replaceAll('"', "'")}`
        : `required option '${flags}' not specified`
      : `${recipe}: ${command.name}.${at} is missing; give it there, or ${
        isArgument ? "as an argument" : `as ${flags}`
      }`,
  );
}
