/** Moving averages of the minima and maxima that `minmax` found in one batch. */
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

const WORKGROUP = 64;

/** Workgroups for `blocks` blocks. */
export function movingAverageWorkgroups(blocks: number): number {
  return Math.ceil(2 * blocks / WORKGROUP);
}

/**
 * `average += constant · (key's float − average)`, and the keys emptied for the next batch. The
 * averages follow the keys and the bad batch. Parameters: blocks, the constant's bits.
 */
export const movingAverageKernel: Kernel = kernel("moving average", {}, movingAverage);

function movingAverage(): Shader {
  return {
    arrays: [["state", "u32", "read_write"]],
    fields: ["blocks", "constant"],
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let i = index * ${WORKGROUP}u + lane;
if (i >= 2u * params.blocks) { return; }
let key = state[i];
let now = bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
let at = 2u * params.blocks + 1u + i;
let constant = bitcast<f32>(params.constant);
let average = bitcast<f32>(state[at]);
let moved = average + constant * (now - average);
state[at] = bitcast<u32>(select(moved, now, constant == 1.0));
state[i] = select(0u, 0xffffffffu, i < params.blocks);
`,
  };
}
