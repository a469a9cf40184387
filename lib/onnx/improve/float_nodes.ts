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

/**
 * Nodes that are tried at most, of all candidates those that are judged, the nodes and the beginnings that are timed where
 * there are limits, the share of the layers that stays float where neither target nor time says how many, and the share of all time that timing takes.
 */
const MOST = { tried: 16, judged: 24, timed: 8, cuts: 40, share: 1 / 8, time: 1 / 10 } as const;
/** A node stays float if the output gains so much by it, in dB: less where there is something to reach. */
const LEAST_GAIN = { asked: 0.1, unasked: 0.25 } as const;
/** How much less samples that were not seen may reach than those of the search, in dB. */
const MARGIN = 0.5;
/** What a node counts to take of the limits at least: less cannot be told from what clocks are off by. */
const LEAST_COST = 0.005;
/** What is taken more by this share cannot be told from as much. */
const SAME = 0.02;

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

/** Nodes that may stay float together, and the noise that they make at the model's output. */
interface Candidate {
  readonly nodes: readonly string[];
  readonly noise: number;
}

/** A candidate and what a model takes of the limits with it. */
interface Timed extends Candidate {
  readonly takes: number;
}

/** All nodes before a layer, for some of the layers: floats become bytes once then, at whatever layer that is cheapest. */
function beginnings(
  order: readonly string[],
  noises: ReadonlyMap<string, number>,
): Candidate[] {
  const cuts = order.flatMap((node, i) => noises.has(node) && i > 1 ? [i] : []);
  const step = 2 ** Math.ceil(Math.log2(Math.max(cuts.length / MOST.cuts, 1)));
  // Those that are far from each other first, for time may be over before all are timed.
  const turn = (i: number) => [4, 2, 1].findIndex((each) => i % (each * step) === 0);
  const chosen = [0, 1, 2].flatMap((round) => cuts.filter((_, i) => turn(i) === round));
  return chosen.map((cut) => {
    const nodes = order.slice(0, cut);
    return { nodes, noise: nodes.reduce((sum, node) => sum + (noises.get(node) ?? 0), 0) };
  });
}

/**
 * The noisiest nodes, and where there are limits the first ones together too: those first that make most noise for what
 * they would take of the limits.
 */
async function candidates(
  state: ImprovedModel,
  tools: ImproveTools,
  all: readonly (Candidate & { node: string })[],
  before: number,
): Promise<Timed[]> {
  if (before === 0) return all.slice(0, MOST.tried).map((each) => ({ ...each, takes: 0 }));
  const { nodes } = await quantizedState(state);
  const order = nodes.filter(({ quantized }) => quantized).map(({ name }) => name);
  const noises = new Map(all.map(({ node, noise }) => [node, noise]));
  const timed: Timed[] = [];
  const end = performance.now() + 1000 * tools.seconds * MOST.time;
  for (const each of [...all.slice(0, MOST.timed), ...beginnings(order, noises)]) {
    tools.check();
    if (performance.now() > end) break;
    const { model } = await quantizedState(await withoutNodes(state, each.nodes));
    timed.push({ ...each, takes: await tools.takes(model) });
  }
  const promise = ({ noise, takes }: Timed) => noise / Math.max(takes - before, LEAST_COST);
  return timed.sort((a, b) => promise(b) - promise(a));
}

/**
 * The noisiest nodes stay float as long as the output gains and the limits allow.
 *
 * @param near whether it is enough to come as near to the limits as possible where they are out of reach.
 */
export async function floatNodes(
  state: ImprovedModel,
  tools: ImproveTools,
  near = false,
): Promise<(Remedied & { found: readonly string[] }) | undefined> {
  const { calibration, options } = state;
  const { nodes } = await rankNodes(calibration.model, calibration, {
    ...ranking(options),
    heldOut: tools.few,
  });
  const noisy = nodes.map(({ node, sqnr }) => ({ node, nodes: [node], noise: 10 ** (-sqnr / 10) }));
  await using judge = await OutputJudge.open(
    "tuneOnnx",
    tools.reference ?? calibration.model,
    tools.forRows,
    new Runs({}),
  );
  const sqnr = async (model: OnnxModel) => await judge.sqnr(model, "nodes in float");
  const first = (await quantizedState(state)).model;
  const before = await sqnr(first);
  const taken = await tools.takes(first);
  const tried = await candidates(state, tools, noisy, taken);
  // Where the limits are out of reach, what comes nearest to them is what counts.
  const least = Math.min(taken, ...tried.map(({ takes }) => takes));
  let limit = near && least > 1 ? least * (1 + SAME) : 1;
  let best = { state, sqnr: before };
  const left = new Set<string>();
  const layers = new Set(nodes.map(({ node }) => node));
  const layersIn = (names: ReadonlySet<string>) => layers.intersection(names).size;
  const share = tools.hasTarget || tools.isToBeFast
    ? nodes.length
    : Math.ceil(nodes.length * MOST.share);
  const most = Math.min(share, nodes.length - 1);
  const gain = tools.hasTarget ? LEAST_GAIN.asked : LEAST_GAIN.unasked;
  const allowed = tried.filter(({ takes }) => takes <= limit).slice(0, MOST.judged);
  for (const { nodes: more } of allowed) {
    if (layersIn(left) >= most) break;
    tools.check();
    const fresh = more.filter((node) => !left.has(node));
    if (fresh.length === 0) continue;
    const next = await withoutNodes(best.state, fresh);
    const { model, nodes } = await quantizedState(next);
    if (!nodes.some(({ quantized }) => quantized)) continue;
    const reached = await sqnr(model);
    if (reached < best.sqnr + gain) continue;
    const takes = await tools.takes(model);
    if (takes > limit) continue;
    if (takes <= 1) limit = 1;
    best = { state: next, sqnr: reached };
    for (const node of fresh) left.add(node);
    if (tools.enough(reached - MARGIN)) break;
  }
  if (left.size === 0) return undefined;
  return {
    state: best.state,
    found: [...left],
    summary:
      `${
        layersIn(left)
      } of the ${nodes.length} layers stay float, by which the output of the samples ` +
      `gains ${(best.sqnr - before).toFixed(1)} dB: ${[...left].join(", ")}`,
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
    if (found === undefined) return await floatNodes(state, tools);
    const names = namesOf(found);
    return {
      state: await withoutNodes(state, names),
      found,
      summary: `${names.length} nodes stay float, as the recipe has it`,
    };
  },
};
