/**
 * The part of JSON Schema that recipes are described with, and checking values by it.
 *
 * @module
 */
import { given, nearest } from "../numbers/arguments.ts";

/** What a value may be. */
export interface JsonSchema {
  readonly type?: "object" | "array" | "string" | "number" | "integer" | "boolean";
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly (string | number)[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  /** What other properties may be; `false` where there are none. */
  readonly additionalProperties?: false | JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

/** What is wrong with a value. */
export interface Problem {
  /** Where, with dots between: `quantizeStatic.percentile`. */
  readonly at: string;
  /** What it is and what it must be. */
  readonly message: string;
}

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number" && Number.isFinite(value),
  integer: Number.isSafeInteger,
  boolean: (value) => typeof value === "boolean",
};

/** A type with its article, and what numbers must be. */
function wanted(schema: JsonSchema): string {
  if (schema.enum) return `one of ${schema.enum.map((text) => JSON.stringify(text)).join(", ")}`;
  if (schema.anyOf) return schema.anyOf.map(wanted).join(", or ");
  if (schema.items && schema.minItems !== undefined && schema.minItems === schema.maxItems) {
    return `an array of ${schema.minItems}, each ${wanted(schema.items)}`;
  }
  if (schema.items) return `an array, each element ${wanted(schema.items)}`;
  const bounds = [
    schema.minimum === undefined ? "" : `at least ${schema.minimum}`,
    schema.exclusiveMinimum === undefined ? "" : `above ${schema.exclusiveMinimum}`,
    schema.maximum === undefined ? "" : `at most ${schema.maximum}`,
  ].filter(Boolean).join(" and ");
  const names: Readonly<Record<string, string>> = {
    object: "an object",
    array: "an array",
    string: "a text",
    number: "a number",
    integer: "a whole number",
    boolean: "true or false",
  };
  return `${names[schema.type ?? "object"]}${bounds && ` of ${bounds}`}`;
}

function inBounds({ minimum, exclusiveMinimum, maximum }: JsonSchema, value: number): boolean {
  return !(value < minimum! || value <= exclusiveMinimum! || value > maximum!);
}

/** What is wrong with a value, the first thing that is; nothing if it is as the schema has it. */
export function problemWith(schema: JsonSchema, value: unknown, at = ""): Problem | undefined {
  const refused = (): Problem => {
    const is = typeof value === "string" ? JSON.stringify(value) : given(value);
    const like = typeof value === "string" ? nearest(value, choices(schema)) : undefined;
    const meant = like === undefined ? "" : `; did you mean ${JSON.stringify(like)}?`;
    return { at, message: `is ${is}, but must be ${wanted(schema)}${meant}` };
  };
  if (schema.anyOf) {
    return schema.anyOf.some((each) => !problemWith(each, value)) ? undefined : refused();
  }
  if (schema.type && !TYPES[schema.type](value)) return refused();
  if (schema.enum && !schema.enum.includes(value as string | number)) return refused();
  if (typeof value === "number" && !inBounds(schema, value)) return refused();
  if (Array.isArray(value)) return elementsProblem(schema, value, at, refused);
  return schema.type === "object" ? propertiesProblem(schema, value as object, at) : undefined;
}

/** The words that a value may be, or its elements. */
function choices({ enum: known, anyOf }: JsonSchema): readonly string[] {
  return known?.filter((each) => typeof each === "string") ?? anyOf?.flatMap(choices) ?? [];
}

function elementsProblem(
  { items = {}, minItems = 0, maxItems = Infinity }: JsonSchema,
  value: readonly unknown[],
  at: string,
  refused: () => Problem,
): Problem | undefined {
  if (value.length < minItems || value.length > maxItems) return refused();
  for (const [i, element] of value.entries()) {
    const problem = problemWith(items, element, `${at}[${i}]`);
    if (problem) return problem;
  }
}

function propertiesProblem(schema: JsonSchema, value: object, at: string): Problem | undefined {
  const { properties = {}, required = [], additionalProperties } = schema;
  for (const [key, property] of Object.entries(value)) {
    const path = at ? `${at}.${key}` : key;
    if (Object.hasOwn(properties, key)) {
      const problem = problemWith(properties[key], property, path);
      if (problem) return problem;
    } else if (additionalProperties) {
      const problem = problemWith(additionalProperties, property, path);
      if (problem) return problem;
    } else if (additionalProperties === false) {
      const known = Object.keys(properties);
      const like = nearest(key, known);
      const meant = like === undefined ? "" : `did you mean ${like}? `;
      return { at: path, message: `is no key there is; ${meant}There are ${known.join(", ")}` };
    }
  }
  const missing = required.find((key) => !Object.hasOwn(value, key));
  if (missing !== undefined) {
    return { at: at ? `${at}.${missing}` : missing, message: "is missing" };
  }
}
