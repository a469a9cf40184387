/**
 * Biases that make up for what rounding adds on average.
 *
 * @module
 */
import { ChannelSums } from "../calibration/statistics/channel_sums.ts";
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { Remedy } from "./remedy.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";

/** How many groups of layers are corrected one after the other. */
const ROUNDS = 8;

/** The constant that is added to each channel that a layer makes: an input of itself, or of the sum behind it. */
function biasOf(facts: GraphFacts, { node, makes }: WeightedNode): [NodeProto, number] | undefined {
  const isVector = (name: string | undefined) => {
    const dims = name ? facts.constantDims(name) : undefined;
    return dims?.at(-1) === makes.count &&
      dims.every((size, i) => i === dims.length - 1 || size === 1);
  };
  if (node.opType !== "MatMul") return isVector(node.input[2]) ? [node, 2] : undefined;
  const sum = facts.view.onlyReader(node.output[0]);
  if (!sum || !isOp(sum, "Add")) return undefined;
  const index = sum.input.findIndex(isVector);
  return index >= 0 ? [sum, index] : undefined;
}

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

/** The means of the channels that layers make, in a model that has a value for each of them. */
async function meansOf(
  model: OnnxModel,
  layers: ReadonlyMap<string, WeightedNode>,
  tools: ImproveTools,
): Promise<Map<string, Float64Array>> {
  const sums = new Map([...layers].map(([name, { makes }]) => [name, new ChannelSums(makes)]));
  await tools.forActivations(model, [...layers.keys()], (name, data, dims) => {
    sums.get(name)!.observe(data, dims);
  });
  return new Map([...sums].map(([name, each]) => [name, each.means()]));
}

/** A quantized model in which something is added to what layers make, and the names of what some of them make. */
function shifted(
  quantized: OnnxModel,
  changes: ReadonlyMap<string, Float64Array>,
  wanted: readonly Biased[],
): { model: OnnxModel; values: Map<string, WeightedNode> } {
  const model = quantized.clone();
  const { graph, messages } = model;
  const editor = new GraphEditor(graph, messages);
  const nodes = new Map(graph.node.map((node) => [node.name, node]));
  const values = new Map<string, WeightedNode>();
  const facts = new GraphFacts(graph);
  for (const { layer } of wanted) {
    const node = nodes.get(layer.node.name);
    if (node) values.set(node.output[0], layer);
  }
  for (const [name, change] of changes) {
    const node = nodes.get(name);
    if (!node) continue;
    const ones = node.opType === "Conv" || node.opType === "ConvTranspose"
      ? (facts.rank(node.output[0]) ?? 4) - 2
      : 0;
    const dims = [change.length, ...new Array<number>(ones).fill(1)];
    const [output] = node.output;
    const raw = editor.name(`${output}_before`);
    const by = editor.constant(`${output}_change`, "float32", dims, Float32Array.from(change));
    node.output[0] = raw;
    editor.insertAfter(node, editor.node(`${output}/change`, "Add", [raw, by], [output]));
  }
  editor.apply();
  return { model, values };
}

/** What is to be added to each bias, by the names of layers. */
async function changesOf(state: ImprovedModel, tools: ImproveTools, layers: readonly Biased[]) {
  const { calibration: { model } } = state;
  const byValue = new Map(layers.map(({ layer }) => [layer.node.output[0], layer]));
  const target = await meansOf(model, byValue, tools);
  const { model: quantized } = await quantizedState(state);
  const changes = new Map<string, Float64Array>();
  const each = Math.ceil(layers.length / ROUNDS);
  for (let from = 0; from < layers.length; from += each) {
    const some = layers.slice(from, from + each);
    const { model: now, values } = shifted(quantized, changes, some);
    const means = await meansOf(now, values, tools);
    const made = new Map(now.graph.node.map((node) => [node.name, node]));
    for (const { layer: { node } } of some) {
      const got = means.get(made.get(node.name)?.output[0] ?? "");
      const change = got && target.get(node.output[0])!.map((mean, c) => mean - got[c]);
      if (change?.every(Number.isFinite)) changes.set(node.name, change);
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
 * average is added to the biases, layer after layer in a few rounds, so that later ones see what earlier ones give then.
 */
export const correctBiases: Remedy = {
  name: "bias",
  purpose: "makes up for what rounding adds on average, layer after layer",
  rewrites: false,
  async apply(state, tools) {
    const { model, count } = await corrected(state, tools);
    if (count === 0) return undefined;
    return {
      state: { ...state, calibration: state.calibration.withModel(model) },
      found: undefined,
      summary: `${count} biases were corrected by what their layers were off by on average`,
    };
  },
};
