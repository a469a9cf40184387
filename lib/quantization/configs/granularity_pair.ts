/**
 * One granularity for inputs and one for weights, as torchao's configs take them.
 *
 * @module
 */
import { given } from "../../numbers/arguments.ts";
import { type Granularity, PerRow, PerTensor } from "../affine/granularity.ts";

/** Which elements share a scale: of inputs and weights alike, or of each its own. */
export type GranularityPair =
  | Granularity
  | readonly [activation: Granularity, weight: Granularity];

/**
 * The granularities of inputs and weights that are meant, `usual` where none is.
 *
 * @throws {TypeError} if it is neither a granularity nor a pair of them.
 * @throws {RangeError} if one is not `PerTensor` or `PerRow`, or rows of inputs do not run along the last
 * dimension.
 */
export function granularityPair(
  where: string,
  granularity: GranularityPair | null | undefined,
  usual: Granularity,
): readonly [activation: Granularity, weight: Granularity] {
  const value = granularity ?? usual;
  const list = Array.isArray(value) ? value : [value, value];
  if (list.length !== 2) {
    throw new TypeError(
      `${where}: granularity must be one, or a pair [activation, weight], got a list of ${list.length}`,
    );
  }
  for (const [what, one] of [["activations", list[0]], ["weights", list[1]]] as const) {
    if (typeof (one as Granularity | undefined)?.blockSize !== "function") {
      throw new TypeError(
        `${where}: the granularity of ${what} must be one such as new PerRow(), got ${given(one)}`,
      );
    }
    if (one instanceof PerTensor || one instanceof PerRow) continue;
    throw new RangeError(
      `${where}: the granularity of ${what} must be PerTensor or PerRow, got ${one}`,
    );
  }
  const [activation, weight] = list as [Granularity, Granularity];
  if (activation instanceof PerRow && activation.dim !== -1) {
    throw new RangeError(
      `${where}: rows of activations run along the last dimension, as in new PerRow(), got ${activation}`,
    );
  }
  return [activation, weight];
}
