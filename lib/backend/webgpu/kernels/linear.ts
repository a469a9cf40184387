/** The float product's kernel. */
import type { DType } from "../../../numbers/dtype.ts";
import type { Kernel } from "./kernel.ts";
import { loader } from "./wgsl.ts";
import { type Epilogue, float32Step, matmul, type Step } from "./matmul.ts";
import type { Tile } from "./tile.ts";
import { RELU } from "./relu.ts";

const bfloat16Step: Step = {
  element: "vec4<u32>",
  accumulator: "f32",
  load: (name, from, at) =>
    `let ${name}_words = ${from}[${at}];
     let ${name}_even = bitcast<vec4<f32>>(${name}_words << vec4<u32>(16u));
     let ${name}_odd = bitcast<vec4<f32>>(${name}_words & vec4<u32>(0xffff0000u));`,
  endings: ["_even", "_odd"],
  product: (a, b) => `dot(${a}_even, ${b}_even) + dot(${a}_odd, ${b}_odd)`,
};

const float16Step: Step = {
  element: "vec4<u32>",
  accumulator: "f32",
  load: (name, from, at) =>
    `let ${name}_words = ${from}[${at}];
     let ${name}_low = vec4<f32>(unpack2x16float(${name}_words.x), unpack2x16float(${name}_words.y));
     let ${name}_high = vec4<f32>(unpack2x16float(${name}_words.z), unpack2x16float(${name}_words.w));`,
  endings: ["_low", "_high"],
  product: (a, b) => `dot(${a}_low, ${b}_low) + dot(${a}_high, ${b}_high)`,
};

/** One element at a time, for a K that does not fill vectors. */
const scalarStep: Step = {
  element: "u32",
  accumulator: "f32",
  load: (name, from, at) => `let ${name} = load_${from}(${at});`,
  product: (a, b) => `${a} * ${b}`,
};

/** What distinguishes float products from one another. */
export interface LinearSpec {
  /** Of `x` and of `w`. */
  readonly dtype: DType;
  readonly k: number;
  readonly bias: DType | undefined;
  readonly output: DType;
  /** Whether negative outputs become 0. */
  readonly relu?: boolean;
}

/** Elements in a vector along K: one, if K is no multiple of what a vector holds. */
function vectorLength({ dtype, k }: LinearSpec): number {
  const length = dtype.name === "float32" ? 4 : 8;
  return k % length === 0 ? length : 1;
}

/** Loads along K that the float product takes. */
export function linearSteps(spec: LinearSpec): number {
  return spec.k / vectorLength(spec);
}

/** The float product's kernel. */
export function linearKernel(spec: LinearSpec, tile: Tile): Kernel {
  const { dtype, bias, output, relu = false } = spec;
  const wide = dtype.name === "float32"
    ? float32Step
    : dtype.name === "bfloat16"
    ? bfloat16Step
    : float16Step;
  const vector = vectorLength(spec);
  const epilogue: Epilogue = {
    arrays: bias ? [["bias", "u32"]] : [],
    functions: (bias ? loader("bias", bias) : "") + (relu ? RELU : ""),
    shared: "",
    row: () => "",
    column: (j, n) => bias ? `let bias_${j} = load_bias(${n});` : "",
    value: (sum, _, j) => {
      const y = bias ? `${sum} + bias_${j}` : sum;
      return relu ? `relu(${y})` : y;
    },
  };
  return matmul({
    key: `linear ${dtype.name} ${vector} ${bias?.name} ${output.name} ${relu}`,
    step: vector === 1 ? scalarStep : wide,
    tile,
    epilogue,
    functions: vector === 1 ? loader("x", dtype) + loader("w", dtype) : "",
    output,
  });
}
