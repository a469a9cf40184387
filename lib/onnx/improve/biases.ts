/**
 * Biases that make up for what rounding adds on average.
 *
 * @module
 */
import { spread } from "../../quantization/statistics/channels.ts";
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import type { NodeProto } from "../file/proto.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { Remedy } from "./remedy.ts";
import { type HeldValue, StepwiseRun } from "./stepwise_run.ts";
import { comparableState, type ImprovedModel, type ImproveTools } from "./state.ts";
import { biasOf, inRounds } from "./weighted_layers.ts";

/** Places of each layer's output that are looked at, and the share that counts as outliers at each end. */
const MOST_ROWS = 1024;
const TRIMMED = 0.1;

/** A layer with a bias, and what is to be added to it. */
interface Biased {
  readonly layer: WeightedNode;
  /** Who has the bias. */
  readonly owner: NodeProto;
  readonly index: number;
}

/** The layers whose biases can be changed, in the order in which they run. */
function biasedLayers(facts: GraphFacts): Biased[] {
  const done = new Set<string>();
  return facts.graph.node.flatMap((node) => {
    const layer = node.name ? weightedNode(facts, node) : undefined;
    const bias = layer && biasOf(facts, layer);
    if (!bias || done.has(bias[0].input[bias[1]])) return [];
    done.add(bias[0].input[bias[1]]);
    return [{ layer, owner: bias[0], index: bias[1] }];
  });
}

/** Some of the places of what a layer makes, a row of channels for each. */
function rowsAt(
  { makes }: WeightedNode,
  { data, dims }: HeldValue,
  most: number,
): Float32Array[] {
  const { outer, inner } = spread(makes, dims);
  const count = outer * inner;
  return Array.from({ length: Math.min(count, most) }, (_, i) => {
    const place = Math.floor(i * count / Math.min(count, most));
    const [o, at] = [Math.floor(place / inner), place % inner];
    return Float32Array.from(
      { length: makes.count },
      (_, c) => data[(o * makes.count + c) * inner + at],
    );
  });
}

/** Adds to each channel of what a layer makes. */
function shift({ makes }: WeightedNode, { data, dims }: HeldValue, change: Float64Array): void {
  const { outer, inner } = spread(makes, dims);
  for (let i = 0; i < outer * makes.count; i++) {
    const by = change[i % makes.count];
    for (let at = i * inner; at < (i + 1) * inner; at++) data[at] += by;
  }
}

/**
 * What each channel is off by on average, without the places where it is off most: an outlier that is cut off is not to
 * be made up for by all others.
 */
export function typicalError(
  target: readonly Float32Array[],
  got: readonly Float32Array[],
): Float64Array {
  const cut = Math.floor(target.length * TRIMMED);
  const errors = new Float64Array(target.length);
  return Float64Array.from(target[0] ?? [], (_, c) => {
    target.forEach((row, i) => errors[i] = row[c] - got[i][c]);
    const kept = errors.sort().subarray(cut, errors.length - cut);
    return kept.reduce((sum, x) => sum + x, 0) / kept.length;
  });
}

/**
 * What each channel is typically off by, and less of it where samples do not agree, for other samples will not either:
 * what is left is the share that their differences do not explain (James and Stein 1961).
 */
export function likelyError(
  target: readonly (readonly Float32Array[])[],
  got: readonly (readonly Float32Array[])[],
): Float64Array {
  const typical = typicalError(target.flat(), got.flat());
  const count = target.length;
  if (count < 2) return typical;
  const own = target.map((rows, i) => typicalError(rows, got[i]));
  return typical.map((error, c) => {
    const mean = own.reduce((sum, each) => sum + each[c], 0) / count;
    const spread = own.reduce((sum, each) => sum + (each[c] - mean) ** 2, 0) / (count - 1);
    return error === 0 ? 0 : error * Math.max(0, 1 - spread / count / error ** 2);
  });
}

/** What is to be added to each bias, by the names of layers. */
async function changesOf(state: ImprovedModel, tools: ImproveTools, layers: readonly Biased[]) {
  const { calibration: { model }, uncorrected = model } = state;
  const samples = tools.forRows;
  const most = Math.ceil(MOST_ROWS / samples.length);
  const { model: quantized } = await comparableState(state);
  const nodes = new Map(quantized.graph.node.map((node) => [node.name, node]));
  const [float, bytes] = [uncorrected, quantized]
    .map((each) => new StepwiseRun(each, samples, tools.check));
  const changes = new Map<string, Float64Array>();
  for (const some of inRounds(model, layers)) {
    const pairs = some.flatMap(({ layer }) => {
      const own = nodes.get(layer.node.name)?.output[0];
      return own === undefined ? [] : [{ layer, own }];
    });
    const targets = await float.advance(pairs.map(({ layer }) => layer.node.output[0]));
    const made = await bytes.advance(pairs.map(({ own }) => own));
    for (const { layer, own } of pairs) {
      const [target, got] = [targets.get(layer.node.output[0])!, made.get(own)!]
        .map((held) => held.map((each) => rowsAt(layer, each, most)));
      const change = likelyError(target, got);
      if (!change.every(Number.isFinite)) continue;
      changes.set(layer.node.name, change);
      // What comes behind sees what this one gives then.
      for (const each of made.get(own)!) shift(layer, each, change);
    }
  }
  return changes;
}

/** Adds to the biases of a copy of the model. */
async function corrected(state: ImprovedModel, tools: ImproveTools) {
  const copy = state.calibration.model.clone();
  const facts = new GraphFacts(copy.graph);
  const layers = biasedLayers(facts);
  const changes = layers.length > 0 ? await changesOf(state, tools, layers) : new Map();
  const editor = new GraphEditor(copy.graph, copy.messages);
  for (const { layer: { node: { name } }, owner, index } of layers) {
    const change = changes.get(name);
    if (!change) continue;
    using before = facts.constant(owner.input[index])!;
    const data = before.data.map((b, c) => b + change[c]);
    editor.replaceConstant(owner, index, "float32", before.dims, data);
  }
  editor.apply();
  return { model: copy, count: changes.size };
}

/**
 * Bias correction (Nagel et al. 2019, arXiv:1906.04721), by observed errors: what each output of a layer is off by on
 * average is added to the biases, layer after layer, so that later ones see what earlier ones give then.
 */
export const correctBiases: Remedy = {
  name: "bias",
  purpose: "makes up for what rounding adds on average, layer after layer",
  rewrites: false,
  async apply(state, tools) {
    const { model, count } = await corrected(state, tools);
    if (count === 0) return undefined;
    return {
      state: {
        ...state,
        calibration: state.calibration.withModel(model),
        uncorrected: state.uncorrected ?? state.calibration.model,
      },
      found: undefined,
      summary: `${count} biases were corrected by what their layers were off by on average`,
    };
  },
};
