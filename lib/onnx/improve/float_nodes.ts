/**
 * Leaving in float what costs most in integers.
 *
 * @module
 */
import { Runs } from "../../quantization/analysis/inputs.ts";
import type { NodeSensitivity } from "../accuracy/variants.ts";
import { OutputJudge } from "../accuracy/output_judge.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { OnnxModel } from "../file/model.ts";
import type { TensorOverride } from "../qdq/activation_params.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";

/**
 * Nodes that are tried at most, of all candidates those that are judged, the nodes, the beginnings and the ends that are timed
 * where there are limits, how often all that is done, the share of the layers that stays float where neither target nor time
 * says how many, and the share of all time that timing takes at first, and less each time.
 */
const MOST = {
  ...{ tried: 16, judged: 24, timed: 8, cuts: 40, ends: 8, passes: 2 },
  ...{ share: 1 / 8, time: 1 / 10 },
} as const;
/** A node stays float if the output gains so much by it, in dB: less where target or limits say how many. */
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

/** Nodes that may stay float together, and the noise that they make at the model's output. */
interface Candidate {
  readonly nodes: readonly string[];
  readonly noise: number;
}

/** A candidate and what a model takes of the limits with it. */
interface Timed extends Candidate {
  readonly takes: number;
}

/** Where a list of nodes can be cut in two before a layer: for some of the layers, those first that are far from each other. */
function cutsBefore(order: readonly string[], noises: ReadonlyMap<string, number>): number[] {
  const cuts = order.flatMap((node, i) => noises.has(node) && i > 1 ? [i] : []);
  const step = 2 ** Math.ceil(Math.log2(Math.max(cuts.length / MOST.cuts, 1)));
  const turn = (i: number) => [4, 2, 1].findIndex((each) => i % (each * step) === 0);
  return [0, 1, 2].flatMap((round) => cuts.filter((_, i) => turn(i) === round));
}

/**
 * All nodes before a layer, for floats become bytes once then, at whatever layer that is cheapest; and the last ones, which
 * gain something of floats being what the model gives.
 */
function beginningsAndEnds(order: readonly string[], noises: ReadonlyMap<string, number>) {
  const candidate = (nodes: readonly string[]): Candidate => ({
    nodes,
    noise: nodes.reduce((sum, node) => sum + (noises.get(node) ?? 0), 0),
  });
  const cuts = cutsBefore(order, noises);
  const last = cuts.filter((cut) => cut < order.length - 1).sort((a, b) => b - a)
    .slice(0, MOST.ends);
  return [
    cuts.map((cut) => candidate(order.slice(0, cut))),
    last.map((cut) => candidate(order.slice(cut))),
  ];
}

/** The elements of lists, one of each in turn. */
function inTurns<T>(...lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(...lists.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1)))
    .flat();
}

/**
 * The noisiest nodes, and where there are limits the first ones and the last ones together too: those first that make most
 * noise for what they would take of the limits.
 */
async function candidates(
  { state, takes: before, left }: Reached,
  tools: ImproveTools,
  layers: readonly NodeSensitivity[],
  share: number,
): Promise<Timed[]> {
  const all = layers.filter(({ node }) => !left.has(node))
    .map(({ node, sqnr }) => ({ node, nodes: [node], noise: 10 ** (-sqnr / 10) }));
  if (before === 0) return all.slice(0, MOST.tried).map((each) => ({ ...each, takes: 0 }));
  const { nodes } = await quantizedState(state);
  const order = nodes.filter(({ quantized }) => quantized).map(({ name }) => name);
  const noises = new Map(all.map(({ node, noise }) => [node, noise]));
  const timed: Timed[] = [];
  const end = performance.now() + 1000 * tools.seconds * share;
  for (const each of inTurns(all.slice(0, MOST.timed), ...beginningsAndEnds(order, noises))) {
    tools.check();
    if (performance.now() > end) break;
    const { model } = await quantizedState(await withoutNodes(state, each.nodes));
    timed.push({ ...each, takes: await tools.takes(model) });
  }
  const promise = ({ noise, takes }: Timed) => noise / Math.max(takes - before, LEAST_COST);
  return timed.sort((a, b) => promise(b) - promise(a));
}

/** A state, what it is worth and takes, and the nodes that were left in float on the way to it. */
interface Reached {
  readonly state: ImprovedModel;
  readonly sqnr: number;
  readonly takes: number;
  readonly left: ReadonlySet<string>;
}

/** Leaves one candidate after the other in float, as long as the output gains and the limits allow. */
async function addFloats(
  from: Reached,
  tools: ImproveTools,
  layers: readonly NodeSensitivity[],
  sqnrOf: (model: OnnxModel) => Promise<number>,
  { near, time }: { readonly near: boolean; readonly time: number },
): Promise<Reached> {
  const tried = await candidates(from, tools, layers, time);
  // Where the limits are out of reach, what comes nearest to them is what counts.
  const least = Math.min(from.takes, ...tried.map(({ takes }) => takes));
  let limit = near && least > 1 ? least * (1 + SAME) : 1;
  let best = from;
  const names = new Set(layers.map(({ node }) => node));
  const isLimited = tools.hasTarget || tools.isToBeFast;
  const share = isLimited ? layers.length : Math.ceil(layers.length * MOST.share);
  const most = Math.min(share, layers.length - 1);
  const gain = isLimited ? LEAST_GAIN.asked : LEAST_GAIN.unasked;
  const allowed = tried.filter(({ takes }) => takes <= limit).slice(0, MOST.judged);
  for (const { nodes: more } of allowed) {
    if (names.intersection(best.left).size >= most) break;
    tools.check();
    const fresh = more.filter((node) => !best.left.has(node));
    if (fresh.length === 0) continue;
    const state = await withoutNodes(best.state, fresh);
    const { model, nodes } = await quantizedState(state);
    if (!nodes.some(({ quantized }) => quantized)) continue;
    const sqnr = await sqnrOf(model);
    if (sqnr < best.sqnr + gain) continue;
    const takes = await tools.takes(model);
    if (takes > limit) continue;
    if (takes <= 1) limit = 1;
    best = { state, sqnr, takes, left: best.left.union(new Set(fresh)) };
    if (tools.enough(sqnr - MARGIN)) break;
  }
  return best;
}

/**
 * The noisiest nodes stay float as long as the output gains and the limits allow. What a node costs is another once those
 * around it are float, so where there are limits it is gone through more than once.
 *
 * @param near whether it is enough to come as near to the limits as possible where they are out of reach.
 */
export async function floatNodes(
  state: ImprovedModel,
  tools: ImproveTools,
  near = false,
): Promise<(Remedied & { found: readonly string[] }) | undefined> {
  const layers = await tools.ranking(state);
  await using judge = await OutputJudge.open(
    "tuneOnnx",
    tools.reference ?? state.calibration.model,
    tools.forRows,
    new Runs({}),
  );
  const sqnrOf = async (model: OnnxModel) => await judge.sqnr(model, "nodes in float");
  const { model } = await quantizedState(state);
  const takes = await tools.takes(model);
  const first: Reached = { state, sqnr: await sqnrOf(model), takes, left: new Set() };
  let best = first;
  for (let pass = 0; pass < (takes === 0 ? 1 : MOST.passes); pass++) {
    const time = MOST.time / (pass + 1);
    const next = await addFloats(best, tools, layers, sqnrOf, { near, time });
    if (next === best) break;
    best = next;
    if (tools.enough(best.sqnr - MARGIN)) break;
  }
  const left = [...best.left];
  if (left.length === 0) return undefined;
  const count = layers.filter(({ node }) => best.left.has(node)).length;
  return {
    state: best.state,
    found: left,
    summary:
      `${count} of the ${layers.length} layers stay float, by which the output of the samples ` +
      `gains ${(best.sqnr - first.sqnr).toFixed(1)} dB: ${left.join(", ")}`,
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
