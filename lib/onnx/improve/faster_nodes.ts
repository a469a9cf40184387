/**
 * Leaving in float what is faster so.
 *
 * @module
 */
import { OnnxError } from "../file/onnx_error.ts";
import { fasterInFloat, fasterOnBytes } from "../quantize_static.ts";
import { floatNodes, namesOf, withoutNodes } from "./float_nodes.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";

/**
 * Of the time that all may take, the share that looking for such nodes takes at most, and seconds from which on it does not
 * pay; less where a model is fast enough.
 */
const MOST = { share: 1 / 5, seconds: 15, enough: 1 / 20 } as const;

/** A model that takes this share of the float model's time or more gains little. */
const LITTLE = 0.8;

/** Seconds for a search, where a model takes so much of the limits. */
function searchSeconds({ seconds }: ImproveTools, taken: number): number {
  return Math.min(MOST.seconds, (taken > 1 ? MOST.share : MOST.enough) * seconds);
}

/** What a recipe has of such a step. */
interface Faster {
  /** The names of the nodes that stay float. */
  readonly nodes: readonly string[];
  /** Whether LSTMs compute with bytes, and whether gates of bytes are cut off. */
  readonly dynamicLstms: boolean;
  readonly cutGates: boolean;
}

function checked(found: unknown): Faster {
  const { nodes, dynamicLstms, cutGates } = (found ?? {}) as Partial<Faster>;
  if (typeof dynamicLstms !== "boolean" || typeof cutGates !== "boolean") {
    throw new OnnxError("the recipe does not say what of LSTMs and gates is faster");
  }
  return { nodes: namesOf(nodes), dynamicLstms, cutGates };
}

/** The operators of a quantized graph. */
async function operatorsOf(state: ImprovedModel): Promise<string> {
  return (await quantizedState(state)).model.graph.node.map(({ opType }) => opType).join();
}

/** What is faster, after the nodes that make a model that is too slow better and no slower in float. */
async function search(state: ImprovedModel, tools: ImproveTools): Promise<Remedied | undefined> {
  const { calibration } = state;
  const dynamicLstms = await fasterOnBytes(calibration, state.options);
  const options = { ...state.options, dynamicLstms, cutGates: true };
  const first = { ...state, options };
  const taken = await tools.takes((await quantizedState(first)).model);
  // It is too slow, and hardly faster than the float one.
  const gainsLittle = taken > 1 && taken * tools.latency > LITTLE;
  const free = gainsLittle ? await floatNodes(first, tools, true) : undefined;
  const before = free?.state ?? first;
  const still = free ? await tools.takes((await quantizedState(before)).model) : taken;
  const seconds = searchSeconds(tools, still);
  const { left, share } = await fasterInFloat(calibration, before.options, seconds);
  const nodes = [...free?.found ?? [], ...left];
  const rewritten = await operatorsOf(first) !== await operatorsOf(state);
  if (nodes.length === 0 && !rewritten) return undefined;
  const done = [
    ...dynamicLstms ? ["LSTMs compute with bytes"] : rewritten ? ["gates are bytes cut off"] : [],
    ...free ? [`${free.found.length} nodes stay float that take no more time so`] : [],
    ...left.length > 0
      ? [`${left.length} nodes stay float, without which it takes ${share.toFixed(2)} of the time`]
      : [],
  ];
  return {
    state: await withoutNodes(before, left),
    found: { nodes, dynamicLstms, cutGates: true },
    summary: done.join("; "),
  };
}

/**
 * Where time is limited, the nodes that onnxruntime computes faster in float stay float: what they cost comes for nothing.
 * LSTMs compute with bytes if that is faster, and gates are written so that they are.
 * Where the model is too slow even then, bytes gain nothing, and the noisiest nodes that cost no time stay float too.
 */
export const leaveFaster: Remedy = {
  name: "faster",
  purpose: "leaves in float what is faster in float",
  rewrites: false,
  async apply(state, tools, found) {
    if (found === undefined) return tools.isToBeFast ? await search(state, tools) : undefined;
    const { nodes, ...given } = checked(found);
    return {
      state: await withoutNodes({ ...state, options: { ...state.options, ...given } }, nodes),
      found,
      summary: `${nodes.length} nodes stay float, as the recipe has it`,
    };
  },
};
