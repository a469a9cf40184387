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
  wordsOf,
} from "../../expression.ts";
import type { Walk } from "../../strides.ts";
import { decoded, encoded, loader } from "./elements.ts";
import { applied, helpers } from "./functions.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

const WORKGROUP = 64;
const PARTS = ["x", "y", "z", "w"];

/** Workgroups for `numel` elements. */
export function pointwiseWorkgroups(numel: number): number {
  return Math.ceil(numel / 4 / WORKGROUP);
}

/** How an input lies beside the output: a letter for each dimension that they are walked along. */
type Pattern = string;

/**
 * `0` where it repeats, `1` where neighbours are neighbours, else `s`; empty if it lies as the output
 * does.
 */
function patternOf(strides: readonly number[], rank: number): Pattern {
  if (rank === 1 && strides[0] === 1) return "";
  return strides.map((stride) => stride < 2 ? stride : "s").join("");
}

/** What distinguishes kernels of expressions. */
interface Pointwise {
  readonly words: string;
  readonly steps: Expression["steps"];
  /** How many constants there are. */
  readonly constants: number;
  readonly inputs: readonly DType[];
  readonly patterns: readonly Pattern[];
  readonly output: DType;
}

/** The kernel over a walk; its parameters are {@linkcode pointwiseParams}. */
export function pointwiseKernel(
  expression: Expression,
  inputs: readonly DType[],
  walk: Walk,
  output: DType,
): Kernel {
  const patterns = walk.strides.map((strides) => patternOf(strides, walk.sizes.length));
  const { steps, constants } = expression;
  const spec = { steps, constants: constants.length, inputs, patterns, output };
  return kernel("pointwise", { words: wordsOf(expression), ...spec }, pointwise);
}

/** The words after the constants: sizes of the dimensions but the first, and strides of each input. */
export function walkParams({ sizes, strides }: Walk): number[] {
  if (sizes.length === 1) return [];
  return [...sizes.slice(1), ...strides.flat().filter((stride) => stride > 1)];
}

/** `fn at_NAME(i)`, the place in an input of output element `i`. */
function placeFunction(n: number, pattern: Pattern): string {
  const terms: string[] = [];
  let rest = "i";
  for (let d = pattern.length - 1; d >= 0; d--) {
    const coordinate = d > 0 ? `${rest} % params.size${d}` : rest;
    if (pattern[d] === "1") terms.push(coordinate);
    if (pattern[d] === "s") terms.push(`(${coordinate}) * params.stride${n}_${d}`);
    rest = `${rest} / params.size${d}`;
  }
  return `fn at_x${n}(i: u32) -> u32 { return ${terms.join(" + ") || "0u"}; }\n`;
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
  const args = inputs.map((dtype, n) => `x${n}: ${kindOf(dtype) === "float" ? "f32" : "i32"}`);
  return `fn value(${args.join(", ")}) -> u32 {
${lines.join("\n")}
return ${encoded(output, value)};
}
`;
}

/** An i32 wrapped around into a dtype narrower than a byte; what is wider is cut off as it is stored. */
function wrapped({ isFloat, itemSize, min, max }: DType, value: string): string {
  const count = max - min + 1;
  if (isFloat || count === 2 ** (8 * itemSize)) return value;
  return `(((${value} - (${min})) & ${count - 1}) + (${min}))`;
}

function pointwise(spec: Pointwise): Shader {
  const { inputs, patterns, output, constants } = spec;
  const direct = patterns.map((pattern) => pattern === "");
  const rank = patterns.find(Boolean)?.length ?? 1;
  const single = patterns.map((pattern) => /^0+$/.test(pattern));
  const value = valueFunction(spec);
  const load = (n: number) => `load_${kindOf(inputs[n]) === "int" ? "int_" : ""}x${n}`;
  const argument = (n: number, e: number) => {
    if (direct[n]) return decoded(inputs[n], part(`v${n}`, inputs[n], e));
    return single[n] ? `v${n}` : `${load(n)}(at_x${n}(i + ${e}u))`;
  };
  const before = inputs.map((_, n) =>
    direct[n] ? `let v${n} = x${n}[at];` : single[n] ? `let v${n} = ${load(n)}(0u);` : ""
  );
  const results = [0, 1, 2, 3].map((e) =>
    `let r${e} = value(${inputs.map((_, n) => argument(n, e)).join(", ")});`
  );
  const strides = patterns.flatMap((pattern, n) =>
    [...pattern].flatMap((sort, d) => sort === "s" ? [`stride${n}_${d}`] : [])
  );
  return {
    arrays: [
      ...inputs.map((dtype, n) => [`x${n}`, direct[n] ? fourOf(dtype) : "u32"] as const),
      ["y", fourOf(output), "read_write"],
    ],
    fields: [
      "vectors",
      ...Array.from({ length: constants }, (_, c) => `constant${c}`),
      ...Array.from({ length: rank - 1 }, (_, d) => `size${d + 1}`),
      ...strides,
    ],
    declarations: /* wgsl */ `
${inputs.map((dtype, n) => direct[n] ? "" : loader(`x${n}`, dtype)).join("")}
${patterns.map((pattern, n) => direct[n] || single[n] ? "" : placeFunction(n, pattern)).join("")}
${helpers(value)}
${value}
`,
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let at = index * ${WORKGROUP}u + lane;
if (at >= params.vectors) { return; }
let i = at * 4u;
${before.join("\n")}
${results.join("\n")}
y[at] = ${joined(output)};
`,
  };
}
