/**
 * Biases that make up for what rounding the weights adds on average.
 *
 * @module
 */
import type { ChannelSums } from "../calibration/statistics/channel_sums.ts";
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import type { NodeProto } from "../file/proto.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { Remedy } from "./remedy.ts";
import { channelOf } from "./scale_channels.ts";
import { dequantized } from "./simulation.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";
import { weightLayout } from "./weight_matrix.ts";

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

/** What rounding a layer's weight takes away from each channel that it makes, on average. */
function lostMeans(
  facts: GraphFacts,
  layer: WeightedNode,
  rounded: Float32Array,
  means: Float64Array,
): Float64Array | undefined {
  using weight = facts.constant(layer.node.input[1])!;
  const layout = weightLayout(layer, weight);
  if (!layout) return undefined;
  const { rows, columns, at } = layout;
  const channel = channelOf(layer, rows, columns);
  const lost = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < columns; k++) {
      lost[r] += (weight.data[at(r, k)] - rounded[at(r, k)]) * means[channel(r, k)];
    }
  }
  return lost;
}

/** Adds to the biases of a copy of the model. */
async function corrected(state: ImprovedModel, tools: ImproveTools) {
  const { calibration: { model } } = state;
  const sums: ReadonlyMap<string, ChannelSums> = (await tools.learn(model, "channelSums"))
    .learned("channelSums");
  const { model: quantized } = await quantizedState(state);
  const constants = new Map(quantized.graph.initializer.map((tensor) => [tensor.name, tensor]));
  const made = new Map(quantized.graph.node.map((node) => [node.output[0], node]));
  const copy = model.clone();
  const facts = new GraphFacts(copy.graph);
  const editor = new GraphEditor(copy.graph, copy.messages);
  const done = new Set<string>();
  let count = 0;
  for (const node of copy.graph.node) {
    const layer = weightedNode(facts, node);
    const bias = layer && biasOf(facts, layer);
    const means = layer && sums.get(node.input[0])?.means();
    const reader = made.get(`${node.input[1]}_dequantized`);
    const rounded = reader && dequantized(reader, constants);
    if (!layer || !bias || !rounded || !means?.every(Number.isFinite)) continue;
    const lost = lostMeans(facts, layer, rounded.data, means);
    const [owner, index] = bias;
    if (!lost || done.has(owner.input[index])) continue;
    done.add(owner.input[index]);
    using before = facts.constant(owner.input[index])!;
    const data = before.data.map((b, c) => b + lost[c]);
    editor.replaceConstant(owner, index, "float32", before.dims, data);
    count++;
  }
  editor.apply();
  return { model: copy, count };
}

/**
 * Bias correction (Nagel et al. 2019, arXiv:1906.04721): what rounding the weights takes from each output on average,
 * `(W − Q(W))·E[x]`, is added to the biases.
 */
export const correctBiases: Remedy = {
  name: "bias",
  purpose: "makes up for what rounding the weights adds on average",
  rewrites: false,
  async apply(state, tools) {
    const { model, count } = await corrected(state, tools);
    if (count === 0) return undefined;
    return {
      state: { ...state, calibration: state.calibration.withModel(model) },
      found: undefined,
      summary: `${count} biases were corrected by the means of their layers' inputs`,
    };
  },
};
