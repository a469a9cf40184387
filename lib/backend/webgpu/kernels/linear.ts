/** The float product's kernel. */
import type { DType } from "../../../numbers/dtype.ts";
import { RELU_CLIP } from "../../convolution.ts";
import { loader } from "./elements.ts";
import { floatEpilogue } from "./float_epilogue.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { matmul } from "./matmul.ts";
import { type Batch, float32Step, type KStep } from "./product.ts";
import type { Shader } from "./shader.ts";
import type { Tile } from "./tile.ts";

const bfloat16Step: KStep = {
  element: "vec4<u32>",
  accumulator: "f32",
  load: (name, from, at) =>
    `let ${name}_words = ${from}[${at}];
     let ${name}_even = bitcast<vec4<f32>>(${name}_words << vec4<u32>(16u));
     let ${name}_odd = bitcast<vec4<f32>>(${name}_words & vec4<u32>(0xffff0000u));`,
  endings: ["_even", "_odd"],
  product: (a, b) => `dot(${a}_even, ${b}_even) + dot(${a}_odd, ${b}_odd)`,
};

const float16Step: KStep = {
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
const scalarStep: KStep = {
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
  /** Dimensions of a batch of products, in which `x` and `w` may stand still; none by default. */
  readonly batch?: number;
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

/** What the kernel is made from: of K, how many elements a vector holds. */
interface TiledLinear extends Omit<LinearSpec, "k"> {
  readonly vector: number;
  readonly tile: Tile;
}

/** The float product's kernel. */
export function linearKernel(spec: LinearSpec, tile: Tile): Kernel {
  const { dtype, bias, output, relu = false, batch } = spec;
  const vector = vectorLength(spec);
  return kernel("linear", { dtype, vector, bias, output, relu, tile, batch }, linear);
}

/** Vectors of a float dtype. */
export function floatStep({ name }: DType): KStep {
  if (name === "float32") return float32Step;
  return name === "bfloat16" ? bfloat16Step : float16Step;
}

function linear(spec: TiledLinear): Shader {
  const { dtype, bias, output, relu, vector, tile, batch } = spec;
  return matmul({
    step: vector === 1 ? scalarStep : floatStep(dtype),
    tile,
    epilogue: floatEpilogue(bias, relu ? RELU_CLIP : undefined),
    functions: vector === 1 ? loader("x", dtype) + loader("w", dtype) : "",
    output,
    batch: batch === undefined ? undefined : batchOf(batch),
  });
}

/**
 * A batch of `rank` dimensions: the size of each, and what a step along it moves `x` and `w`; and in WGSL
 * the epilogue's first column for matrix `w_matrix`.
 */
export function batchOf(rank: number, firstColumn = "0u"): Batch {
  const dims = Array.from({ length: rank }, (_, d) => d).reverse();
  return {
    fields: dims.toReversed().flatMap((d) => [`size_${d}`, `x_stride_${d}`, `w_stride_${d}`]),
    begin: /* wgsl */ `
var rest = batch;
var x_matrix = 0u;
var w_matrix = 0u;
${
      dims.map((d) =>
        `x_matrix += rest % params.size_${d} * params.x_stride_${d};
w_matrix += rest % params.size_${d} * params.w_stride_${d};
rest /= params.size_${d};`
      ).join("\n")
    }
let x_begin = x_matrix * params.m * params.steps;
let w_begin = w_matrix * params.n * params.steps;
let y_begin = batch * params.m * params.n;
let first_column = ${firstColumn};`,
  };
}
