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

/** What runs models: onnxruntime-web on WebAssembly or on WebGPU, or onnxruntime in Node, on a CPU. */
export type ConvertProvider = "wasm" | "webgpu" | "node";

/** The providers. */
export const CONVERT_PROVIDERS: readonly ConvertProvider[] = ["wasm", "webgpu", "node"];

/** What is to be known of a form. */
export interface DTypeFacts {
  /** What its file's name ends with before `.onnx`. */
  readonly suffix: string;
  /** What it consists of, in a few words. */
  readonly what: string;
  /** What a provider cannot do with it, or not well; nothing if all is well. Tried in onnxruntime 1.20 to 1.30. */
  readonly cautions?: Readonly<Partial<Record<ConvertProvider, string>>>;
}

/** Floats of 16 bits on a CPU. */
const HALVES =
  "a CPU has no kernels for float16: it is turned into float32 and back, which costs time; take q8";
const CAUTIONS = {
  halves: {
    wasm: HALVES,
    node: HALVES,
    webgpu: "it needs an adapter with shader-f16, and fails where there is none; keep q4 beside it",
  },
  bytes: {
    webgpu:
      "WebGPU has no kernels for its products, which WebAssembly computes; take q4f16 or fp16",
  },
  floats: {
    webgpu: "WebGPU has no kernel for MatMulBnb4, which WebAssembly computes; take q4 or q4f16",
  },
};

/** All forms, in the order in which they are made. */
export const CONVERT_DTYPES: ReadonlyMap<ConvertDType, DTypeFacts> = new Map([
  ["fp16", { suffix: "_fp16", what: "floats of 16 bits", cautions: CAUTIONS.halves }],
  ["q8", {
    suffix: "_quantized",
    what: "8 bits, ranges found while running",
    cautions: CAUTIONS.bytes,
  }],
  ["int8", { suffix: "_int8", what: "8 bits, weights signed", cautions: CAUTIONS.bytes }],
  ["uint8", { suffix: "_uint8", what: "8 bits, weights unsigned", cautions: CAUTIONS.bytes }],
  ["q4", { suffix: "_q4", what: "weights of 4 bits, the rest float32" }],
  ["q4f16", {
    suffix: "_q4f16",
    what: "weights of 4 bits, the rest float16",
    cautions: CAUTIONS.halves,
  }],
  ["bnb4", {
    suffix: "_bnb4",
    what: "weights of 16 floats (NF4), the rest float32",
    cautions: CAUTIONS.floats,
  }],
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
