/**
 * The tiled product `y[m, n] = Σ_k x[m, k] · w[n, k]`, for floats and for packed bytes. An
 * invocation keeps a tile of outputs in registers and reads its rows of `x` and of `w` once a tile,
 * a vector of K at a time: 2·tile² multiply-adds for 2·tile loads.
 *
 * @module
 */
import type { DType } from "../../../tensor/dtype.ts";
import type { Kernel } from "../runtime.ts";
import {
  type ArrayBinding,
  bindings,
  CONVERSIONS,
  encoded,
  entry,
  loader,
  perWord,
} from "../wgsl.ts";

const WORKGROUP = 64;

/** Outputs that one invocation makes: rows of `x` by rows of `w`. `columns` is even. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
}

/** A tile for `m` rows: as many as there are, up to 8, so that few rows waste few lanes. */
export function chooseTile(m: number): Tile {
  const rows = m >= 8 ? 8 : m >= 4 ? 4 : m >= 2 ? 2 : 1;
  return { rows, columns: rows === 1 ? 4 : 8 };
}

/** Workgroups that cover an m × n output. */
export function matmulWorkgroups(m: number, n: number, tile: Tile): number {
  return Math.ceil(Math.ceil(m / tile.rows) * Math.ceil(n / tile.columns) / WORKGROUP);
}

/** How a step along K is loaded and multiplied. */
interface Step {
  /** Element type of the bindings `x` and `w`. */
  readonly element: string;
  readonly accumulator: "f32" | "i32";
  /** Declares `NAME…` from vector `at` of array `from`. */
  readonly load: (name: string, from: string, at: string) => string;
  /** The sum of products of two loaded vectors. */
  readonly product: (a: string, b: string) => string;
}

const COMPONENTS = ["x", "y", "z", "w"];

const packedStep: Step = {
  element: "vec4<u32>",
  accumulator: "i32",
  load: (name, from, at) => `let ${name} = ${from}[${at}];`,
  product: (a, b) => COMPONENTS.map((c) => `dot4I8Packed(${a}.${c}, ${b}.${c})`).join(" + "),
};

const float32Step: Step = {
  element: "vec4<f32>",
  accumulator: "f32",
  load: packedStep.load,
  product: (a, b) => `dot(${a}, ${b})`,
};

const bfloat16Step: Step = {
  element: "vec4<u32>",
  accumulator: "f32",
  load: (name, from, at) =>
    `let ${name}_words = ${from}[${at}];
     let ${name}_even = bitcast<vec4<f32>>(${name}_words << vec4<u32>(16u));
     let ${name}_odd = bitcast<vec4<f32>>(${name}_words & vec4<u32>(0xffff0000u));`,
  product: (a, b) => `dot(${a}_even, ${b}_even) + dot(${a}_odd, ${b}_odd)`,
};

const float16Step: Step = {
  element: "vec4<u32>",
  accumulator: "f32",
  load: (name, from, at) =>
    `let ${name}_words = ${from}[${at}];
     let ${name}_low = vec4<f32>(unpack2x16float(${name}_words.x), unpack2x16float(${name}_words.y));
     let ${name}_high = vec4<f32>(unpack2x16float(${name}_words.z), unpack2x16float(${name}_words.w));`,
  product: (a, b) => `dot(${a}_low, ${b}_low) + dot(${a}_high, ${b}_high)`,
};

/** One element at a time, for a K that does not fill vectors. */
const scalarStep: Step = {
  element: "u32",
  accumulator: "f32",
  load: (name, from, at) => `let ${name} = load_${from}(${at});`,
  product: (a, b) => `${a} * ${b}`,
};

/** What becomes of a sum before it is stored. Loads stand once a row or column, not once a sum. */
interface Epilogue {
  /** Bindings after `x` and `w`. */
  readonly arrays: readonly ArrayBinding[];
  readonly functions: string;
  /** Declarations that all outputs share. */
  readonly shared: string;
  /** Declarations for row `m`, under names that end in `i`. */
  readonly row: (i: number, m: string) => string;
  /** Declarations for column `n`, under names that end in `j`. */
  readonly column: (j: number, n: string) => string;
  /** The output, from what was declared. */
  readonly value: (sum: string, i: number, j: number) => string;
}

function matmul(
  key: string,
  step: Step,
  tile: Tile,
  epilogue: Epilogue,
  functions: string,
  output: DType,
): Kernel {
  const rows = Array.from({ length: tile.rows }, (_, i) => i);
  const columns = Array.from({ length: tile.columns }, (_, j) => j);
  const lines = (numbers: number[], line: (i: number) => string) => numbers.map(line).join("\n");
  const pair = perWord(output) === 2;
  const store = (i: number, j: number) => {
    const at = `(m0 + ${i}u) * params.n + n0 + ${j}u`;
    const bits = (j: number) => encoded(output, epilogue.value(`acc_${i}_${j}`, i, j));
    if (!pair) return `if (n0 + ${j}u < params.n) { y[${at}] = ${bits(j)}; }`;
    if (j % 2) return "";
    return `if (n0 + ${j}u < params.n) { y[(${at}) >> 1u] = ${bits(j)} | (${
      bits(j + 1)
    } << 16u); }`;
  };
  return {
    key: `${key} ${tile.rows}x${tile.columns}`,
    wgsl: () =>
      bindings(
        [["x", step.element], ["w", step.element], ...epilogue.arrays, ["y", "u32", "read_write"]],
        ["m", "n", "k", "steps"],
      ) + CONVERSIONS + functions + epilogue.functions + entry(WORKGROUP) + /* wgsl */ `
  let tiles = (params.n + ${tile.columns - 1}u) / ${tile.columns}u;
  let number = index * ${WORKGROUP}u + lane;
  let m0 = number / tiles * ${tile.rows}u;
  let n0 = number % tiles * ${tile.columns}u;
  if (m0 >= params.m) { return; }
  ${lines(rows, (i) => `let m_${i} = min(m0 + ${i}u, params.m - 1u);`)}
  ${lines(columns, (j) => `let n_${j} = min(n0 + ${j}u, params.n - 1u);`)}
  ${lines(rows, (i) => `let x_${i} = m_${i} * params.steps;`)}
  ${lines(columns, (j) => `let w_${j} = n_${j} * params.steps;`)}
  ${lines(rows, (i) => lines(columns, (j) => `var acc_${i}_${j} = ${step.accumulator}();`))}
  for (var s = 0u; s < params.steps; s++) {
    ${lines(rows, (i) => step.load(`a${i}`, "x", `x_${i} + s`))}
    ${
        lines(columns, (j) =>
          `{ ${step.load("b", "w", `w_${j} + s`)}
             ${lines(rows, (i) => `acc_${i}_${j} += ${step.product(`a${i}`, "b")};`)} }`)
      }
  }
  ${epilogue.shared}
  ${lines(rows, (i) => epilogue.row(i, `m_${i}`))}
  ${lines(columns, (j) => epilogue.column(j, `n_${j}`))}
  ${lines(rows, (i) => `if (m0 + ${i}u < params.m) { ${lines(columns, (j) => store(i, j))} }`)}
}`,
  };
}

/** The float product's kernel, and how many loads along K it takes. */
export function linearKernel(
  dtype: DType,
  k: number,
  bias: DType | undefined,
  output: DType,
  tile: Tile,
): { kernel: Kernel; steps: number } {
  const wide = dtype.name === "float32"
    ? float32Step
    : dtype.name === "bfloat16"
    ? bfloat16Step
    : float16Step;
  const vector = dtype.name === "float32" ? 4 : 8;
  const step = k % vector === 0 ? wide : scalarStep;
  const epilogue: Epilogue = {
    arrays: bias ? [["bias", "u32"]] : [],
    functions: bias ? loader("bias", bias) : "",
    shared: "",
    row: () => "",
    column: (j, n) => bias ? `let bias_${j} = load_bias(${n});` : "",
    value: (sum, _, j) => bias ? `${sum} + bias_${j}` : sum,
  };
  return {
    kernel: matmul(
      `linear ${dtype.name} ${step === scalarStep ? 1 : vector} ${bias?.name} ${output.name}`,
      step,
      tile,
      epilogue,
      step === scalarStep ? loader("x", dtype) + loader("w", dtype) : "",
      output,
    ),
    steps: step === scalarStep ? k : k / vector,
  };
}

/** What distinguishes integer products from one another. */
export interface PackedLinearSpec {
  /** What was subtracted from the unsigned bytes of `x` and of `w`. */
  readonly xOffset: number;
  readonly wOffset: number;
  /** Whether `w` has a scale and zero point for every row, or one for all. */
  readonly perRow: boolean;
  readonly bias: DType | undefined;
  readonly output: DType;
}

/** The integer product's kernel: exact sums of bytes, zero points taken out, scales and bias. */
export function packedLinearKernel(spec: PackedLinearSpec, tile: Tile): Kernel {
  const { xOffset, wOffset, perRow, bias, output } = spec;
  const exact = !output.isFloat;
  const epilogue: Epilogue = {
    arrays: [
      ["x_sums", "i32"],
      ["w_sums", "i32"],
      ["x_zero_point", "f32"],
      ["w_zero_point", "f32"],
      ...(exact ? [] : [["x_scale", "f32"], ["w_scale", "f32"]] as const),
      ...(bias ? [["bias", "u32"]] as const : []),
    ],
    functions: bias ? loader("bias", bias) : "",
    shared: `let zx = i32(x_zero_point[0]) - ${xOffset};` +
      (exact ? "" : "let scale = x_scale[0];"),
    row: (i, m) => `let row_${i} = x_sums[${m}] - i32(params.k) * zx;`,
    column: (j, n) => {
      const param = perRow ? n : "0u";
      return `let zw_${j} = i32(w_zero_point[${param}]) - ${wOffset};
        let column_${j} = zx * w_sums[${n}];` +
        (exact ? "" : `let scale_${j} = scale * w_scale[${param}];`) +
        (bias ? `let bias_${j} = load_bias(${n});` : "");
    },
    value: (sum, i, j) => {
      const acc = `(${sum} - column_${j} - zw_${j} * row_${i})`;
      if (exact) return acc;
      return `f32${acc} * scale_${j}${bias ? ` + bias_${j}` : ""}`;
    },
  };
  return matmul(
    `packed linear ${xOffset} ${wOffset} ${perRow} ${bias?.name} ${output.name}`,
    packedStep,
    tile,
    epilogue,
    "",
    output,
  );
}
