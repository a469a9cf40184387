/**
 * Leaving in float what is faster so.
 *
 * @module
 */
import { fasterInFloat } from "../quantize_static.ts";
import { namesOf, withoutNodes } from "./float_nodes.ts";
import type { Remedy } from "./remedy.ts";

/** Where time is limited, the nodes that onnxruntime computes faster in float stay float: what they cost comes for nothing. */
export const leaveFaster: Remedy = {
  name: "faster",
  purpose: "leaves in float what is faster in float",
  rewrites: false,
  async apply(state, tools, found) {
    if (found === undefined && !tools.isToBeFast) return undefined;
    const { left, share } = found === undefined
      ? await fasterInFloat(state.calibration, state.options)
      : { left: namesOf(found), share: undefined };
    if (left.length === 0) return undefined;
    return {
      state: await withoutNodes(state, left),
      found: left,
      summary: share === undefined
        ? `${left.length} nodes stay float, as the recipe has it`
        : `${left.length} nodes stay float, without which it takes ${share.toFixed(2)} of the time`,
    };
  },
};
