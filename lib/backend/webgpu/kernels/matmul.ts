/**
 * The tiled product `y[m, n] = Σ_k x[m, k] · w[n, k]`, for floats, for packed integers and for floats
 * by packed integers. An invocation keeps a tile of outputs in registers and reads its rows of `x`
 * and of `w` once a tile, a vector of K at a time: 2·tile² multiply-adds for 2·tile loads.
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
  subgroupEntry,
} from "../wgsl.ts";
import { LOW_NIBBLES } from "./pack_nibbles.ts";

const WORKGROUP = 64;

/** Outputs that one invocation makes: rows of `x` by rows of `w`. `columns` is even. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  /**
   * Lanes of a subgroup that share the rows of `x`: each loads `rows / lanes` of them and broadcasts
   * them to the others. 1 if every invocation loads for itself.
   */
  readonly lanes: number;
}

/**
 * A tile for an m × n output: as many rows as there are, up to a limit, so that few rows waste few
 * lanes. With subgroups of a known size rows are shared, which saves most of their loads.
 */
export function chooseTile(m: number, n: number, subgroup: number): Tile {
  if (subgroup === 8 && m >= 8) {
    const rows = m >= 32 ? 32 : m >= 16 ? 16 : 8;
    return { rows, columns: rows === 8 && n > 64 ? 8 : n > 16 ? 4 : 2, lanes: 8 };
  }
  const rows = m >= 8 ? 8 : m >= 4 ? 4 : m >= 2 ? 2 : 1;
  return { rows, columns: rows === 1 ? 4 : 8, lanes: 1 };
}

/** Workgroups that cover an m × n output: of one subgroup if its lanes share rows. */
export function matmulWorkgroups(m: number, n: number, { rows, columns, lanes }: Tile): number {
  const tiles = Math.ceil(m / rows) * Math.ceil(n / (columns * lanes));
  return lanes > 1 ? tiles : Math.ceil(tiles / WORKGROUP);
}

/**
 * How a step along K is loaded and multiplied. A step reads one vector of `w`, and of `x` as many
 * as hold the elements that are packed into it.
 */
interface Step {
  /** Element type of the bindings `x` and `w`. */
  readonly element: string;
  /** Element type of `w`, where it is another. */
  readonly weight?: string;
  readonly accumulator: "f32" | "i32";
  /** Declares `NAME…` from vector `at` of array `from`. */
  readonly load: (name: string, from: string, at: string) => string;
  /** What the declared names end in; one name without an ending by default. */
  readonly endings?: readonly string[];
  /** Vectors of `x` to one of `w`; 1 by default. */
  readonly parts?: number;
  /** Declares `bJ`, part `p` of the vector of `w` in column `j`, which is loaded as `wide_j`. */
  readonly unpack?: (j: number, p: number) => string;
  /** The sum of products of two loaded vectors. */
  readonly product: (a: string, b: string) => string;
}

/** Sums over groups of K that are scaled one by one. */
interface Groups {
  /** Whether there may be more than one; if not, sums are left as they are. */
  readonly several: boolean;
  /** Declarations for column `n` and group `g`, under names that end in `j`. */
  readonly begin: (j: number, n: string) => string;
  /**
   * What a group adds, from its sum; null if products are scaled already and need no sum of their
   * own, which would take as many registers again.
   */
  readonly scaled: ((sum: string, i: number, j: number) => string) | null;
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
  groups?: Groups,
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
  const { parts = 1, endings = [""], unpack } = step;
  const fold = groups?.several ? groups.scaled : null;
  const sum = fold ? "part" : "acc";
  const declare = (name: string, type: string) =>
    lines(rows, (i) => lines(columns, (j) => `var ${name}_${i}_${j} = ${type}();`));
  const each = (count: number) => Array.from({ length: count }, (_, i) => i);
  const multiply = (i: number, j: number) =>
    `${sum}_${i}_${j} += ${step.product(`a${i}`, `b${j}`)};`;
  const loadRow = (name: string, row: string, p: number) =>
    step.load(name, "x", unpack ? `${row} + s * ${parts}u + ${p}u` : `${row} + s`);
  const loadColumn = (j: number, p: number) =>
    unpack ? unpack(j, p) : step.load(`b${j}`, "w", `w_${j} + s`);
  // Whoever loads the rows keeps them and streams the columns; where rows are shared, the columns
  // are kept and each row is broadcast when its turn comes.
  const multiplyAll = (p: number) =>
    tile.lanes === 1
      ? lines(rows, (i) => loadRow(`a${i}`, `x_${i}`, p)) +
        lines(columns, (j) => `{ ${loadColumn(j, p)} ${lines(rows, (i) => multiply(i, j))} }`)
      : lines(each(tile.rows / tile.lanes), (q) => loadRow(`own${q}`, `x_${q}`, p)) +
        lines(columns, (j) => loadColumn(j, p)) +
        lines(rows, (i) => {
          const own = `own${Math.floor(i / tile.lanes)}`;
          const broadcasts = endings.map((ending) =>
            `let a${i}${ending} = subgroupBroadcast(${own}${ending}, ${i % tile.lanes}u);`
          );
          return `{ ${broadcasts.join(" ")} ${lines(columns, (j) => multiply(i, j))} }`;
        });
  // A vector of `w` with many parts is loaded once, for all columns, before its parts meet `x`.
  const body = unpack
    ? lines(columns, (j) => `let wide_${j} = w[w_${j} + s];`) +
      lines(each(parts), (p) => `{ ${multiplyAll(p)} }`)
    : multiplyAll(0);
  const loop = `for (var s = ${groups?.several ? "g * params.steps" : "0u"}; s < ${
    groups?.several ? "(g + 1u) * params.steps" : "params.steps"
  }; s++) { ${body} }`;
  const begin = groups ? lines(columns, (j) => groups.begin(j, `n_${j}`)) : "";
  const loops = !groups?.several ? begin + loop : `
  for (var g = 0u; g < params.groups; g++) {
    ${begin}
    ${fold ? declare("part", step.accumulator) : ""}
    ${loop}
    ${
    fold
      ? lines(
        rows,
        (i) => lines(columns, (j) => `acc_${i}_${j} += ${fold(`part_${i}_${j}`, i, j)};`),
      )
      : ""
  }
  }`;
  return {
    key: `${key} ${tile.rows}x${tile.columns}x${tile.lanes}`,
    wgsl: () =>
      bindings(
        [
          ["x", step.element],
          ["w", step.weight ?? step.element],
          ...epilogue.arrays,
          ["y", "u32", "read_write"],
        ],
        ["m", "n", "k", "steps", ...(groups ? ["x_steps", "groups"] : [])],
      ) + CONVERSIONS + functions + epilogue.functions +
      (tile.lanes === 1 ? entry(WORKGROUP) : subgroupEntry(tile.lanes)) + /* wgsl */ `
  ${
        tile.lanes === 1
          ? `
  let tiles = (params.n + ${tile.columns - 1}u) / ${tile.columns}u;
  let number = index * ${WORKGROUP}u + lane;
  let m0 = number / tiles * ${tile.rows}u;
  let n0 = number % tiles * ${tile.columns}u;`
          : `
  let tiles = (params.n + ${tile.columns * tile.lanes - 1}u) / ${tile.columns * tile.lanes}u;
  let m0 = index / tiles * ${tile.rows}u;
  let n0 = (index % tiles * ${tile.lanes}u + lane) * ${tile.columns}u;`
      }
  if (m0 >= params.m) { return; }
  ${lines(rows, (i) => `let m_${i} = min(m0 + ${i}u, params.m - 1u);`)}
  ${lines(columns, (j) => `let n_${j} = min(n0 + ${j}u, params.n - 1u);`)}
  ${
        lines(
          each(tile.rows / tile.lanes),
          (q) =>
            `let x_${q} = ${
              tile.lanes === 1 ? `m_${q}` : `min(m0 + ${q * tile.lanes}u + lane, params.m - 1u)`
            } * params.${groups ? "x_steps" : "steps"};`,
        )
      }
  ${
        lines(
          columns,
          (j) => `let w_${j} = n_${j} * params.steps${groups?.several ? " * params.groups" : ""};`,
        )
      }
  ${declare("acc", groups?.several ? "f32" : step.accumulator)}
  ${epilogue.shared}
  ${loops}
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

/** Where a scale or a zero point of `w` stands: one for all, one a row, or one a group of each row. */
export type ParamKind = "one" | "row" | "group";

function paramIndex(kind: ParamKind, n: string): string {
  return kind === "one" ? "0u" : kind === "row" ? n : `${n} * params.groups + g`;
}

/** What distinguishes integer products from one another. */
export interface PackedLinearSpec {
  /** What was subtracted from the elements of `x` and of `w`. */
  readonly xOffset: number;
  readonly wOffset: number;
  /** Whether `x` has a scale (and zero point) for every row, or one for all. */
  readonly xPerRow: boolean;
  /** How many scales (and zero points) `w` has. */
  readonly wParams: ParamKind;
  /** Whether there are zero points; where there are none they are 0. */
  readonly xZeroPoint: boolean;
  readonly wZeroPoint: boolean;
  readonly bias: DType | undefined;
  readonly output: DType;
}

/** An integer expression for a zero point as stored, or null where that is 0. */
function zeroPoint(from: string, given: boolean, offset: number, at: string): string | null {
  if (given) return `i32(${from}[${at}]) - (${offset})`;
  return offset === 0 ? null : `i32(${-offset})`;
}

/** The bindings that an integer product reads besides `x` and `w`, in order. */
function packedArrays(spec: PackedLinearSpec, xSums: boolean, wSums: boolean): ArrayBinding[] {
  const { xZeroPoint, wZeroPoint, bias, output } = spec;
  const when = (used: boolean, name: string, type: string): ArrayBinding[] =>
    used ? [[name, type]] : [];
  return [
    ...when(xSums, "x_sums", "i32"),
    ...when(wSums, "w_sums", "i32"),
    ...when(xZeroPoint, "x_zero_point", "f32"),
    ...when(wZeroPoint, "w_zero_point", "f32"),
    ...when(output.isFloat, "x_scale", "f32"),
    ...when(output.isFloat, "w_scale", "f32"),
    ...when(bias !== undefined, "bias", "u32"),
  ];
}

/** A kernel, and which of the sums of its operands it binds. */
export interface IntegerKernel {
  readonly kernel: Kernel;
  readonly xSums: boolean;
  readonly wSums: boolean;
}

/** The product's kernel for bytes: exact sums, zero points taken out, scales and bias. */
export function packedLinearKernel(spec: PackedLinearSpec, tile: Tile): IntegerKernel {
  const { xOffset, wOffset, xPerRow, wParams, bias, output } = spec;
  const exact = !output.isFloat;
  const zx = (at: string) => zeroPoint("x_zero_point", spec.xZeroPoint, xOffset, at);
  const zw = (at: string) => zeroPoint("w_zero_point", spec.wZeroPoint, wOffset, at);
  const xCorrected = zx("") !== null;
  const wCorrected = zw("") !== null;
  const epilogue: Epilogue = {
    arrays: packedArrays(spec, wCorrected, xCorrected),
    functions: bias ? loader("bias", bias) : "",
    shared: xPerRow
      ? ""
      : (xCorrected ? `let zx = ${zx("0u")};` : "") + (exact ? "" : "let scale = x_scale[0];"),
    row: (i, m) => {
      const corrected = xCorrected ? ` - i32(params.k) * zx_${i}` : "";
      return (xCorrected ? `let zx_${i} = ${xPerRow ? zx(m) : "zx"};` : "") +
        (wCorrected ? `let row_${i} = x_sums[${m}]${corrected};` : "") +
        (exact ? "" : `let x_scale_${i} = ${xPerRow ? `x_scale[${m}]` : "scale"};`);
    },
    column: (j, n) => {
      const param = paramIndex(wParams, n);
      return (wCorrected ? `let zw_${j} = ${zw(param)};` : "") +
        (xCorrected ? `let column_${j} = w_sums[${n}];` : "") +
        (exact ? "" : `let w_scale_${j} = w_scale[${param}];`) +
        (bias ? `let bias_${j} = load_bias(${n});` : "");
    },
    value: (sum, i, j) => {
      const acc = `(${sum}${xCorrected ? ` - zx_${i} * column_${j}` : ""}${
        wCorrected ? ` - zw_${j} * row_${i}` : ""
      })`;
      if (exact) return acc;
      return `f32${acc} * (x_scale_${i} * w_scale_${j})${bias ? ` + bias_${j}` : ""}`;
    },
  };
  const key = `packed linear ${specKey(spec)}`;
  const kernel = matmul(key, packedStep, tile, epilogue, "", output);
  return { kernel, xSums: wCorrected, wSums: xCorrected };
}

function specKey(spec: PackedLinearSpec): string {
  const { bias, output, ...rest } = spec;
  return `${Object.values(rest).join(" ")} ${bias?.name} ${output.name}`;
}

/** The four low (0) or high (1) nibbles of a word as bytes, the zero point taken out if there is one. */
function nibbleBytes(word: string, half: number, zero: string | null): string {
  const bytes = `((${half ? `(${word} >> 4u)` : word}) & ${LOW_NIBBLES})`;
  // A byte is at most 15 and a zero point at most 128, so with the top bit set none borrows.
  return zero === null ? bytes : `(((${bytes} | 0x80808080u) - ${zero}) ^ 0x80808080u)`;
}

/** Declares `zero_j`, a nibble's zero point in each byte of a word. */
function spreadZeroPoint(j: number, zero: string | null): string {
  return zero === null ? "" : `let zero_${j} = bitcast<u32>(${zero}) * 0x01010101u;`;
}

/**
 * The product's kernel for bytes of `x` and nibbles of `w`. Zero points of `w` are taken out of the
 * nibbles in registers. `ragged` says that the last vector of `w` may have but half its `x`.
 */
export function nibbleLinearKernel(
  spec: PackedLinearSpec,
  tile: Tile,
  ragged: boolean,
): IntegerKernel {
  const { xOffset, wOffset, xPerRow, wParams, bias, output } = spec;
  const exact = !output.isFloat;
  const several = wParams === "group";
  const zx = (at: string) => zeroPoint("x_zero_point", spec.xZeroPoint, xOffset, at);
  const zw = (at: string) => zeroPoint("w_zero_point", spec.wZeroPoint, wOffset, at);
  const xCorrected = zx("") !== null;
  const wCorrected = zw("") !== null;
  const step: Step = {
    ...packedStep,
    parts: 2,
    load: (name, from, at) =>
      ragged && at.endsWith("1u")
        ? `var ${name} = vec4<u32>(); if (s * 2u + 1u < params.x_steps) { ${name} = ${from}[${at}]; }`
        : packedStep.load(name, from, at),
    unpack: (j, p) => {
      const words = [`wide_${j}.${COMPONENTS[2 * p]}`, `wide_${j}.${COMPONENTS[2 * p + 1]}`];
      const zero = wCorrected ? `zero_${j}` : null;
      return `let b${j} = vec4<u32>(${
        words.flatMap((word) => [0, 1].map((half) => nibbleBytes(word, half, zero))).join(", ")
      });`;
    },
  };
  const corrected = (sum: string, i: number, j: number) =>
    xCorrected ? `(${sum} - zx_${i} * column_${j})` : `(${sum})`;
  const groups: Groups = {
    several,
    begin: (j, n) => {
      const param = paramIndex(wParams, n);
      const size = several ? "params.steps * 32u" : "params.k";
      const sums = `w_sums[${several ? param : n}]`;
      const zero = wCorrected ? ` - i32(${size}) * zw_${j}` : "";
      return (wCorrected ? `let zw_${j} = ${zw(param)};` : "") +
        spreadZeroPoint(j, wCorrected ? `zw_${j}` : null) +
        (xCorrected ? `let column_${j} = ${sums}${zero};` : "") +
        (exact ? "" : `let w_scale_${j} = w_scale[${param}];`);
    },
    scaled: (sum, i, j) => `f32${corrected(sum, i, j)} * w_scale_${j}`,
  };
  const epilogue: Epilogue = {
    arrays: packedArrays(spec, false, xCorrected),
    functions: bias ? loader("bias", bias) : "",
    shared: xPerRow ? "" : xCorrected ? `let zx = ${zx("0u")};` : "",
    row: (i, m) => exact ? "" : `let x_scale_${i} = x_scale[${xPerRow ? m : "0"}];`,
    column: (j, n) => bias ? `let bias_${j} = load_bias(${n});` : "",
    value: (sum, i, j) => {
      if (exact) return corrected(sum, i, j);
      const product = several
        ? `${sum} * x_scale_${i}`
        : `f32${corrected(sum, i, j)} * (x_scale_${i} * w_scale_${j})`;
      return product + (bias ? ` + bias_${j}` : "");
    },
  };
  const rowZeroPoints = Array.from(
    { length: xCorrected ? tile.rows : 0 },
    (_, i) => `let zx_${i} = ${xPerRow ? zx(`m_${i}`) : "zx"};`,
  );
  const kernel = matmul(
    `nibble linear ${specKey(spec)} ${ragged}`,
    step,
    tile,
    { ...epilogue, shared: epilogue.shared + rowZeroPoints.join("") },
    "",
    output,
    groups,
  );
  return { kernel, xSums: false, wSums: xCorrected };
}

/** What distinguishes weight-only products from one another. */
export interface WeightOnlySpec {
  readonly bits: 4 | 8;
  /** What was subtracted from the elements of `w`. */
  readonly offset: number;
  readonly params: ParamKind;
  readonly scale: DType;
  readonly zeroPoint: DType | undefined;
  readonly bias: DType | undefined;
  readonly output: DType;
}

/**
 * The product's kernel for a float32 `x` and packed integers of `w`, which become floats in
 * registers. Bindings after `x` and `w`: scales, zero points if any, bias if any.
 */
export function weightOnlyKernel(spec: WeightOnlySpec, tile: Tile): Kernel {
  const { bits, offset, params, scale, bias, output } = spec;
  const several = params === "group";
  const zero = (at: string) =>
    spec.zeroPoint
      ? `i32(load_zero_point(${at})) - (${offset})`
      : offset === 0
      ? null
      : `i32(${-offset})`;
  const corrected = zero("") !== null;
  // With many rows to share it, a scaled weight is cheaper than a second set of sums.
  const early = several && tile.rows > 2;
  const scaled = (j: number) => early ? ` * scale_${j}` : "";
  const step: Step = {
    ...float32Step,
    weight: "vec4<u32>",
    parts: 32 / bits,
    unpack: (j, p) => {
      if (bits === 8) {
        const bytes = `vec4<f32>(unpack4xI8(wide_${j}.${COMPONENTS[p]}))`;
        return `let b${j} = ${corrected ? `(${bytes} - zero_${j})` : bytes}${scaled(j)};`;
      }
      const nibbles = nibbleBytes(
        `wide_${j}.${COMPONENTS[p >> 1]}`,
        p & 1,
        corrected ? `zero_${j}` : null,
      );
      return `let b${j} = vec4<f32>(unpack4xI8(${nibbles}))${scaled(j)};`;
    },
  };
  const groups: Groups = {
    several,
    begin: (j, n) => {
      const at = paramIndex(params, n);
      const stored = zero(at);
      return (bits === 4
        ? spreadZeroPoint(j, stored)
        : corrected
        ? `let zero_${j} = vec4<f32>(f32(${stored}));`
        : "") +
        `let scale_${j} = load_scale(${at});`;
    },
    scaled: early ? null : (sum, _, j) => `${sum} * scale_${j}`,
  };
  const epilogue: Epilogue = {
    arrays: [
      ["scale", "u32"],
      ...(spec.zeroPoint ? [["zero_point", "u32"]] as const : []),
      ...(bias ? [["bias", "u32"]] as const : []),
    ],
    functions: loader("scale", scale) +
      (spec.zeroPoint ? loader("zero_point", spec.zeroPoint) : "") +
      (bias ? loader("bias", bias) : ""),
    shared: "",
    row: () => "",
    column: (j, n) => bias ? `let bias_${j} = load_bias(${n});` : "",
    value: (sum, _, j) => (several ? sum : `${sum} * scale_${j}`) + (bias ? ` + bias_${j}` : ""),
  };
  const names = [scale, spec.zeroPoint, bias, output].map((dtype) => dtype?.name);
  return matmul(
    `weight only ${bits} ${offset} ${params} ${names.join(" ")}`,
    step,
    tile,
    epilogue,
    "",
    output,
    groups,
  );
}
