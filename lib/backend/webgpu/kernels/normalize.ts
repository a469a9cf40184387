/** Rows brought to mean 0 and variance 1, or to a mean square of 1, in float32. */
import type { DType } from "../../../numbers/dtype.ts";
import { decoded, loader } from "./elements.ts";
import { float32 } from "../../../numbers/dtype.ts";
import { helpers } from "./functions.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";
import { meetings, type Team } from "./team.ts";

/** What distinguishes kernels that normalize. */
export interface Normalize {
  readonly x: DType;
  /** Whether the mean is taken away first. */
  readonly center: boolean;
  readonly weight: DType | undefined;
  readonly bias: DType | undefined;
  /** Whether neighbours share a weight. */
  readonly spread: boolean;
  readonly team: Team;
}

/**
 * The mean in one pass over a row, the mean square about it in another, then what is written. Parameters:
 * rows, n, how many groups of rows there are weights for, weights a row, elements a weight, eps.
 */
export function normalizeKernel(spec: Normalize): Kernel {
  return kernel("normalize", spec, normalize);
}

function normalize({ x, center, weight, bias, spread, team }: Normalize): Shader {
  const factors = ([["weight", weight], ["bias", bias]] as const)
    .flatMap(([name, dtype]) => dtype ? [[name, dtype] as const] : []);
  const loop = (body: string) =>
    `for (var j = lane; j < params.n; j += ${team.lanes}u) { ${body} }`;
  const scaled = weight ? "(d * scale) * load_weight(w)" : "d * scale";
  const eps = decoded(float32, "params.eps");
  return {
    arrays: [
      ["x", "u32"],
      ...factors.map(([name]) => [name, "u32"] as const),
      ["y", "f32", "read_write"],
    ],
    fields: ["rows", "n", "groups", "weights", "spread", "eps"],
    declarations: /* wgsl */ `
${loader("x", x)}
${factors.map(([name, dtype]) => loader(name, dtype)).join("")}
${helpers("rsqrt_(")}
${meetings([["add", "f32"]], team)}
`,
    workgroup: team.lanes,
    subgroups: team.subgroup ? "whole" : undefined,
    body: /* wgsl */ `
let base = index * params.n;
if (index >= params.rows) { return; }
var sum = 0.0;
${center ? loop("sum += load_x(base + j);") : ""}
let mean = ${center ? "meet_add_f32(sum, lane) / f32(params.n)" : "0.0"};
var squares = 0.0;
var rest = 0.0;
${
      loop(/* wgsl */ `
  let d = load_x(base + j) - mean;
  squares += d * d;
  ${center ? "rest += d;" : ""}`)
    }
// What the mean lost as it was rounded.
let off = ${center ? "meet_add_f32(rest, lane) / f32(params.n)" : "0.0"};
let variance = max(meet_add_f32(squares, lane) / f32(params.n) - off * off, 0.0);
let scale = rsqrt_(variance + ${eps});
let first_weight = index % params.groups * params.weights;
${
      loop(/* wgsl */ `
  let d = (load_x(base + j) - mean) - off;
  ${factors.length > 0 ? `let w = first_weight + ${spread ? "j / params.spread" : "j"};` : ""}
  y[base + j] = ${scaled}${bias ? " + load_bias(w)" : ""};`)
    }
`,
  };
}
