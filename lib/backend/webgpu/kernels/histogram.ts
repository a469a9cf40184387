/**
 * Counting a batch into growing histograms (`backend/histogram_state.ts`), after `minmax` has widened
 * the ranges: one kernel brings the bins onto the grid of the new range, one counts.
 */
import type { DType } from "../../../tensor/dtype.ts";
import { BINS, MIN_EXPONENT } from "../../histogram_state.ts";
import type { Kernel } from "../runtime.ts";
import { bindings, CONVERSIONS, entry, loader } from "../wgsl.ts";
import { blockFields, elementOfFunction } from "./block_index.ts";

const WORKGROUP = 256;
/** Few lanes: most batches leave the bins where they are, and then a large group only costs. */
const REGRID_WORKGROUP = 64;
const BINS_A_LANE = BINS / REGRID_WORKGROUP;

/** Elements of one block that one workgroup counts: many, if it adds all bins in the end. */
export function histogramChunk(gather: boolean): number {
  return gather ? 16384 : 2048;
}

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
export const regridKernel: Kernel = {
  key: "histogram regrid",
  wgsl: () =>
    bindings([["state", "atomic<u32>", "read_write"]], ["blocks"]) + COMMON + /* wgsl */ `
struct GridChange { moves: u32, shift: i32, old_origin: i32, origin: i32 }
var<workgroup> grid_change: GridChange;
fn leading_exponent(x: f32) -> i32 {
  return max(i32((bitcast<u32>(x) >> 23u) & 255u) - 127, ${MIN_EXPONENT});
}
fn key_float(key: u32) -> f32 {
  return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}
` + entry(REGRID_WORKGROUP) + /* wgsl */ `
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
}`,
};

/**
 * Counts. Parameters: blocks, elements a block, chunks a block, then the dimensions. `gather` says
 * whether a workgroup counts in its own memory first, which a GPU wants, since there lanes would
 * wait for one another's bins; a software adapter has one kind of memory, and counts in place.
 */
export function histogramKernel(x: DType, rank: number, gather: boolean): Kernel {
  const count = gather
    ? "atomicAdd(&counts[bin], 1u);"
    : "add_count(low + u32(bin), high + u32(bin), 1u, 0u);";
  return {
    key: `histogram ${x.name} ${rank} ${gather}`,
    wgsl: () =>
      bindings(
        [["x", "u32"], ["state", "atomic<u32>", "read_write"]],
        ["blocks", "elements", "chunks", ...blockFields(rank)],
      ) + (gather ? `var<workgroup> counts: array<atomic<u32>, ${BINS}>;` : "") + CONVERSIONS +
      loader("x", x) + elementOfFunction(rank) + COMMON + entry(WORKGROUP) + /* wgsl */ `
  let inside = index / params.chunks < params.blocks;
  let block = min(index / params.chunks, params.blocks - 1u);
  let exponent = bitcast<i32>(atomicLoad(&state[2u * params.blocks + 1u + block]));
  let origin = bitcast<i32>(atomicLoad(&state[3u * params.blocks + 1u + block]));
  let low = 4u * params.blocks + 1u + block * ${BINS}u;
  let high = low + params.blocks * ${BINS}u;
  let start = index % params.chunks * ${histogramChunk(gather)}u;
  let end = select(0u, min(start + ${histogramChunk(gather)}u, params.elements), inside);
  for (var j = start + lane; j < end; j += ${WORKGROUP}u) {
    let value = load_x(element_of(block, j));
    if ((bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u) {
      let bin = clamp(bin_number(value, exponent) - origin, 0, ${BINS - 1});
      ${count}
    }
  }
  ${
        gather
          ? `workgroupBarrier();
  for (var bin = lane; bin < ${BINS}u; bin += ${WORKGROUP}u) {
    let count = atomicLoad(&counts[bin]);
    if (count > 0u) { add_count(low + bin, high + bin, count, 0u); }
  }`
          : ""
      }
}`,
  };
}
