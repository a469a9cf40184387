/**
 * A range for each channel where bytes become floats and floats bytes.
 *
 * @module
 */
import type { WeightedNode } from "../calibration/statistics/places.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { removeUnusedInitializers, removeUnusedValueInfos } from "../graph/unused.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { givesFloats } from "../qdq/operators.ts";
import { nodeName } from "../qdq/selection.ts";
import { withoutNodes } from "./float_nodes.ts";
import { denseLayer } from "./islands.ts";
import { ChannelDivision } from "./scale_channels.ts";
import { LEAST_GAIN, readersOf, scalesFor, type Seen, type Smoothed } from "./smoothing.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";
import { weightLayout } from "./weight_matrix.ts";

/** Channels whose greatest magnitude is less than this share of the greatest of all have as wide a range as if it were. */
const LEAST_SCALE = 1 / 1024;

/** What a recipe has of such a step. */
export interface ChannelRanges {
  /** The nodes that stay float, and the Clips of those that are gates. */
  readonly nodes: readonly string[];
  readonly gates: readonly string[];
  /** The layers whose input has ranges of its own for channels, and those whose output has. */
  readonly reads: readonly Smoothed[];
  readonly makes: readonly string[];
}

/** A state with such ranges, and what a recipe has of it. */
export interface RangedModel {
  readonly state: ImprovedModel;
  readonly found: ChannelRanges;
}

/** Layers in bytes, each with the axis of an image's channels. */
export function imageLayers(facts: GraphFacts, bytes: ReadonlySet<string>): WeightedNode[] {
  return facts.graph.node.flatMap((node) => {
    const layer = bytes.has(nodeName(node)) ? denseLayer(facts, node) : undefined;
    if (!layer || layer.reads.channels.axis !== 1 || layer.makes.axis !== 1) return [];
    const { input } = node;
    const own = [1, 2].every((i) => !input[i] || facts.view.uses(input[i]).length === 1);
    const vector = !input[2] || facts.constantDims(input[2])?.length === 1;
    const fits = own && vector && weightLayout(layer, { dims: facts.constantDims(input[1])! });
    return fits ? [layer] : [];
  });
}

/** Factors for what a layer makes, which all channels' bytes are used up by; nothing if that gains little. */
function makesScales({ makes, node }: WeightedNode, { maxima }: Seen): Float64Array | undefined {
  const seen = maxima.get(node.output[0])?.maxima;
  if (!seen || seen.length !== makes.count) return undefined;
  const greatest = seen.reduce((a, b) => Math.max(a, b), 0);
  if (!(greatest > 0 && Number.isFinite(greatest))) return undefined;
  const scales = Float64Array.from(seen, (x) => Math.max(x / greatest, LEAST_SCALE));
  const noise = scales.reduce((sum, s) => sum + s * s, 0) / scales.length;
  return -10 * Math.log10(noise) < LEAST_GAIN ? undefined : scales;
}

/** The layers in bytes that read a value of floats which no other bytes are made of. */
function layersBehind(
  facts: GraphFacts,
  layer: WeightedNode,
  bytes: ReadonlySet<string>,
): WeightedNode[] {
  const [value] = layer.node.input;
  const maker = facts.view.producer(value);
  if (!maker || bytes.has(nodeName(maker))) return [];
  const inBytes = (node: NodeProto) => bytes.has(nodeName(node));
  const readers = readersOf(facts, layer).filter(({ node }) => inBytes(node));
  return readers.length === facts.view.consumers(value).filter(inBytes).length ? readers : [];
}

/** Whether what a layer makes is read by floats alone. */
function isForFloats({ view }: GraphFacts, node: NodeProto, bytes: ReadonlySet<string>): boolean {
  const uses = view.uses(node.output[0]);
  return !givesFloats(node) && uses.length > 0 &&
    uses.every((use) => use.kind === "input" && !bytes.has(nodeName(use.node)));
}

/** Divides in a copy of a model what is bytes and becomes floats, and what is floats and becomes bytes. */
function divided(
  model: OnnxModel,
  bytes: ReadonlySet<string>,
  seen: Seen,
  given?: ChannelRanges,
) {
  const copy = model.clone();
  const facts = new GraphFacts(copy.graph);
  const division = new ChannelDivision(facts, copy);
  const [inputs, outputs] = [
    given && new Map(given.reads.map((each) => [each.node, each])),
    given && new Set(given.makes),
  ];
  const reads: Smoothed[] = [];
  const makes: string[] = [];
  const touched = new Set<string>();
  for (const layer of imageLayers(facts, bytes)) {
    const { node } = layer;
    const name = nodeName(node);
    const [value] = node.input;
    const readers = touched.has(value) || inputs?.has(name) === false
      ? []
      : layersBehind(facts, layer, bytes);
    const found = readers.length > 0 &&
      scalesFor(facts, value, readers, seen, [value], inputs?.get(name));
    if (found && (inputs || found.gain >= LEAST_GAIN)) {
      touched.add(value);
      division.insertFactor(readers, found.scales);
      reads.push({ node: name, alpha: found.alpha, floor: found.floor });
    }
    const scales = outputs?.has(name) !== false && isForFloats(facts, node, bytes) &&
      makesScales(layer, seen);
    if (!scales) continue;
    division.insertBehind(layer, scales);
    makes.push(name);
  }
  if (given && (reads.length < given.reads.length || makes.length < given.makes.length)) {
    throw new OnnxError("the recipe divides channels of layers that the model has not in bytes");
  }
  const factors = division.apply();
  removeUnusedInitializers(copy.graph);
  removeUnusedValueInfos(copy.graph);
  return { model: copy, factors, reads, makes };
}

/** The names of the nodes of a state that compute with bytes. */
export async function bytesOf(state: ImprovedModel): Promise<Set<string>> {
  const { nodes } = await quantizedState(state);
  return new Set(nodes.filter(({ quantized }) => quantized).map(({ name }) => name));
}

/**
 * Leaves nodes in float, and gives channels ranges of their own where these meet bytes.
 *
 * @param gates are written for floats already.
 * @param given what was divided before; what pays by default.
 * @throws {OnnxError} if that is not there.
 */
export async function rangedChannels(
  state: ImprovedModel,
  tools: ImproveTools,
  nodes: readonly string[],
  gates: readonly string[],
  given?: ChannelRanges,
): Promise<RangedModel> {
  const { model } = state.calibration;
  const left = await withoutNodes(state, nodes);
  const maxima = await tools.learn(model, "channelMaxima");
  const sums = await tools.learn(model, "channelSums");
  const seen = { maxima, sums, ranges: await state.calibration.ranges() };
  tools.check();
  const { model: next, factors, reads, makes } = divided(model, await bytesOf(left), seen, given);
  const nodesToExclude = [...left.options.nodesToExclude ?? [], ...factors];
  const options = { ...left.options, nodesToExclude };
  const calibration = await tools.recalibrate(next, state, state.options);
  return {
    state: { calibration, options, weights: new Map(), uncorrected: undefined },
    found: { nodes, gates, reads, makes },
  };
}
