/**
 * Dividing the channels of activations, where layers, normalizations or factors take that over.
 *
 * @module
 */
import type { ChannelMaxima } from "../../quantization/statistics/channel_maxima.ts";
import type { ChannelSums } from "../../quantization/statistics/channel_sums.ts";
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { removeUnusedInitializers, removeUnusedValueInfos } from "../graph/unused.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { TensorRange } from "../qdq/params.ts";
import { nodeName } from "../qdq/selection.ts";
import { isShare } from "../../quantization/improve/found_values.ts";
import {
  type SmoothedWeight,
  type SmoothingExponents,
  type SmoothingScales,
  smoothingScales,
} from "../../quantization/improve/smoothing_scales.ts";
import { type ChannelRegion, channelRegion } from "./channel_region.ts";
import { channelSquares } from "./reader_ranges.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { ChannelDivision, channelOf } from "./scale_channels.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";
import { groupRows, weightLayout } from "./weight_matrix.ts";

/** What takes the division over: the layers before, or normalizations and products. */
type Absorber = "layers" | "norms";

/** Where channels are divided, and how much of the outliers moves. */
export interface Smoothed extends SmoothingExponents {
  /** The node that reads the activation. */
  readonly node: string;
}

/** Less is not worth a change, in dB. */
export const LEAST_GAIN = 0.2;

/** What is known of a model's activations. */
export interface Seen {
  readonly maxima: ReadonlyMap<string, ChannelMaxima>;
  readonly sums: ReadonlyMap<string, ChannelSums>;
  readonly ranges: ReadonlyMap<string, TensorRange>;
}

/** The layers that read a value along the same channels, each with a weight of its own. */
export function readersOf(facts: GraphFacts, { node, reads }: WeightedNode): WeightedNode[] {
  return facts.view.uses(node.input[0]).flatMap((use) => {
    const layer = use.kind === "input" && use.index === 0
      ? weightedNode(facts, use.node)
      : undefined;
    if (!layer || layer.reads.channels.axis !== reads.channels.axis) return [];
    const dims = facts.constantDims(layer.node.input[1])!;
    const own = facts.view.uses(layer.node.input[1]).length === 1;
    return own && weightLayout(layer, { dims }) ? [layer] : [];
  });
}

/** A layer's weight in rows. */
function smoothedWeight(facts: GraphFacts, layer: WeightedNode): SmoothedWeight {
  using weight = facts.constant(layer.node.input[1])!;
  const layout = weightLayout(layer, weight)!;
  const { rows, columns, groups } = layout;
  const all = new Float64Array(rows * columns);
  for (let g = 0; g < groups; g++) {
    all.set(groupRows(weight.data, layout, g), g * (rows / groups) * columns);
  }
  return { rows: all, columns, channelOf: channelOf(layer, rows, columns), perRow: true };
}

/** Factors for the channels that some layers read. */
export function scalesFor(
  facts: GraphFacts,
  value: string,
  readers: readonly WeightedNode[],
  { maxima: known, sums, ranges }: Seen,
  together: Iterable<string>,
  given?: SmoothingExponents,
): SmoothingScales | undefined {
  const seen = known.get(value)?.maxima;
  const squares = sums.get(value)?.meanSquares();
  if (!seen || !squares?.every(Number.isFinite)) return undefined;
  const range = ranges.get(facts.root(value)) ?? ranges.get(value);
  const greatest = seen.reduce((a, b) => Math.max(a, b), 0);
  if (greatest === 0) return undefined;
  // What is divided together has scales of its own, which are not to suffer.
  const maxima = Float64Array.from(seen);
  for (const other of together) {
    const sizes = sums.get(other)?.meanSquares().map(Math.sqrt);
    const largest = sizes?.reduce((a, b) => Math.max(a, b), 0);
    if (other === value || sizes?.length !== maxima.length || !(largest! > 0)) continue;
    sizes.forEach((x, c) => maxima[c] = Math.max(maxima[c], x / largest! * greatest));
  }
  const span = range ? Math.max(range.max, 0) - Math.min(range.min, 0) : 2 * greatest;
  const width = Math.min(Math.max(span / greatest, 1), 2);
  const weights = readers.map((layer) => smoothedWeight(facts, layer));
  // Where outliers are split off, the others are even enough.
  const multiplied = readers.map((layer) => channelSquares(facts, layer)!);
  if (maxima.some((x, c) => x > 0 && multiplied.every((own) => own[c] === 0))) return undefined;
  return smoothingScales({ maxima, meanSquares: squares, width }, weights, given);
}

/** What takes over the division of a value that a layer reads, and what is divided. */
function absorberOf(
  facts: GraphFacts,
  layer: WeightedNode,
): { by: Absorber; region?: ChannelRegion } | undefined {
  const region = channelRegion(facts, layer);
  if (typeof region !== "string") return { by: region.norms > 0 ? "norms" : "layers", region };
  // A product more among the floats of a transformer costs little; among a network's bytes it would not pay.
  return layer.reads.channels.axis === -1 ? { by: "norms" } : undefined;
}

/** A node whose input's division has gates see what was before, and what it gains. */
interface Gated {
  readonly node: string;
  readonly gain: number;
}

/** Divides what can be divided in a copy of a model. */
function smoothedModel(
  model: OnnxModel,
  by: Absorber,
  seen: Seen,
  check: () => void,
  { given, gates }: { given?: readonly Smoothed[]; gates?: ReadonlySet<string> },
): { model: OnnxModel; floats: string[]; done: Smoothed[]; gains: number[]; gated: Gated[] } {
  const copy = model.clone();
  const { graph } = copy;
  const nodes = new Map(graph.node.map((node) => [nodeName(node), node]));
  const touched = new Set<string>();
  const done: Smoothed[] = [];
  const gains: number[] = [];
  const gated: Gated[] = [];
  const facts = new GraphFacts(graph);
  const division = new ChannelDivision(facts, copy);
  const known = given && new Map(given.map((each) => [each.node, each]));
  for (const name of known?.keys() ?? nodes.keys()) {
    check();
    const node = nodes.get(name);
    if (!node) throw new OnnxError(`the recipe smooths the node ${name}, which the model has not`);
    const layer = weightedNode(facts, node);
    if (!layer || touched.has(node.input[0])) continue;
    const absorber = absorberOf(facts, layer);
    if (absorber?.by !== by) continue;
    const own = (absorber.region?.gates.length ?? 0) > 0;
    if (own && gates && !gates.has(name)) continue;
    const [value] = node.input;
    const readers = readersOf(facts, layer);
    if (readers.length === 0) continue;
    const together = absorber.region?.values ?? [];
    const found = scalesFor(facts, value, readers, seen, together, known?.get(name));
    if (!found || !known && found.gain < LEAST_GAIN) continue;
    const { region } = absorber;
    if (region) division.divide(region, layer.reads.channels.axis, found.scales);
    else division.insertFactor(readers, found.scales);
    for (const each of region?.values ?? [value]) touched.add(each);
    if (own) gated.push({ node: name, gain: found.gain });
    done.push({ node: name, alpha: found.alpha, floor: found.floor });
    gains.push(found.gain);
  }
  const floats = division.apply();
  removeUnusedInitializers(graph);
  removeUnusedValueInfos(graph);
  return { model: copy, floats, done, gains, gated };
}

/** Whether a recipe has such places. */
export function areSmoothed(found: unknown): found is Smoothed[] {
  return Array.isArray(found) &&
    found.every((each) =>
      typeof each?.node === "string" && isShare(each.alpha) && isShare(each.floor)
    );
}

/** What a recipe has of such a step. */
function checked(found: unknown): Smoothed[] | undefined {
  if (found === undefined || areSmoothed(found)) return found;
  throw new OnnxError("the recipe has something else than nodes and exponents");
}

/** Divides the channels of activations, where these take it over. */
async function smooth(
  by: Absorber,
  state: ImprovedModel,
  tools: ImproveTools,
  found: unknown,
): Promise<Remedied | undefined> {
  const { calibration: { model }, calibration } = state;
  const given = checked(found);
  const maxima = await tools.learn(model, "channelMaxima");
  const sums = await tools.learn(model, "channelSums");
  const seen = { maxima, sums, ranges: await calibration.ranges() };
  const made = async (gates?: ReadonlySet<string>) => {
    const smoothed = smoothedModel(model, by, seen, tools.check, { given, gates });
    if (smoothed.done.length === 0) return undefined;
    // Bytes would round the factors, which are as uneven as what they even out.
    const nodesToExclude = [...state.options.nodesToExclude ?? [], ...smoothed.floats];
    const options = smoothed.floats.length > 0
      ? { ...state.options, nodesToExclude }
      : state.options;
    const after = await tools.recalibrate(smoothed.model, state, options);
    return {
      smoothed,
      after: { calibration: after, options, weights: new Map(), uncorrected: undefined },
    };
  };
  let best = await made();
  // What gates are made of to see what was before takes time: fewer of them where that is too much, those that gain most.
  let left = given ? [] : best?.smoothed.gated.toSorted((a, b) => b.gain - a.gain) ?? [];
  while (best && left.length > 0 && !await tools.allows((await quantizedState(best.after)).model)) {
    left = left.slice(0, left.length >> 1);
    best = await made(new Set(left.map(({ node }) => node)));
  }
  if (!best) return undefined;
  const { smoothed, after } = best;
  const most = Math.max(...smoothed.gains);
  const count = smoothed.done.length;
  return {
    state: after,
    found: smoothed.done,
    summary:
      `the channels of ${count} ${
        count === 1 ? "activation" : "activations"
      } were divided, which ` +
      `promises up to ${most.toFixed(1)} dB for what reads them`,
  };
}

/**
 * Cross-layer equalization (Nagel et al. 2019, arXiv:1906.04721): the layer before an activation takes the division
 * over, through ReLU and its kin, poolings, sums of residuals and products with gates. For HardSwish written as
 * `x·Clip(x + 3)`, the sum becomes a convolution of each channel, which sees what was before.
 */
export const equalize: Remedy = {
  name: "equalize",
  purpose: "evens out the ranges of channels between layers",
  rewrites: true,
  apply: (state, tools, found) => smooth("layers", state, tools, found),
};

/**
 * SmoothQuant (Xiao et al. 2022, arXiv:2211.10438): the normalization or the product before an activation takes the
 * division over; where what they make is needed elsewhere too, as by a residual, a product is put before the layers.
 */
export const smoothNorms: Remedy = {
  name: "smooth",
  purpose: "moves outliers of activations into weights",
  rewrites: true,
  apply: (state, tools, found) => smooth("norms", state, tools, found),
};
