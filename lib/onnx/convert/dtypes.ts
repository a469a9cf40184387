/**
 * The forms of a model that transformers.js knows, by its names.
 *
 * @module
 */

/** A form: `q8`, `int8` and `uint8` are quantized dynamically, `static` with ranges from samples. */
export type ConvertDType =
  | "fp16"
  | "q8"
  | "int8"
  | "uint8"
  | "q4"
  | "q4f16"
  | "bnb4"
  | "static";

/** What is to be known of a form. */
export interface DTypeFacts {
  /** What its file's name ends with before `.onnx`. */
  readonly suffix: string;
  /** What it consists of, in a few words. */
  readonly what: string;
}

/** All forms, in the order in which they are made. */
export const CONVERT_DTYPES: ReadonlyMap<ConvertDType, DTypeFacts> = new Map([
  ["fp16", { suffix: "_fp16", what: "floats of 16 bits" }],
  ["q8", { suffix: "_quantized", what: "8 bits, ranges found while running" }],
  ["int8", { suffix: "_int8", what: "8 bits, weights signed" }],
  ["uint8", { suffix: "_uint8", what: "8 bits, weights unsigned" }],
  ["q4", { suffix: "_q4", what: "weights of 4 bits, the rest float32" }],
  ["q4f16", { suffix: "_q4f16", what: "weights of 4 bits, the rest float16" }],
  ["bnb4", { suffix: "_bnb4", what: "weights of 16 floats (NF4), the rest float32" }],
  ["static", { suffix: "_static", what: "8 bits, ranges from samples" }],
]);

/** Endings of files that are no float model, of forms that others make too. */
const ENDINGS = [
  ...[...CONVERT_DTYPES.values()].map(({ suffix }) => suffix),
  ...["_q1", "_q1f16", "_q2", "_q2f16"],
];

/** Whether a file's name, without `.onnx`, says that it is one of the forms. */
export function isForm(name: string): boolean {
  return ENDINGS.some((ending) => name.endsWith(ending));
}
