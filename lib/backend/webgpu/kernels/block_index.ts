/**
 * WGSL for finding an element's block, and a block's elements, in a shape of collapsed dimensions
 * (see `backend/blocks.ts`). The number of dimensions is unrolled; their sizes are parameters.
 *
 * @module
 */
import type { BlockedDim } from "../../blocks.ts";

/** Parameter words a dimension: its size, its block, its number of blocks. */
export function blockFields(rank: number): string[] {
  return Array.from({ length: rank }, (_, d) => [`size${d}`, `block${d}`, `count${d}`]).flat();
}

/** The values of {@linkcode blockFields}. */
export function blockParams(dims: readonly BlockedDim[]): number[] {
  return dims.flatMap(({ size, block }) => [size, block, size / block]);
}

/** The dimensions that come before the outermost, from the innermost on. */
const inner = (rank: number) => Array.from({ length: rank - 1 }, (_, n) => rank - 1 - n);

/** `fn block_of(i: u32) -> u32`, the block that element `i` lies in. */
export function blockOfFunction(rank: number): string {
  const steps = inner(rank).map((d) => `
  result += i % params.size${d} / params.block${d} * stride;
  stride *= params.count${d}; i /= params.size${d};`);
  return /* wgsl */ `
fn block_of(element: u32) -> u32 {
  var i = element; var result = 0u; var stride = 1u;
  ${steps.join("")}
  result += i / params.block0 * stride;
  return result;
}
`;
}

/** `fn element_of(block: u32, within: u32) -> u32`, element number `within` of a block. */
export function elementOfFunction(rank: number): string {
  const steps = inner(rank).map((d) => `
  result += (b % params.count${d} * params.block${d} + j % params.block${d}) * stride;
  stride *= params.size${d}; b /= params.count${d}; j /= params.block${d};`);
  return /* wgsl */ `
fn element_of(block: u32, within: u32) -> u32 {
  var b = block; var j = within; var result = 0u; var stride = 1u;
  ${steps.join("")}
  result += (b * params.block0 + j) * stride;
  return result;
}
`;
}
