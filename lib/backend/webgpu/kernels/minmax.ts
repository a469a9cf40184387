/** Running minima and maxima a block, in one pass over a batch. */
import type { DType } from "../../../numbers/dtype.ts";
import { blockFields, elementOfFunction } from "./block_index.ts";
import { loader } from "./elements.ts";
import { type Kernel, kernel } from "./kernel.ts";
import type { Shader } from "./shader.ts";

const WORKGROUP = 64;
const ELEMENTS_A_LANE = 64;

/** Elements of one block that one workgroup looks at. */
export const MINMAX_CHUNK = WORKGROUP * ELEMENTS_A_LANE;

/** What distinguishes kernels that find ranges. */
interface MinMax {
  readonly x: DType;
  /** Dimensions of the blocks. */
  readonly rank: number;
  /** Whether lanes meet by subgroup operations first. */
  readonly subgroups: boolean;
  /** Whether blocks are runs of whole float32 vectors. */
  readonly wide: boolean;
}

/**
 * Keys order as the floats do (`minmax_state.ts`), so lanes reduce in registers, a subgroup by its own
 * operations or else a workgroup in its memory, and those meet in an atomic. Parameters: blocks,
 * elements a block, chunks a block, batch number, then the dimensions.
 */
export function minmaxKernel(x: DType, rank: number, subgroups: boolean, wide: boolean): Kernel {
  return kernel("minmax", { x, rank, subgroups, wide }, minmax);
}

function minmax({ x, rank, subgroups, wide }: MinMax): Shader {
  const memory = subgroups ? "" : /* wgsl */ `
var<workgroup> lows: array<u32, ${WORKGROUP}>;
var<workgroup> highs: array<u32, ${WORKGROUP}>;
`;
  return {
    arrays: [["x", wide ? "vec4<u32>" : "u32"], ["state", "atomic<u32>", "read_write"]],
    fields: ["blocks", "elements", "chunks", "batch", ...blockFields(rank)],
    declarations: memory + (wide ? "" : loader("x", x) + elementOfFunction(rank)),
    workgroup: WORKGROUP,
    subgroups: subgroups ? "some" : undefined,
    body: /* wgsl */ `
let block = index / params.chunks;
let start = index % params.chunks * ${MINMAX_CHUNK}u;
let end = min(start + ${MINMAX_CHUNK}u, params.elements);
var low = 0xffffffffu;
var high = 0u;
var bad = false;
if (block < params.blocks) {
  ${wide ? VECTORS : ELEMENTS}
}
${subgroups ? MEET_IN_SUBGROUP : MEET_IN_WORKGROUP}
    atomicMin(&state[block], low);
    atomicMax(&state[params.blocks + block], high);
  }
  if (bad) { atomicMin(&state[2u * params.blocks], params.batch); }
}
`,
  };
}

/** A lane's share of a chunk, four floats at a time. */
const VECTORS = /* wgsl */ `
let first = block * params.elements;
for (var j = start + 4u * lane; j < end; j += ${4 * WORKGROUP}u) {
  let bits = x[(first + j) >> 2u];
  let keys = select(bits | vec4<u32>(0x80000000u), ~bits, (bits >> vec4<u32>(31u)) == vec4<u32>(1u));
  low = min(low, min(min(keys.x, keys.y), min(keys.z, keys.w)));
  high = max(high, max(max(keys.x, keys.y), max(keys.z, keys.w)));
  bad = bad || any((bits & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u));
}`;

/** A lane's share of a chunk. */
const ELEMENTS = /* wgsl */ `
for (var j = start + lane; j < end; j += ${WORKGROUP}u) {
  let bits = bitcast<u32>(load_x(element_of(block, j)));
  let key = select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
  low = min(low, key);
  high = max(high, key);
  bad = bad || (bits & 0x7f800000u) == 0x7f800000u;
}`;

/** Leaves the range of its lanes with one lane of each subgroup, for which it opens two blocks. */
const MEET_IN_SUBGROUP = /* wgsl */ `
low = subgroupMin(low);
high = subgroupMax(high);
if (block < params.blocks) {
  if (subgroup_lane == 0u) {`;

/** The same with one lane of the workgroup. */
const MEET_IN_WORKGROUP = /* wgsl */ `
lows[lane] = low;
highs[lane] = high;
workgroupBarrier();
if (block < params.blocks) {
  // One lane reads the others' results: cheaper than a tree, whose barriers cost more than it saves.
  if (lane == 0u) {
    for (var i = 1u; i < ${WORKGROUP}u; i++) {
      low = min(low, lows[i]);
      high = max(high, highs[i]);
    }`;
