/**
 * Which nodes are faster in float where they stand, found by running the model without them.
 *
 * What a node takes by itself says little: bytes have to be made of floats before it and floats of bytes after it unless
 * its neighbours compute with bytes too, and onnxruntime fuses either form with others. So whole models are timed, in
 * which a group of nodes is float: all of a kind, then what comes first, where pictures are large and channels few, or last, then
 * halves of the graph, and halves of these.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { intOf } from "../file/attributes.ts";
import type { QuantizedNode } from "../qdq/quantize_graph.ts";
import { nodeName } from "../qdq/selection.ts";

/** Something else is chosen if the model takes less than this share of the time it took before: less is noise. */
export const WORTHWHILE = 0.98;
/** Of many groups each may gain little: this share is enough for one, if all together gain what is worthwhile. */
const STEP = 0.99;
/** Of fewer nodes there is no half. */
const LEAST_GROUP = 2;
/** What is looked for in this many seconds, unless it is said. */
const SECONDS = 15;
/** How the time of a model compares with the best one's so far, which it takes the place of if less than `worth`. */
export type RaceModel = (model: OnnxModel, worth: number) => Promise<number>;

/** What is needed to find out what is faster in float. */
export interface ByLatencyOptions {
  /** The float graph's nodes. */
  readonly graph: readonly NodeProto[];
  /** How many channels a convolution reads for each that it makes. */
  readonly channels: (node: NodeProto) => number | undefined;
  /** The model with these nodes in float. */
  readonly quantize: (
    left: ReadonlySet<string>,
  ) => Promise<{ readonly model: OnnxModel; readonly nodes: readonly QuantizedNode[] }>;
  /** Opens the race, with the model in which all that can is in bytes. */
  readonly race: (first: OnnxModel) => Promise<RaceModel>;
  /** Seconds by a clock. */
  readonly clock: () => number;
  /** For so many seconds it is tried; 15 by default. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
}

/** What is faster in float. */
export interface ByLatency {
  /** Names of nodes to leave in float, in the graph's order. */
  readonly left: readonly string[];
  /** The time that the model takes then, as a share of what it takes with all in bytes. */
  readonly share: number;
}

/** The shares of the graph at its beginning, and at its end, that are tried in float, one after the other. */
const BEGINNINGS = [1 / 16, 1 / 8, 1 / 4];
const ENDINGS = [1 / 16, 1 / 8];
/** Of so few channels, as pictures have, integer convolutions read no whole vectors. */
const FEW_CHANNELS = 4;

/** The kinds of nodes whose kernels behave alike: those where bytes are known to gain least, and all others. */
function kinds(nodes: readonly NodeProto[], channels: ByLatencyOptions["channels"]) {
  const kindOf = (node: NodeProto): string => {
    if (node.opType !== "Conv") return node.opType;
    if (intOf(node, "group", 1) > 1) return "Conv of groups";
    return (channels(node) ?? Infinity) <= FEW_CHANNELS ? "Conv of few channels" : "Conv";
  };
  const groups = Map.groupBy(nodes, kindOf);
  const first = ["Conv of few channels", "Conv of groups"].filter((kind) => groups.has(kind));
  const others = [...groups.keys()].filter((kind) => !first.includes(kind));
  return [first, others].map((kinds) =>
    kinds.map((kind) => {
      const group = groups.get(kind)!;
      return kind.startsWith("Conv") ? withActivations(group, nodes) : group;
    })
  );
}

/** Operators of one input, and of two, that a convolution's kernel for floats takes in where it computes what they read. */
const ACTIVATIONS = ["Relu", "LeakyRelu", "Clip", "Sigmoid", "HardSigmoid", "Add", "Mul", "Div"];

/** Nodes with those behind them that compute element by element of nothing else, as HardSwish in its parts. */
function withActivations(group: readonly NodeProto[], all: readonly NodeProto[]): NodeProto[] {
  const made = new Set(all.flatMap(({ output }) => output));
  const own = new Set(group.flatMap(({ output }) => output));
  const found = new Set(group);
  for (const node of all) {
    const read = node.input.filter((name) => made.has(name));
    const follows = ACTIVATIONS.includes(node.opType) && read.length > 0 &&
      read.every((name) => own.has(name));
    if (!follows) continue;
    found.add(node);
    for (const name of node.output) own.add(name);
  }
  return [...found];
}

/** A list in two. */
function halves<T>(list: readonly T[]): (readonly T[])[] {
  const middle = Math.ceil(list.length / 2);
  return [list.slice(0, middle), list.slice(middle)];
}

/**
 * Finds the nodes that are to stay float so that the model is fastest. Clocks decide, so that another run may find others:
 * whoever wants the same file again keeps the list.
 */
export async function placeByLatency(options: ByLatencyOptions): Promise<ByLatency> {
  const { graph, quantize, clock, seconds = SECONDS, signal } = options;
  const begin = clock();
  const first = await quantize(new Set());
  const could = new Set(first.nodes.filter(({ quantized }) => quantized).map(({ name }) => name));
  const nodes = graph.filter((node) => could.has(nodeName(node)));
  const names = nodes.map(nodeName);
  const race = await options.race(first.model);
  let best: { readonly left: readonly string[]; readonly float: ReadonlySet<string> } = {
    ...{ left: [], float: new Set() },
  };
  const tried = new Set([""]);
  const attempt = async (float: ReadonlySet<string>) => {
    const left = names.filter((name) => float.has(name));
    const key = left.join("\n");
    if (tried.has(key) || left.length === names.length || clock() - begin > seconds) return;
    tried.add(key);
    signal?.throwIfAborted();
    const { model, nodes } = await quantize(float);
    if (!nodes.some(({ quantized }) => quantized)) return;
    const share = await race(model, STEP);
    if (share < STEP) best = { float, left };
  };
  const toFloat = (group: readonly string[]) => attempt(best.float.union(new Set(group)));
  const toBytes = (group: readonly string[]) => attempt(best.float.difference(new Set(group)));
  const count = (part: number) => Math.ceil(part * names.length);
  const [special, others] = kinds(nodes, options.channels);
  for (const kind of special) await toFloat(kind.map(nodeName));
  const large = (part: number) => count(part) >= LEAST_GROUP;
  for (const part of BEGINNINGS.filter(large)) await toFloat(names.slice(0, count(part)));
  for (const part of ENDINGS.filter(large)) await toFloat(names.slice(-count(part)));
  for (const kind of others) await toFloat(kind.map(nodeName));
  const groups = halves(names);
  for (let group = groups.shift(); group; group = groups.shift()) {
    await toFloat(group);
    await toBytes(group);
    if (group.length > LEAST_GROUP) groups.push(...halves(group));
  }
  if (best.left.length === 0) return { left: [], share: 1 };
  // Of many tries some win by chance; what won has to be faster once more.
  const plain = await race(first.model, 0);
  return plain * WORTHWHILE > 1 ? { left: best.left, share: 1 / plain } : { left: [], share: 1 };
}
