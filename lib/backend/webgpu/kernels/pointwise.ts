/**
 * The kernel of any expression. An invocation makes four neighbouring elements, so that those of inputs
 * that lie as the output does are read, and those of the output written, as one vector; what repeats
 * by broadcasting is read at its own place.
 */
import { bool, type DType } from "../../../numbers/dtype.ts";
import {
  type Argument,
  type Expression,
  kindOf,
  kindOfArgument,
  kindsOf,
  last,
  tablesOf,
  wordsOf,
} from "../../expression.ts";
import type { Walk } from "../../strides.ts";
import { decoded, encoded, loader } from "./elements.ts";
import { applied, helpers } from "./functions.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { ArrayBinding, Shader } from "./shader.ts";
import { tableBinding, tableLoader } from "./table.ts";

const WORKGROUP = 64;
const PARTS = ["x", "y", "z", "w"];

/** Workgroups for `numel` elements. */
export function pointwiseWorkgroups(numel: number): number {
  return Math.ceil(numel / 4 / WORKGROUP);
}

/**
 * How an input lies beside the output: a letter for each dimension that they are walked along; empty if
 * it lies as the output does.
 */
type Pattern = string;

/**
 * `0` where it repeats, `1` where neighbours are neighbours, else `s`; `v` for the last dimension if four
 * neighbours of the output are a vector of the input. `+` before them if the input begins further on.
 */
function patternOf({ sizes, strides, offsets }: Walk, n: number): Pattern {
  const own = strides[n];
  const offset = offsets?.[n] ?? 0;
  if (sizes.length === 1 && own[0] === 1 && offset === 0) return "";
  const letters = own.map((stride) => stride === 0 || stride === 1 ? String(stride) : "s");
  const vectors = [...own.slice(0, -1), sizes.at(-1)!, offset].every((count) => count % 4 === 0);
  if (own.at(-1) === 1 && vectors) letters[letters.length - 1] = "v";
  return (offset ? "+" : "") + letters.join("");
}

/** What distinguishes kernels of expressions. */
interface Pointwise {
  readonly words: string;
  readonly steps: Expression["steps"];
  /** How many constants there are. */
  readonly constants: number;
  readonly inputs: readonly DType[];
  readonly patterns: readonly Pattern[];
  /** Whether four neighbours of the output never straddle the last dimension. */
  readonly whole: boolean;
  readonly output: DType;
  readonly rows: Rows;
}

/** What is to be known of results and inputs that have their channels last. */
interface Rows {
  /** Whether the bytes of each input, and those of the result, lie there less 128. */
  readonly shifted: readonly boolean[];
  /** Whether the result's rows are filled up with zeros. */
  readonly filledUp: boolean;
}

/**
 * The kernel over a walk. Its parameters are the vectors of the result, the length of its rows and the
 * channels in them if they are filled up, constants, and {@linkcode walkParams}.
 */
export function pointwiseKernel(
  expression: Expression,
  inputs: readonly DType[],
  walk: Walk,
  output: DType,
  rows: Rows = { shifted: [], filledUp: false },
): Kernel {
  const patterns = walk.strides.map((_, n) => patternOf(walk, n));
  const whole = walk.sizes.at(-1)! % 4 === 0;
  const { steps, constants } = expression;
  const spec = { steps, constants: constants.length, inputs, patterns, whole, output, rows };
  return kernel("pointwise", { words: wordsOf(expression), ...spec }, pointwise);
}

/** The words after the constants: sizes of the dimensions but the first, strides and offsets. */
export function walkParams({ sizes, strides, offsets = [] }: Walk): number[] {
  const apart = strides.flat().filter((stride) => stride !== 0 && stride !== 1);
  const begins = offsets.filter((offset) => offset !== 0);
  // Negative strides count backwards as they wrap around.
  return [...sizes.slice(1), ...apart, ...begins].map((word) => word >>> 0);
}

/** The fields of these words. */
function walkFields(patterns: readonly Pattern[], rank: number): string[] {
  const letters = patterns.map((pattern) => pattern.replace("+", ""));
  return [
    ...Array.from({ length: rank - 1 }, (_, d) => `size${d + 1}`),
    ...letters.flatMap((pattern, n) =>
      [...pattern].flatMap((letter, d) => letter === "s" ? [`stride${n}_${d}`] : [])
    ),
    ...patterns.flatMap((pattern, n) => pattern.startsWith("+") ? [`offset${n}`] : []),
  ];
}

/** `fn at_xN(i)`, the place in an input of output element `i`. */
function placeFunction(n: number, pattern: Pattern): string {
  const letters = pattern.replace("+", "");
  const lines: string[] = [];
  for (let d = letters.length - 1; d >= 0; d--) {
    const outer = d > 0 ? `let outer${d} = rest / params.size${d};` : "";
    const coordinate = d > 0 ? `(rest - outer${d} * params.size${d})` : "rest";
    const stride = letters[d] === "s" ? ` * params.stride${n}_${d}` : "";
    const needed = /[^0]/.test(letters.slice(0, d));
    if (letters[d] !== "0" || needed) lines.push(outer);
    if (letters[d] !== "0") lines.push(`place += ${coordinate}${stride};`);
    if (!needed) break;
    lines.push(`rest = outer${d};`);
  }
  const begin = pattern.startsWith("+") ? `params.offset${n}` : "0u";
  return /* wgsl */ `
fn at_x${n}(i: u32) -> u32 {
  var rest = i; var place = ${begin};
  ${lines.join("\n")}
  return place;
}
`;
}

/** Element `e` of four, in words that hold one, two or four. */
function part(vector: string, dtype: DType, e: number): string {
  if (dtype.itemSize === 4) return `${vector}.${PARTS[e]}`;
  const word = dtype.itemSize === 2 ? `${vector}.${PARTS[e >> 1]}` : vector;
  const bits = 8 * dtype.itemSize;
  return `extractBits(${word}, ${bits * e % 32}u, ${bits}u)`;
}

const fourOf = (dtype: DType) => ["u32", "vec2<u32>", "", "vec4<u32>"][dtype.itemSize - 1];

/** Four results as words. */
function joined(dtype: DType): string {
  if (dtype.itemSize === 4) return "vec4<u32>(r0, r1, r2, r3)";
  if (dtype.itemSize === 2) return "vec2<u32>(r0 | (r1 << 16u), r2 | (r3 << 16u))";
  return "r0 | (r1 << 8u) | (r2 << 16u) | (r3 << 24u)";
}

/** `fn value(x0, x1, …) -> u32`, the bits of the expression's value. */
function valueFunction({ steps, constants, inputs, output }: Pointwise): string {
  const expression = { steps, constants: new Array(constants).fill(0) };
  const kinds = kindsOf(expression, inputs);
  const text = (argument: Argument) => {
    const [sort, number] = [argument[0], argument.slice(1)];
    if (sort === "f") return `bitcast<f32>(params.constant${number})`;
    return sort === "i" ? `bitcast<i32>(params.constant${number})` : argument;
  };
  const lines = steps.map(([name, ...args], s) =>
    `let t${s} = ${
      applied(name, kindOfArgument(args.at(-1)!, inputs, kinds.slice(0, s)), args.map(text))
    };`
  );
  const result = last(expression);
  const value = output === bool ? `select(0, 1, ${result} != 0)` : wrapped(output, result);
  const args = walked({ inputs, steps }).map((n) =>
    `x${n}: ${kindOf(inputs[n]) === "float" ? "f32" : "i32"}`
  );
  return `fn value(${args.join(", ")}) -> u32 {
${lines.join("\n")}
return ${encoded(output, value)};
}
`;
}

/** The inputs that are read element by element, not looked up in. */
function walked({ inputs, steps }: Pick<Pointwise, "inputs" | "steps">): number[] {
  const tables = tablesOf({ steps, constants: [] });
  return inputs.map((_, n) => n).filter((n) => !tables.has(n));
}

/** An i32 wrapped around into a dtype narrower than a byte; what is wider is cut off as it is stored. */
function wrapped({ isFloat, itemSize, min, max }: DType, value: string): string {
  const count = max - min + 1;
  if (isFloat || count === 2 ** (8 * itemSize)) return value;
  return `(((${value} - (${min})) & ${count - 1}) + (${min}))`;
}

/** How a kernel reads an input: how it is bound, what comes first, and each of four elements. */
interface Reading {
  readonly binding: ArrayBinding;
  readonly functions: string;
  readonly before: string;
  readonly part: (e: number) => string;
}

/** Takes 128 from each byte of a word, or adds it. */
const SHIFT = " ^ 0x80808080u";

function readingOf({ patterns, inputs, whole, rows }: Pointwise, n: number): Reading {
  const [pattern, dtype, x] = [patterns[n], inputs[n], `x${n}`];
  const shift = rows.shifted[n] ? SHIFT : "";
  const load = `load_${kindOf(dtype) === "int" ? "int_" : ""}x${n}`;
  const vector = (e: number) => decoded(dtype, part(`v${n}`, dtype, e));
  if (pattern === "") {
    const before = `let v${n} = x${n}[at]${shift};`;
    return { binding: [x, fourOf(dtype)], functions: "", before, part: vector };
  }
  const place = placeFunction(n, pattern);
  const letter = pattern.at(-1);
  if (letter === "v") {
    const before = `let v${n} = x${n}[at_x${n}(i) >> 2u]${shift};`;
    return { binding: [x, fourOf(dtype)], functions: place, before, part: vector };
  }
  const word = `x${n}[i >> 2u]`;
  const functions = loader(`x${n}`, dtype).replaceAll(word, `(${word}${shift})`) + place;
  const same = /^0+$/.test(pattern) || (whole && letter === "0");
  if (same) {
    const before = `let v${n} = ${load}(at_x${n}(i));`;
    return { binding: [x, "u32"], functions, before, part: () => `v${n}` };
  }
  if (!whole) {
    const at = (e: number) => `${load}(at_x${n}(i + ${e}u))`;
    return { binding: [x, "u32"], functions, before: "", part: at };
  }
  const stride = letter === "s"
    ? ` * params.stride${n}_${pattern.replace("+", "").length - 1}`
    : "";
  return {
    binding: [x, "u32"],
    functions,
    before: `let p${n} = at_x${n}(i);`,
    part: (e) => `${load}(p${n} + ${e}u${stride})`,
  };
}

/** How a kernel reads a table: at whatever place. */
function tableOf(n: number, dtype: DType): Reading {
  const [binding, functions] = [tableBinding(`x${n}`, dtype), tableLoader(`x${n}`, dtype)];
  return { binding, functions, before: "", part: () => "" };
}

function pointwise(spec: Pointwise): Shader {
  const { inputs, patterns, output, constants, rows } = spec;
  const rank = Math.max(1, ...patterns.map((pattern) => pattern.replace("+", "").length));
  const value = valueFunction(spec);
  const elements = walked(spec);
  const readings = inputs.map((dtype, n) =>
    elements.includes(n) ? readingOf(spec, n) : tableOf(n, dtype)
  );
  const flip = rows.shifted[inputs.length] ? " ^ 0x80u" : "";
  const results = [0, 1, 2, 3].map((e) => {
    const computed = `value(${elements.map((n) => readings[n].part(e)).join(", ")})${flip}`;
    return rows.filledUp
      ? `let r${e} = select(0u, ${computed}, column + ${e}u < params.channels);`
      : `let r${e} = ${computed};`;
  });
  return {
    arrays: [
      ...readings.map(({ binding }) => binding),
      ["y", fourOf(output), "read_write"],
    ],
    fields: [
      "vectors",
      ...rows.filledUp ? ["width", "channels"] : [],
      ...Array.from({ length: constants }, (_, c) => `constant${c}`),
      ...walkFields(patterns, rank),
    ],
    declarations: /* wgsl */ `
${readings.map(({ functions }) => functions).join("")}
${helpers(value)}
${value}
`,
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let at = index * ${WORKGROUP}u + lane;
if (at >= params.vectors) { return; }
let i = at * 4u;
${rows.filledUp ? "let column = i % params.width;" : ""}
${readings.map(({ before }) => before).join("\n")}
${results.join("\n")}
y[at] = ${joined(output)};
`,
  };
}
