/**
 * Floats between layers, where limits of time allow them.
 *
 * @module
 */
import { Runs } from "../../quantization/analysis/inputs.ts";
import { OutputJudge } from "../accuracy/output_judge.ts";
import { weightedNode } from "../calibration/statistics/places.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { nodeName } from "../qdq/selection.ts";
import { TARGETS } from "../qdq/targets.ts";
import {
  bytesOf,
  type ChannelRanges,
  imageLayers,
  rangedChannels,
  type RangedModel,
} from "./channel_ranges.ts";
import { floatNodes, namesOf, withoutNodes } from "./float_nodes.ts";
import { type Gate, rewriteGates } from "./hard_gates.ts";
import { islandsOf } from "./islands.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { areSmoothed } from "./smoothing.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";

/** An island whose bytes make less noise than this share of all does not stay float. */
const LEAST_SHARE = 1 / 100;
/** Parts of what lies between layers that are judged, each by a run of the whole: of more, neighbours go together. */
const MOST_PARTS = 32;
/** Where the first nodes alone gain so much in float, in dB, they are what time is best taken for. */
const ENOUGH = 3;

/** Writes the gates among nodes so that floats compute them fast. */
async function gated(
  state: ImprovedModel,
  tools: ImproveTools,
  wanted: (gate: Gate) => boolean,
): Promise<{ state: ImprovedModel; gates: string[] }> {
  const { model, names: gates } = rewriteGates(state.calibration.model, wanted);
  if (gates.length === 0) return { state, gates };
  const calibration = await tools.recalibrate(model, state, state.options);
  return { state: { ...state, calibration, weights: new Map(), uncorrected: undefined }, gates };
}

/** The islands whose bytes would make most noise, the noisiest first. */
async function noisiest(
  { state }: RangedModel,
  tools: ImproveTools,
  islands: readonly (readonly string[])[],
): Promise<(readonly string[])[]> {
  const reference = tools.reference ?? state.calibration.model;
  await using judge = await OutputJudge.open("tuneOnnx", reference, tools.few, new Runs({}));
  const noise = async (inBytes: readonly string[]) => {
    tools.check();
    const now = new Set(inBytes);
    const nodesToExclude = state.options.nodesToExclude?.filter((name) => !now.has(name));
    const options = { ...state.options, nodesToExclude };
    return 10 ** (-await sqnrOf(judge, { ...state, options }) / 10);
  };
  const least = await noise([]);
  const noises = new Map<readonly string[], number>();
  for (const island of islands) noises.set(island, await noise(island) - least);
  return islands.filter((island) => noises.get(island)! > LEAST_SHARE * least)
    .toSorted((a, b) => noises.get(b)! - noises.get(a)!);
}

/** SQNR of a state's output. */
async function sqnrOf(judge: OutputJudge, state: ImprovedModel): Promise<number> {
  return await judge.sqnr((await quantizedState(state)).model, "floats between layers");
}

/** Lists, neighbours put together so that there are not too many. */
function inParts(lists: readonly (readonly string[])[]): string[][] {
  const size = Math.ceil(lists.length / MOST_PARTS);
  const count = Math.ceil(lists.length / size);
  return Array.from({ length: count }, (_, i) => lists.slice(i * size, (i + 1) * size).flat());
}

/** How many of the first islands the limits allow to stay float; the time hardly depends on their channels. */
async function allowed(
  state: ImprovedModel,
  tools: ImproveTools,
  islands: readonly (readonly string[])[],
): Promise<number> {
  let [least, most] = [0, islands.length];
  while (least < most) {
    tools.check();
    const middle = (least + most + 1) >> 1;
    const tried = await withoutNodes(state, islands.slice(0, middle).flat());
    if (await tools.allows((await quantizedState(tried)).model)) least = middle;
    else most = middle - 1;
  }
  return least;
}

/** With islands in float: all if the limits allow it, or else those that gain most. */
async function withIslands(
  state: ImprovedModel,
  tools: ImproveTools,
  all: readonly (readonly string[])[],
): Promise<{ made: RangedModel; all: boolean } | undefined> {
  const inside = new Set(all.flat());
  const { state: from, gates } = await gated(
    state,
    tools,
    ({ sum, clip, product }) => [sum, clip, product].every((node) => inside.has(nodeName(node))),
  );
  const present = new Set(from.calibration.model.graph.node.map(nodeName));
  const islands = inParts(all.map((island) => island.filter((name) => present.has(name))));
  const made = await rangedChannels(from, tools, islands.flat(), gates);
  if (await tools.allows((await quantizedState(made.state)).model)) return { made, all: true };
  const best = await noisiest(made, tools, islands);
  // Clocks differ from one time to the other.
  for (let n = await allowed(from, tools, best); n > 0; n -= Math.ceil(n / 8)) {
    const fewer = await rangedChannels(from, tools, best.slice(0, n).flat(), gates);
    const { model } = await quantizedState(fewer.state);
    if (await tools.allows(model)) return { made: fewer, all: false };
  }
}

/** As many of the first nodes in float as the limits allow. */
async function withBeginning(state: ImprovedModel, tools: ImproveTools): Promise<ImprovedModel> {
  const bytes = await bytesOf(state);
  const facts = new GraphFacts(state.calibration.model.graph);
  const parts: string[][] = [];
  for (const node of facts.graph.node) {
    if (!bytes.has(nodeName(node))) continue;
    if (parts.length === 0 || weightedNode(facts, node)) parts.push([]);
    parts.at(-1)!.push(nodeName(node));
  }
  const count = await allowed(state, tools, parts.slice(0, -1));
  return await withoutNodes(state, parts.slice(0, count).flat());
}

/** Floats between layers, or the noisiest nodes where the first of them gain most, as far as the limits allow. */
async function search(state: ImprovedModel, tools: ImproveTools): Promise<Remedied | undefined> {
  // Floats take time, and what they take elsewhere is not known.
  const { target = "onnxruntime" } = state.options;
  if (TARGETS[target].elsewhere || !tools.isToBeFast) return undefined;
  const { model } = state.calibration;
  const bytes = await bytesOf(state);
  const facts = new GraphFacts(model.graph);
  const islands = islandsOf(facts, bytes);
  if (islands.length === 0 || imageLayers(facts, bytes).length === 0) return undefined;
  const reference = tools.reference ?? model;
  await using judge = await OutputJudge.open("tuneOnnx", reference, tools.forRows, new Runs({}));
  // The limits are to be taken up by what gains most.
  const plain = await sqnrOf(judge, state);
  const first = await sqnrOf(judge, await withBeginning(state, tools));
  if (first > plain + ENOUGH) {
    const floats = await floatNodes(state, tools);
    if (!floats) return undefined;
    const nodes = floats.found;
    let made = await rangedChannels(state, tools, nodes, []);
    // Factors that are no scales take time, which floats have taken up.
    if (!await tools.allows((await quantizedState(made.state)).model)) {
      made = await rangedChannels(state, tools, nodes, [], {
        nodes,
        gates: [],
        reads: [],
        makes: [],
      });
    }
    return { ...made, summary: sentence(made.found) };
  }
  const found = await withIslands(state, tools, islands);
  if (!found) return undefined;
  const { made, all } = found;
  if (!all && await sqnrOf(judge, made.state) < first) return undefined;
  return { ...made, summary: sentence(made.found) };
}

function sentence({ nodes, reads, makes }: ChannelRanges): string {
  const count = reads.length + makes.length;
  const ranges = `, and the channels of ${count} activations have ranges of their own next to them`;
  return `${nodes.length} nodes stay float${count > 0 ? ranges : ""}`;
}

/** What a recipe has of such a step. */
function checked(found: unknown): ChannelRanges {
  const { nodes, gates, reads, makes } = (found ?? {}) as Partial<ChannelRanges>;
  if (!areSmoothed(reads)) {
    throw new OnnxError("the recipe has something else than layers and exponents");
  }
  return { nodes: namesOf(nodes), gates: namesOf(gates), reads, makes: namesOf(makes) };
}

/**
 * What stands between the layers that multiply with whole weights stays float, such as depthwise convolutions, gates and
 * sums, where that pays; and where bytes become floats and floats bytes, each channel has a range of its own: a factor
 * that goes into the layer's weight, and into the scales of QuantizeLinear and DequantizeLinear.
 */
export const rangeChannels: Remedy = {
  name: "channels",
  purpose: "leaves floats between layers, and gives channels ranges of their own there",
  rewrites: true,
  async apply(state, tools, given) {
    if (given === undefined) return await search(state, tools);
    const found = checked(given);
    const wanted = new Set(found.gates);
    const { state: from, gates } = await gated(
      state,
      tools,
      ({ clip }) => wanted.has(nodeName(clip)),
    );
    if (gates.length < wanted.size) {
      throw new OnnxError("the recipe rewrites gates that the model has not");
    }
    const made = await rangedChannels(from, tools, found.nodes, found.gates, found);
    return { ...made, summary: sentence(made.found) };
  },
};
