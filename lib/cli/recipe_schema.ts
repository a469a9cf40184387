/**
 * The schema of recipes, made of the tables of options.
 *
 * @module
 */
import type { CommandSpec, OptionSpec } from "./command_spec.ts";
import type { JsonSchema } from "./json_schema.ts";

/** A schema while it is put together. */
interface OpenSchema extends JsonSchema {
  readonly properties: Record<string, JsonSchema>;
}

const open = (): OpenSchema => ({
  type: "object",
  properties: Object.create(null),
  additionalProperties: false,
});

/** What the objects in a recipe are: the options of a function of the library. */
const SECTIONS: Readonly<Record<string, string>> = {
  image: "how images are read",
};

/** The schema of one command's part. */
export function commandSchema({ description, options }: CommandSpec): JsonSchema {
  const schema: OpenSchema = { description, ...open() };
  for (const option of options) place(schema, option.at.split("."), option);
  return schema;
}

function place(into: OpenSchema, [key, ...rest]: readonly string[], option: OptionSpec): void {
  if (rest.length === 0) {
    const { kind: { schema }, text, default: value } = option;
    const initial = value === undefined ? {} : { default: value };
    into.properties[key] = { ...schema, description: text, ...initial };
    return;
  }
  const description = SECTIONS[key] ?? `options of ${key}`;
  const section = into.properties[key] ??= { ...open(), description };
  place(section as OpenSchema, rest, option);
}

/** The schema of a whole recipe: a part for each command. */
export function recipeSchema(commands: readonly CommandSpec[]): JsonSchema {
  return {
    type: "object",
    description: "A recipe of staticquant: what its commands are to do, each under its name",
    properties: {
      $schema: { type: "string", description: "where the schema of recipes lies, for editors" },
      ...Object.fromEntries(commands.map((command) => [command.name, commandSchema(command)])),
    },
    additionalProperties: false,
  };
}

/** The same as the text of a file. */
export function recipeSchemaText(commands: readonly CommandSpec[]): string {
  const $schema = "https://json-schema.org/draft/2020-12/schema";
  return `${JSON.stringify({ $schema, ...recipeSchema(commands) }, null, 2)}\n`;
}
