/**
 * Sums, products, extremes and their places along a dimension. A tensor is walked as outer × n × inner;
 * where inner is 1 a team takes each row, else an invocation each column. Long ones are cut into chunks,
 * whose results a second pass takes together. What is written has 32 bits.
 */
import { type DType, float32, int32 } from "../../../numbers/dtype.ts";
import { decoded, loader } from "./elements.ts";
import { helpers } from "./functions.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";
import { type Meeting, meetings, type Team } from "./team.ts";

const WORKGROUP = 64;

/** What is found. */
export type Found = "sum" | "prod" | "max" | "min" | "argmax" | "argmin";

/** What distinguishes kernels that reduce. */
interface Reduce {
  readonly x: DType;
  readonly found: Found;
  /** Whether the result is divided by a number, which makes a mean of a sum. */
  readonly divided: boolean;
  /** Who takes a row, or undefined if invocations take columns. */
  readonly team: Team | undefined;
}

/** Parameters: outer · chunks · inner, n, inner, chunks, elements a chunk, the bits of the divisor. */
export function reduceKernel(
  x: DType,
  found: Found,
  divided: boolean,
  team: Team | undefined,
): Kernel {
  return kernel("reduce", { x, found, divided, team }, reduce);
}

/** Workgroups for that many results. */
export function reduceWorkgroups(results: number, team: Team | undefined): number {
  return team ? results : Math.ceil(results / WORKGROUP);
}

/** The dtype of what is written for an input: places and integers are int32. */
export function reducedDtype(x: DType, found: Found): DType {
  return x.isFloat && !found.startsWith("arg") ? float32 : int32;
}

/**
 * `fn key_of(x)`: a u32 that is the greater the more an element is looked for. A NaN is looked for most,
 * and zeros are equal.
 */
function keyFunction(x: DType, least: boolean): string {
  if (!x.isFloat) {
    return `fn key_of(x: i32) -> u32 { return bitcast<u32>(x) ^ ${
      least ? "0x7fffffffu" : "0x80000000u"
    }; }`;
  }
  return /* wgsl */ `
fn key_of(x: f32) -> u32 {
  if (is_nan(x)) { return 0xffffffffu; }
  let bits = select(bitcast<u32>(x), 0u, x == 0.0);
  let key = select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
  return ${least ? "~key" : "key"};
}`;
}

/** The element that a key stands for. */
function fromKey(x: DType, least: boolean): string {
  if (!x.isFloat) return `bitcast<i32>(best ^ ${least ? "0x7fffffffu" : "0x80000000u"})`;
  const key = least ? "~best" : "best";
  return `select(bitcast<f32>(select(~(${key}), (${key}) & 0x7fffffffu, ((${key}) >> 31u) == 1u)), nan_from(f32(best)), best == 0xffffffffu)`;
}

/** Statements of one lane: before, for the element at `j`, and after; `result` is declared last. */
interface Accumulation {
  readonly before: string;
  readonly step: string;
  readonly after: string;
  readonly meets: readonly (readonly [Meeting, "f32" | "i32" | "u32"])[];
  readonly functions: string;
}

/** Adds up in runs of 64, so that rounding errors grow with few additions. */
function added(type: "f32" | "i32", team: Team | undefined): Accumulation {
  const total = team ? `meet_add_${type}(total + part, lane)` : "total + part";
  return {
    before: `var total = ${type}(0); var part = ${type}(0); var count = 0u;`,
    step: /* wgsl */ `
part += value;
count++;
if ((count & 63u) == 0u) { total += part; part = ${type}(0); }`,
    after: `let result = ${total};`,
    meets: [["add", type]],
    functions: "",
  };
}

function accumulation({ x, found, team }: Reduce): Accumulation {
  const type = x.isFloat ? "f32" : "i32";
  if (found === "sum") return added(type, team);
  if (found === "prod") {
    return {
      before: `var total = ${type}(1);`,
      step: "total *= value;",
      after: `let result = ${team ? `meet_mul_${type}(total, lane)` : "total"};`,
      meets: [["mul", type]],
      functions: "",
    };
  }
  const least = found.endsWith("min");
  const met = team ? "let best = meet_max_u32(key, lane);" : "let best = key;";
  const common = { functions: keyFunction(x, least) };
  if (!found.startsWith("arg")) {
    return {
      ...common,
      before: "var key = 0u;",
      step: "key = max(key, key_of(value));",
      after: `${met} let result = ${fromKey(x, least)};`,
      meets: [["max", "u32"]],
    };
  }
  const place = "select(0xffffffffu, at, key == best)";
  return {
    ...common,
    before: "var key = 0u; var at = 0xffffffffu;",
    step: /* wgsl */ `
let found = key_of(value);
if (found > key || at == 0xffffffffu) { key = found; at = j; }`,
    after: `${met} let result = i32(${team ? `meet_min_u32(${place}, lane)` : "at"});`,
    meets: [["max", "u32"], ["min", "u32"]],
  };
}

function reduce(spec: Reduce): Shader {
  const { x, found, divided, team } = spec;
  const { before, step, after, meets, functions } = accumulation(spec);
  const output = reducedDtype(x, found);
  const divisor = decoded(float32, "params.divisor");
  const value = divided ? `div_(result, ${divisor})` : "result";
  const load = `load_${x.isFloat ? "" : "int_"}x(base + j * params.inner)`;
  const texts = functions + after + value;
  return {
    arrays: [["x", "u32"], ["y", output === float32 ? "f32" : "i32", "read_write"]],
    fields: ["results", "n", "inner", "chunks", "chunk", "divisor"],
    declarations: /* wgsl */ `
${loader("x", x)}
${helpers(texts)}
${team ? meetings(meets, team) : ""}
${functions}
`,
    workgroup: team ? team.lanes : WORKGROUP,
    subgroups: team?.subgroup ? "whole" : undefined,
    body: /* wgsl */ `
let id = ${team ? "index" : `index * ${WORKGROUP}u + lane`};
${team ? "" : "if (id >= params.results) { return; }"}
let column = id % params.inner;
let start = id / params.inner % params.chunks * params.chunk;
let end = select(0u, min(start + params.chunk, params.n), id < params.results);
let base = id / params.inner / params.chunks * params.n * params.inner + column;
${before}
for (var j = start${team ? " + lane" : ""}; j < end; j += ${team ? team.lanes : 1}u) {
  let value = ${load};
  ${step}
}
${after}
${team ? "if (lane == 0u && id < params.results) {" : "{"}
  y[id] = ${value};
}
`,
  };
}
