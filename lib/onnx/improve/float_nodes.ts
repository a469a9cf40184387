/**
 * Leaving in float what costs most in integers.
 *
 * @module
 */
import { Runs } from "../../quantization/analysis/inputs.ts";
import { OutputJudge } from "../accuracy/output_judge.ts";
import { rankNodes } from "../accuracy/rank_nodes.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { OnnxModel } from "../file/model.ts";
import type { TensorOverride } from "../qdq/activation_params.ts";
import type { QuantizeStaticOptions } from "../quantize_static.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";

/** Nodes that are tried at most, and the share of the layers that stays float where neither target nor time says how many. */
const MOST = { tried: 16, share: 1 / 8 } as const;
/** A node stays float if the output gains so much by it, in dB: less where there is something to reach. */
const LEAST_GAIN = { asked: 0.1, unasked: 0.25 } as const;
/** How much less samples that were not seen may reach than those of the search, in dB. */
const MARGIN = 0.5;
/** What a node counts to take of the limits at least: less cannot be told from what clocks are off by. */
const LEAST_COST = 0.005;

/** The options without scales of values that stay floats. */
async function fitting(state: ImprovedModel): Promise<ImprovedModel> {
  const { tensorOverrides, ...options } = state.options;
  if (!tensorOverrides) return state;
  const { activations } = await quantizedState({ ...state, options });
  const bytes = new Set(activations.map(({ name }) => name));
  const kept: [string, TensorOverride][] = Object.entries(tensorOverrides)
    .filter(([name]) => bytes.has(name));
  return { ...state, options: { ...options, tensorOverrides: Object.fromEntries(kept) } };
}

/** A state in which these nodes are float too. */
export async function withoutNodes(
  state: ImprovedModel,
  nodes: readonly string[],
): Promise<ImprovedModel> {
  const nodesToExclude = [...state.options.nodesToExclude ?? [], ...nodes];
  return await fitting({ ...state, options: { ...state.options, nodesToExclude } });
}

/** Options with which a model is ranked, without what other nodes than one are told. */
function ranking(
  { tensorOverrides: _, verify: __, onProgress: ___, signal: ____, ...options }:
    QuantizeStaticOptions,
) {
  return { ...options, verify: false };
}

/** A node that may stay float, and the noise that it makes at the model's output. */
interface Candidate {
  readonly node: string;
  readonly noise: number;
}

/** The noisiest nodes, those first that make most noise for what they would take of the limits. */
async function candidates(state: ImprovedModel, tools: ImproveTools, all: readonly Candidate[]) {
  const some = all.slice(0, MOST.tried);
  const before = await tools.takes((await quantizedState(state)).model);
  if (before === 0) return some;
  const promises: [node: Candidate, promise: number][] = [];
  for (const each of some) {
    tools.check();
    const { model } = await quantizedState(await withoutNodes(state, [each.node]));
    const more = await tools.takes(model) - before;
    promises.push([each, each.noise / Math.max(more, LEAST_COST)]);
  }
  return promises.sort(([, a], [, b]) => b - a).map(([each]) => each);
}

async function search(
  state: ImprovedModel,
  tools: ImproveTools,
): Promise<Remedied | undefined> {
  const { calibration, options } = state;
  const { nodes } = await rankNodes(calibration.model, calibration, {
    ...ranking(options),
    heldOut: tools.few,
  });
  const noisy = nodes.map(({ node, sqnr }): Candidate => ({ node, noise: 10 ** (-sqnr / 10) }));
  await using judge = await OutputJudge.open(
    "tuneOnnx",
    tools.reference ?? calibration.model,
    tools.forRows,
    new Runs({}),
  );
  const sqnr = async (model: OnnxModel) => await judge.sqnr(model, "nodes in float");
  const before = await sqnr((await quantizedState(state)).model);
  let best = { state, sqnr: before };
  const left: string[] = [];
  const share = tools.hasTarget || tools.isToBeFast
    ? nodes.length
    : Math.ceil(nodes.length * MOST.share);
  const most = Math.min(share, nodes.length - 1);
  const gain = tools.hasTarget ? LEAST_GAIN.asked : LEAST_GAIN.unasked;
  for (const { node } of await candidates(state, tools, noisy)) {
    if (left.length >= most) break;
    tools.check();
    const tried = await withoutNodes(best.state, [node]);
    const { model } = await quantizedState(tried);
    const reached = await sqnr(model);
    if (reached < best.sqnr + gain || !await tools.allows(model)) continue;
    best = { state: tried, sqnr: reached };
    left.push(node);
    if (tools.enough(reached - MARGIN)) break;
  }
  if (left.length === 0) return undefined;
  return {
    state: best.state,
    found: left,
    summary:
      `${left.length} of the ${nodes.length} layers stay float, by which the output of the samples ` +
      `gains ${(best.sqnr - before).toFixed(1)} dB: ${left.join(", ")}`,
  };
}

/** The names of nodes that a recipe has. */
export function namesOf(found: unknown): readonly string[] {
  if (Array.isArray(found) && found.every((name) => typeof name === "string")) return found;
  throw new OnnxError("the recipe has something else than names of nodes to leave in float");
}

/**
 * The noisiest layers stay float, one after the other, as long as the output gains and the limits allow: those first that
 * gain most for the bytes and the time that they take.
 */
export const leaveFloat: Remedy = {
  name: "float",
  purpose: "leaves in float what costs most in integers",
  rewrites: false,
  async apply(state, tools, found) {
    if (found === undefined) return await search(state, tools);
    const names = namesOf(found);
    return {
      state: await withoutNodes(state, names),
      found,
      summary: `${names.length} nodes stay float, as the recipe has it`,
    };
  },
};
