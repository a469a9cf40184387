/**
 * Weights of nodes as matrices, a row for each output.
 *
 * @module
 */
import { intOf } from "../file/attributes.ts";
import type { WeightedNode } from "../calibration/statistics/places.ts";
import type { FloatConstant } from "../graph/float_constant.ts";

/** How the elements of a weight lie in the rows that its node's outputs are products with. */
export interface WeightLayout {
  /** Groups of rows, each with inputs of its own. */
  readonly groups: number;
  /** Rows of all groups together: the outputs. */
  readonly rows: number;
  /** Elements of a row. */
  readonly columns: number;
  /** Where element `k` of row `r` lies. */
  at(r: number, k: number): number;
}

/** The layout of a node's weight; nothing if it is a stack of matrices or of a ConvTranspose. */
export function weightLayout(
  { node, reads }: WeightedNode,
  { dims }: Pick<FloatConstant, "dims">,
): WeightLayout | undefined {
  if (node.opType === "Conv") {
    const rows = dims[0];
    const columns = dims.slice(1).reduce((a, b) => a * b, 1);
    return { groups: reads.groups, rows, columns, at: (r, k) => r * columns + k };
  }
  if (node.opType === "ConvTranspose" || dims.length !== 2) return undefined;
  if (node.opType === "Gemm" && intOf(node, "transB", 0)) {
    return { groups: 1, rows: dims[0], columns: dims[1], at: (r, k) => r * dims[1] + k };
  }
  return { groups: 1, rows: dims[1], columns: dims[0], at: (r, k) => k * dims[1] + r };
}

/** The rows of a group, one after the other. */
export function groupRows(
  data: ArrayLike<number>,
  { groups, rows, columns, at }: WeightLayout,
  group: number,
): Float64Array {
  const count = rows / groups;
  const matrix = new Float64Array(count * columns);
  for (let r = 0; r < count; r++) {
    for (let k = 0; k < columns; k++) matrix[r * columns + k] = data[at(group * count + r, k)];
  }
  return matrix;
}
