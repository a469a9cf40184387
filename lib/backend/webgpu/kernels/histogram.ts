/**
 * Counting a batch into growing histograms (`backend/histogram_state.ts`), after `minmax` has widened
 * the ranges: one kernel brings the bins onto the grid of the new range, one counts.
 */
import type { DType } from "../../../numbers/dtype.ts";
import { BINS, MIN_EXPONENT } from "../../histogram_state.ts";
import { blockFields, elementOfFunction } from "./block_index.ts";
import { loader } from "./elements.ts";
import { type Kernel, kernel } from "./kernel.ts";
import { each, type Shader } from "./shader.ts";

const WORKGROUP = 256;
/** Few lanes: most batches leave the bins where they are, and then a large group only costs. */
const REGRID_WORKGROUP = 64;
const BINS_A_LANE = BINS / REGRID_WORKGROUP;

/** Elements of one block that one workgroup counts: many, since it adds all bins in the end. */
export const HISTOGRAM_CHUNK = 16384;

const COMMON = /* wgsl */ `
// The number of the bin, counted from zero's, that holds x. The product is exact but where it is
// subnormal, which a device may read as zero; there only the sign matters.
fn bin_number(x: f32, exponent: i32) -> i32 {
  let p = x * bitcast<f32>(u32(127 - exponent) << 23u);
  if (abs(p) < 1.0) { return select(0, -1, bitcast<u32>(x) > 0x80000000u); }
  return i32(floor(p));
}
fn add_count(state_low: u32, state_high: u32, low: u32, high: u32) {
  let before = atomicAdd(&state[state_low], low);
  let carry = select(0u, 1u, before + low < before);
  if (high + carry > 0u) { atomicAdd(&state[state_high], high + carry); }
}
`;

/** Parameters: blocks. One workgroup a block. */
export const regridKernel: Kernel = kernel("histogram regrid", {}, regrid);

function regrid(): Shader {
  return {
    arrays: [["state", "atomic<u32>", "read_write"]],
    fields: ["blocks"],
    declarations: COMMON + GRID_CHANGE,
    workgroup: REGRID_WORKGROUP,
    body: REGRID,
  };
}

const GRID_CHANGE = /* wgsl */ `
struct GridChange { moves: u32, shift: i32, old_origin: i32, origin: i32 }
var<workgroup> grid_change: GridChange;
fn leading_exponent(x: f32) -> i32 {
  return max(i32((bitcast<u32>(x) >> 23u) & 255u) - 127, ${MIN_EXPONENT});
}
fn key_float(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}
`;

const REGRID = /* wgsl */ `
let block = min(index, params.blocks - 1u);
let at_exponent = 2u * params.blocks + 1u + block;
let at_origin = at_exponent + params.blocks;
let low = 4u * params.blocks + 1u + block * ${BINS}u;
let high = low + params.blocks * ${BINS}u;
// One lane finds the grid; most batches stay on the one that there is, and all lanes leave.
if (lane == 0u) {
  let least = key_float(atomicLoad(&state[block]));
  let most = key_float(atomicLoad(&state[params.blocks + block]));
  let old_exponent = bitcast<i32>(atomicLoad(&state[at_exponent]));
  let old_origin = bitcast<i32>(atomicLoad(&state[at_origin]));
  var exponent = max(old_exponent, max(leading_exponent(least), leading_exponent(most)) - 22);
  exponent = clamp(exponent, ${MIN_EXPONENT}, 117);
  for (var i = 0; i < 40 && bin_number(most, exponent) - bin_number(least, exponent) >= ${BINS}; i++) {
    exponent++;
  }
  let origin = bin_number(least, exponent);
  let moves = index < params.blocks && (exponent != old_exponent || origin != old_origin);
  grid_change = GridChange(select(0u, 1u, moves), min(exponent - old_exponent, 31), old_origin, origin);
  if (moves) {
    atomicStore(&state[at_exponent], bitcast<u32>(exponent));
    atomicStore(&state[at_origin], bitcast<u32>(origin));
  }
}
let change = workgroupUniformLoad(&grid_change);
if (change.moves == 0u) { return; }
var lows: array<u32, ${BINS_A_LANE}>;
var highs: array<u32, ${BINS_A_LANE}>;
for (var i = 0u; i < ${BINS_A_LANE}u; i++) {
  let bin = lane + i * ${REGRID_WORKGROUP}u;
  lows[i] = atomicExchange(&state[low + bin], 0u);
  highs[i] = atomicExchange(&state[high + bin], 0u);
}
storageBarrier();
for (var i = 0u; i < ${BINS_A_LANE}u; i++) {
  if (lows[i] != 0u || highs[i] != 0u) {
    let number = (i32(lane + i * ${REGRID_WORKGROUP}u) + change.old_origin) >> u32(change.shift);
    let bin = u32(clamp(number - change.origin, 0, ${BINS - 1}));
    add_count(low + bin, high + bin, lows[i], highs[i]);
  }
}
`;

/** What distinguishes kernels that count. */
interface Histogram {
  readonly x: DType;
  /** Dimensions of the blocks. */
  readonly rank: number;
  /** Whether blocks are runs of whole float32 vectors. */
  readonly wide: boolean;
}

/**
 * Counts, a workgroup in its own memory first. Parameters: blocks, elements a block, chunks a block,
 * then the dimensions. `wide` says that blocks are runs of whole float32 vectors.
 */
export function histogramKernel(x: DType, rank: number, wide: boolean): Kernel {
  return kernel("histogram", { x, rank, wide }, histogram);
}

function histogram({ x, rank, wide }: Histogram): Shader {
  const parts = wide ? [".x", ".y", ".z", ".w"] : [""];
  const value = wide ? "x[(block * params.elements + j) >> 2u]" : "load_x(element_of(block, j))";
  return {
    arrays: [["x", wide ? "vec4<f32>" : "u32"], ["state", "atomic<u32>", "read_write"]],
    fields: ["blocks", "elements", "chunks", ...blockFields(rank)],
    declarations: /* wgsl */ `
var<workgroup> counts: array<atomic<u32>, ${BINS}>;
${wide ? "" : loader("x", x) + elementOfFunction(rank)}
${COMMON}
fn count_value(value: f32, exponent: i32, origin: i32) {
  if ((bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u) { return; }
  atomicAdd(&counts[clamp(bin_number(value, exponent) - origin, 0, ${BINS - 1})], 1u);
}
`,
    workgroup: WORKGROUP,
    body: /* wgsl */ `
let inside = index / params.chunks < params.blocks;
let block = min(index / params.chunks, params.blocks - 1u);
let exponent = bitcast<i32>(atomicLoad(&state[2u * params.blocks + 1u + block]));
let origin = bitcast<i32>(atomicLoad(&state[3u * params.blocks + 1u + block]));
let start = index % params.chunks * ${HISTOGRAM_CHUNK}u;
let end = select(0u, min(start + ${HISTOGRAM_CHUNK}u, params.elements), inside);
for (var j = start + ${parts.length}u * lane; j < end; j += ${parts.length * WORKGROUP}u) {
  let value = ${value};
  ${each(parts.length, (i) => `count_value(value${parts[i]}, exponent, origin);`)}
}
let low = 4u * params.blocks + 1u + block * ${BINS}u;
let high = low + params.blocks * ${BINS}u;
workgroupBarrier();
for (var bin = lane; bin < ${BINS}u; bin += ${WORKGROUP}u) {
  let count = atomicLoad(&counts[bin]);
  if (count > 0u) { add_count(low + bin, high + bin, count, 0u); }
}
`,
  };
}
