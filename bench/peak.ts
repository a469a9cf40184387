/**
 * What the adapter can do at most, by small kernels that do one thing: read a buffer, multiply and
 * add floats in registers, multiply packed bytes in registers. Each is tried in more than one way,
 * and the best time of all rounds counts, since a peak is a maximum.
 *
 * @module
 */
import { backendFor, zeros } from "../mod.ts";
import { WebGpuBackend } from "../lib/backend/webgpu/backend.ts";
import type { Kernel } from "../lib/backend/webgpu/kernels/kernel.ts";
import type { Runtime } from "../lib/backend/webgpu/runtime.ts";
import type { DeviceClock } from "./device_clock.ts";

const WORKGROUP = 64;
/** Independent sums in registers, so that none waits for the one before. */
const SUMS = 16;
const STEPS = 256;
/** Vectors that are read in one step. */
const UNROLLED = [1, 2, 4];
const ROUNDS = 8;
const ROUND_MS = 30;

/** A kernel and how much of what is counted one dispatch of it does. */
interface Probe {
  readonly kernel: Kernel;
  readonly amount: number;
  readonly params: readonly number[];
  readonly workgroups: number;
}

const each = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join("\n");

/** A loop over {@linkcode SUMS} sums; each step is made of its own sum, so none can be left out. */
function arithmetic(
  name: string,
  type: "f32" | "i32",
  operations: number,
  step: (sum: string) => string,
  workgroups: number,
): Probe {
  const factor = type === "f32" ? "f32(id & 7u) * 0.01 + 0.5" : "id * 0x01020305u";
  const kernel: Kernel = {
    key: `peak ${name}`,
    shader: () => ({
      arrays: [["y", type, "read_write"]],
      fields: ["steps"],
      workgroup: WORKGROUP,
      body: `
let id = index * ${WORKGROUP}u + lane;
let b = ${factor};
${each(SUMS, (i) => `var a${i} = ${type}(id) + ${type}(${i});`)}
for (var s = 0u; s < params.steps; s++) {
${each(SUMS, (i) => `a${i} = ${step(`a${i}`)};`)}
}
y[id] = ${Array.from({ length: SUMS }, (_, i) => `a${i}`).join(" + ")};`,
    }),
  };
  const amount = operations * SUMS * STEPS * WORKGROUP * workgroups;
  return { kernel, amount, params: [STEPS], workgroups };
}

/** Reads a buffer once, `unrolled` vectors a step: neighbours together, or each a stretch of its own. */
function reading(
  order: "neighbours" | "stretches",
  unrolled: number,
  vectors: number,
  workgroups: number,
): Probe {
  const invocations = WORKGROUP * workgroups;
  const reads = (at: (i: number) => string) => each(unrolled, (i) => `sum ^= x[${at(i)}];`);
  const loop = order === "neighbours"
    ? `for (var i = id; i < params.vectors; i += ${unrolled * invocations}u) {
    ${reads((i) => `i + ${i * invocations}u`)} }`
    : `let length = params.vectors / ${invocations}u;
  for (var i = id * length; i < (id + 1u) * length; i += ${unrolled}u) {
    ${reads((i) => `i + ${i}u`)} }`;
  const kernel: Kernel = {
    key: `peak read ${order} ${unrolled} ${workgroups}`,
    shader: () => ({
      arrays: [["x", "vec4<u32>"], ["y", "u32", "read_write"]],
      fields: ["vectors"],
      workgroup: WORKGROUP,
      body: `
let id = index * ${WORKGROUP}u + lane;
var sum = vec4<u32>();
${loop}
y[id] = sum.x ^ sum.y ^ sum.z ^ sum.w;`,
    }),
  };
  return { kernel, amount: vectors * 16, params: [vectors], workgroups };
}

/** The greatest amount a second that any of the probes reached. */
async function best(
  probes: readonly Probe[],
  clock: DeviceClock | undefined,
  runtime: Runtime,
  inputs: readonly Parameters<Runtime["dispatch"]>[1][number][],
): Promise<number> {
  using fence = zeros([1]);
  let peak = 0;
  for (const { kernel, amount, params, workgroups } of probes) {
    const output = runtime.pool.acquire(WORKGROUP * workgroups * 4, kernel.key);
    const seconds = async (repeats: number) => {
      clock?.start();
      const start = performance.now();
      for (let i = 0; i < repeats; i++) {
        runtime.dispatch(kernel, [...inputs, output], params, workgroups);
      }
      await fence.data();
      const wall = performance.now() - start;
      return (await clock?.stop() ?? wall) / 1000;
    };
    let repeats = 1;
    await seconds(repeats);
    for (let round = 0; round < ROUNDS; round++) {
      const time = await seconds(repeats);
      peak = Math.max(peak, amount * repeats / time);
      repeats = Math.min(1000, Math.max(1, Math.ceil(repeats * ROUND_MS / 1000 / time)));
    }
    runtime.pool.release(output);
  }
  return peak;
}

function runtimeHere(): { runtime: Runtime; software: boolean } {
  const backend = backendFor("webgpu");
  if (!(backend instanceof WebGpuBackend)) throw new Error("bench: there is no WebGPU device");
  return backend;
}

/** What the adapter reaches, in a second. */
export interface Peaks {
  /** Multiplications and additions of float32. */
  readonly float32: number;
  /** Multiplications and additions of bytes, by `dot4I8Packed`. */
  readonly int8: number;
}

/** Measures arithmetic: operations a second, nothing read. */
export async function measurePeaks(clock?: DeviceClock): Promise<Peaks> {
  const { runtime, software } = runtimeHere();
  // Enough invocations to fill a GPU; a CPU is full with few.
  const workgroups = software ? 64 : 16384;
  const probe = (
    name: string,
    type: "f32" | "i32",
    operations: number,
    step: (a: string) => string,
  ) => arithmetic(name, type, operations, step, workgroups);
  return {
    float32: await best(
      [
        probe("fma", "f32", 2, (a) => `fma(${a}, b, 0.25)`),
        probe("multiply and add", "f32", 2, (a) => `${a} * b + 0.25`),
      ],
      clock,
      runtime,
      [],
    ),
    int8: await best(
      [probe("dot4I8Packed", "i32", 8, (a) => `${a} + dot4I8Packed(bitcast<u32>(${a}), b)`)],
      clock,
      runtime,
      [],
    ),
  };
}

/**
 * Measures reading: bytes a second over a buffer of `byteLength` bytes again and again, so that what
 * fits a cache is read from there, as a weight that is used again is.
 */
export async function measureBandwidth(byteLength: number, clock?: DeviceClock): Promise<number> {
  const { runtime, software } = runtimeHere();
  // At least four vectors an invocation, and no more invocations than fill a GPU, or a CPU.
  const wanted = byteLength / (16 * UNROLLED.at(-1)! * WORKGROUP);
  const workgroups = 2 **
    Math.floor(Math.log2(Math.min(Math.max(wanted, 1), software ? 64 : 4096)));
  const step = 16 * UNROLLED.at(-1)! * WORKGROUP * workgroups;
  const size = Math.max(1, Math.floor(byteLength / step)) * step;
  const x = runtime.pool.acquire(size, "peak");
  try {
    const probes = (["neighbours", "stretches"] as const).flatMap((order) =>
      UNROLLED.map((unrolled) => reading(order, unrolled, size / 16, workgroups))
    );
    return await best(probes, clock, runtime, [x]);
  } finally {
    runtime.pool.release(x);
  }
}
