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
}

/**
 * `exp(x − m)/Σ exp(x − m)` or its logarithm, `m` being the greatest of the row; float32. Parameters:
 * outer · inner, n, inner.
 */
export function softmaxKernel(x: DType, log: boolean, team: Team | undefined): Kernel {
  return kernel("softmax", { x, log, team }, softmax);
}

function softmax({ x, log, team }: Softmax): Shader {
  const loop = (body: string) =>
    `for (var j = first; j < end; j += ${
      team ? team.lanes : 1
    }u) { let at = base + j * params.inner; ${body} }`;
  const meet = (how: "add" | "max", value: string) =>
    team ? `meet_${how}_${how === "add" ? "f32" : "u32"}(${value}, lane)` : value;
  const texts = "exp_( log_( is_nan( nan_from(";
  return {
    arrays: [["x", "u32"], ["y", "f32", "read_write"]],
    fields: ["rows", "n", "inner"],
    declarations: /* wgsl */ `
${loader("x", x)}
${helpers(texts)}
${team ? meetings([["add", "f32"], ["max", "u32"]], team) : ""}
fn key_of(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  if (is_nan(x)) { return 0xffffffffu; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
fn from_key(key: u32) -> f32 {
  if (key == 0xffffffffu) { return nan_from(f32(key)); }
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}
`,
    workgroup: team ? team.lanes : WORKGROUP,
    subgroups: team?.subgroup ? "whole" : undefined,
    body: /* wgsl */ `
let row = ${team ? "index" : `index * ${WORKGROUP}u + lane`};
${team ? "" : "if (row >= params.rows) { return; }"}
let base = row / params.inner * params.n * params.inner + row % params.inner;
let first = ${team ? "lane" : "0u"};
let end = select(0u, params.n, row < params.rows);
var key = 0u;
${loop("key = max(key, key_of(load_x(at)));")}
let greatest = from_key(${meet("max", "key")});
var sum = 0.0;
${
      loop(
        log ? "sum += exp_(load_x(at) - greatest);" : /* wgsl */ `
  let e = exp_(load_x(at) - greatest);
  y[at] = e;
  sum += e;`,
      )
    }
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
