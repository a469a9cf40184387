/**
 * Leaving in float what is faster so.
 *
 * @module
 */
import { fasterInFloat } from "../quantize_static.ts";
import { floatNodes, namesOf, withoutNodes } from "./float_nodes.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";

/** Of the time that all may take, the share that looking for such nodes takes at most, and seconds from which on it does not pay. */
const MOST = { share: 1 / 5, seconds: 15 } as const;

/** A model that takes this share of the float model's time or more gains little. */
const LITTLE = 0.8;

function searchSeconds({ seconds }: ImproveTools): number {
  return Math.min(MOST.seconds, MOST.share * seconds);
}

/** Whether a model in bytes is too slow, and hardly faster than the float one. */
async function gainsLittle(state: ImprovedModel, tools: ImproveTools): Promise<boolean> {
  const taken = await tools.takes((await quantizedState(state)).model);
  return taken > 1 && taken > LITTLE * await tools.takes(state.calibration.model);
}

/** The nodes that are faster in float, after those that make a model that is too slow better and no slower so. */
async function search(state: ImprovedModel, tools: ImproveTools): Promise<Remedied | undefined> {
  const free = await gainsLittle(state, tools) ? await floatNodes(state, tools, true) : undefined;
  const before = free?.state ?? state;
  const seconds = searchSeconds(tools);
  const { left, share } = await fasterInFloat(before.calibration, before.options, seconds);
  const found = [...free?.found ?? [], ...left];
  if (found.length === 0) return undefined;
  const better = free ? `${free.found.length} nodes stay float that take no more time so` : [];
  const faster = left.length > 0
    ? `${left.length} nodes stay float, without which it takes ${share.toFixed(2)} of the time`
    : [];
  return {
    state: await withoutNodes(before, left),
    found,
    summary: [better, faster].flat().join("; "),
  };
}

/**
 * Where time is limited, the nodes that onnxruntime computes faster in float stay float: what they cost comes for nothing.
 * Where the model is too slow even then, bytes gain nothing, and the noisiest nodes that cost no time stay float too.
 */
export const leaveFaster: Remedy = {
  name: "faster",
  purpose: "leaves in float what is faster in float",
  rewrites: false,
  async apply(state, tools, found) {
    if (found === undefined) return tools.isToBeFast ? await search(state, tools) : undefined;
    const left = namesOf(found);
    if (left.length === 0) return undefined;
    return {
      state: await withoutNodes(state, left),
      found: left,
      summary: `${left.length} nodes stay float, as the recipe has it`,
    };
  },
};
