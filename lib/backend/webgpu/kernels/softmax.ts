/** Softmax along a dimension of a tensor walked as outer × n × inner, in float32. */
import type { DType } from "../../../numbers/dtype.ts";
import { loader } from "./elements.ts";
import { helpers } from "./functions.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";
import { meetings, type Team } from "./team.ts";

const WORKGROUP = 64;

/** What distinguishes kernels of softmax. */
interface Softmax {
  readonly x: DType;
  readonly log: boolean;
  /** Who takes a row, or undefined if invocations take columns. */
  readonly team: Team | undefined;
  /** Whether rows are whole vectors of float32. */
  readonly wide: boolean;
}

/**
 * `exp(x − m)/Σ exp(x − m)` or its logarithm, `m` being the greatest of the row; float32. Parameters:
 * outer · inner, n, inner, both in vectors if rows are such.
 */
export function softmaxKernel(
  x: DType,
  log: boolean,
  team: Team | undefined,
  wide: boolean,
): Kernel {
  return kernel("softmax", { x, log, team, wide }, softmax);
}

const FOUR = ["x", "y", "z", "w"];

/** Loading, and what else differs between vectors and numbers. */
function pieces(x: DType, wide: boolean): { functions: string; greatest: string; sum: string } {
  if (!wide) {
    return {
      functions: `${loader("x", x)} fn exp_of(v: f32) -> f32 { return exp_(v); }`,
      greatest: "greatest = max(greatest, v);",
      sum: "sum += e;",
    };
  }
  return {
    functions: /* wgsl */ `
fn load_x(i: u32) -> vec4<f32> { return bitcast<vec4<f32>>(x[i]); }
fn exp_of(v: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(${FOUR.map((part) => `exp_(v.${part})`).join(", ")});
}`,
    greatest: "greatest = max(greatest, max(max(v.x, v.y), max(v.z, v.w)));",
    sum: "sum += (e.x + e.y) + (e.z + e.w);",
  };
}

function softmax({ x, log, team, wide }: Softmax): Shader {
  const { functions, greatest, sum } = pieces(x, wide);
  const loop = (body: string) => /* wgsl */ `
for (var j = first; j < end; j += ${team ? team.lanes : 1}u) {
  let at = base + j * params.inner;
  ${body}
}`;
  const meet = (how: "add" | "max", value: string) =>
    team ? `meet_${how}_f32(${value}, lane)` : value;
  return {
    arrays: [
      ["x", wide ? "vec4<u32>" : "u32"],
      ["y", wide ? "vec4<f32>" : "f32", "read_write"],
    ],
    fields: ["rows", "n", "inner"],
    declarations: /* wgsl */ `
${helpers(`${functions} log_(`)}
${functions}
${team ? meetings([["add", "f32"], ["max", "f32"]], team) : ""}
`,
    workgroup: team ? team.lanes : WORKGROUP,
    subgroups: team?.subgroup ? "whole" : undefined,
    // A NaN may be lost among the greatest, but not in the sum, which makes all of the row NaN.
    body: /* wgsl */ `
let row = ${team ? "index" : `index * ${WORKGROUP}u + lane`};
if (row >= params.rows) { return; }
let base = row / params.inner * params.n * params.inner + row % params.inner;
let first = ${team ? "lane" : "0u"};
let end = params.n;
var greatest = load_x(base)${wide ? ".x" : ""};
${loop(`let v = load_x(at); ${greatest}`)}
greatest = ${meet("max", "greatest")};
var sum = 0.0;
${loop(`let e = exp_of(load_x(at) - greatest); ${log ? "" : "y[at] = e;"} ${sum}`)}
let total = ${meet("add", "sum")};
${log ? "let offset = log_(total);" : ""}
${loop(log ? "y[at] = (load_x(at) - greatest) - offset;" : "y[at] = y[at] / total;")}
`,
  };
}

/** Running sums along a dimension, an invocation each column. */
interface CumSum {
  readonly x: DType;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

/** Parameters: outer · inner, n, inner. What is written is float32 or int32. */
export function cumsumKernel(x: DType, exclusive: boolean, reverse: boolean): Kernel {
  return kernel("cumsum", { x, exclusive, reverse }, cumsum);
}

function cumsum({ x, exclusive, reverse }: CumSum): Shader {
  const type = x.isFloat ? "f32" : "i32";
  const add = `sum += load_${x.isFloat ? "" : "int_"}x(at);`;
  return {
    arrays: [["x", "u32"], ["y", type, "read_write"]],
    fields: ["rows", "n", "inner"],
    declarations: loader("x", x),
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let row = index * ${WORKGROUP}u + lane;
if (row >= params.rows) { return; }
let base = row / params.inner * params.n * params.inner + row % params.inner;
var sum = ${type}(0);
for (var j = 0u; j < params.n; j++) {
  let at = base + ${reverse ? "(params.n - 1u - j)" : "j"} * params.inner;
  ${exclusive ? `y[at] = sum; ${add}` : `${add} y[at] = sum;`}
}
`,
  };
}
