/**
 * What values options have: as words of a command line and as JSON of a recipe.
 *
 * @module
 */
import type { JsonSchema } from "./json_schema.ts";
import { CALIBRATION_METHODS } from "../onnx/calibration/method_names.ts";
import {
  collectInputs,
  collectNames,
  parseCount,
  parseDivisors,
  parseMethod,
  parseNamesOf,
  parseNumber,
  parseNumbers,
  parseOneOf,
  parsePercentile,
  parsePixel,
  parsePositive,
  parseSize,
} from "./parse.ts";

/** A kind of value. */
export interface OptionKind {
  /** What it may be in JSON. */
  readonly schema: JsonSchema;
  /** What it is made of on a command line, and what was given there before; text is taken as it is without. */
  // deno-lint-ignore no-explicit-any
  readonly parse?: (text: string, before: any) => unknown;
  /** Whether it names a file or a folder: in a recipe, as seen from the recipe's folder. */
  readonly isPath?: true;
}

const numberKind = (parse: (text: string) => number, bounds: JsonSchema = {}): OptionKind => ({
  schema: { type: "number", ...bounds },
  parse,
});

const list = (items: JsonSchema): JsonSchema => ({ type: "array", items, minItems: 1 });

/** Yes or no. */
export const SWITCH: OptionKind = { schema: { type: "boolean" } };
/** A file or a folder. */
export const PATH: OptionKind = { schema: { type: "string" }, isPath: true };
/** Files or folders. */
export const PATHS: OptionKind = { schema: list({ type: "string" }), isPath: true };
/** A text. */
export const TEXT: OptionKind = { schema: { type: "string" } };
/** A finite number. */
export const NUMBER: OptionKind = numberKind(parseNumber);
/** A number above 0. */
export const POSITIVE: OptionKind = numberKind(parsePositive, { exclusiveMinimum: 0 });
/** A whole number of at least 1. */
export const COUNT: OptionKind = {
  schema: { type: "integer", minimum: 1 },
  parse: parseCount,
};
/** A number of a pixel. */
export const PIXEL: OptionKind = numberKind(parsePixel, { minimum: 0, maximum: 255 });
/** A percentage that a percentile can be. */
export const PERCENTILE: OptionKind = numberKind(parsePercentile, {
  exclusiveMinimum: 50,
  maximum: 100,
});
/** Numbers. */
export const NUMBERS: OptionKind = { schema: list({ type: "number" }), parse: parseNumbers };
/** Numbers, none of them 0. */
export const DIVISORS: OptionKind = { schema: list({ type: "number" }), parse: parseDivisors };
/** Names. */
export const NAMES: OptionKind = { schema: list({ type: "string" }), parse: collectNames };
/** Names by names. */
export const NAMES_BY_NAME: OptionKind = {
  schema: { type: "object", additionalProperties: { type: "string" } },
  parse: collectInputs,
};
/** Height and width. */
export const SIZE: OptionKind = {
  schema: {
    type: "array",
    items: {
      anyOf: [{ type: "integer", minimum: 1 }, { type: "string", enum: ["auto"] }],
    },
    minItems: 2,
    maxItems: 2,
  },
  parse: parseSize,
};

/** One of a few words. */
export function choice(words: readonly string[]): OptionKind {
  return { schema: { type: "string", enum: words } };
}

/** A method that chooses ranges. */
export const METHOD: OptionKind = { ...choice(CALIBRATION_METHODS), parse: parseMethod };

/** One of those, or the one that is measured to be best. */
export const METHOD_OR_AUTO: OptionKind = {
  ...choice([...CALIBRATION_METHODS, "auto"]),
  parse: (text) => text.toLowerCase() === "auto" ? "auto" : parseMethod(text),
};

/** One of a few numbers. */
export function numberChoice(numbers: readonly number[]): OptionKind {
  return {
    schema: { type: "integer", enum: numbers },
    parse: (text) => parseOneOf(text, numbers),
  };
}

/** Names of forms, or all of them. */
export function dtypesKind(names: readonly string[]): OptionKind {
  const each: JsonSchema = { type: "string", enum: names };
  return {
    schema: { anyOf: [{ type: "string", enum: ["all"] }, list(each)] },
    parse: (text) => parseNamesOf(text, names),
  };
}
