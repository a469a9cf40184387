/** Weighted sums of elements along a dimension, which are the same along all others. */
import { type DType, float32, int32 } from "../../../numbers/dtype.ts";
import { elementwise } from "./elementwise.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

/** What distinguishes kernels that resample. */
interface Resample {
  readonly x: DType;
  readonly output: DType;
  /** Elements that are added up for one. */
  readonly taps: number;
}

/** `y[j] = Σ weight[j, t]·x[index[j, t]]`. Parameters: the dimension's sizes before and after, inner. */
export function resampleKernel(x: DType, output: DType, taps: number): Kernel {
  return kernel("resample", { x, output, taps }, resample);
}

const WORKGROUP = 64;

/** Workgroups for so many vectors. */
export function resampleFoursWorkgroups(vectors: number): number {
  return Math.ceil(vectors / WORKGROUP);
}

/** The same of float32, four neighbours at a time; parameters: vectors, then as above, inner in vectors. */
export function resampleFoursKernel(taps: number): Kernel {
  return kernel("resample fours", { taps }, resampleFours);
}

function resampleFours({ taps }: { taps: number }): Shader {
  return {
    arrays: [
      ["x", "vec4<f32>"],
      ["places", "i32"],
      ["weight", "f32"],
      ["y", "vec4<f32>", "read_write"],
    ],
    fields: ["vectors", "before", "after", "inner"],
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let i = index * ${WORKGROUP}u + lane;
if (i >= params.vectors) { return; }
let row = i / params.inner;
let base = row / params.after * params.before * params.inner + i % params.inner;
let first = row % params.after * ${taps}u;
var sum = vec4<f32>();
for (var t = first; t < first + ${taps}u; t++) {
  let share = weight[t];
  // What does not count may be infinite.
  if (share != 0.0) { sum += share * x[base + u32(places[t]) * params.inner]; }
}
y[i] = sum;
`,
  };
}

function resample({ x, output, taps }: Resample): Shader {
  return elementwise({
    inputs: [["x", x], ["index", int32], ["weight", float32]],
    output,
    fields: ["before", "after", "inner"],
    functions: /* wgsl */ `
fn resampled(i: u32) -> f32 {
  let row = i / params.inner;
  let base = row / params.after * params.before * params.inner + i % params.inner;
  let first = row % params.after * ${taps}u;
  var sum = 0.0;
  for (var t = first; t < first + ${taps}u; t++) {
    let weight = load_weight(t);
    // What does not count may be infinite.
    if (weight != 0.0) { sum += weight * load_x(base + u32(load_int_index(t)) * params.inner); }
  }
  return sum;
}
`,
    value: "resampled(i)",
  });
}
