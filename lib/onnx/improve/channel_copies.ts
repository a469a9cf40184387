/**
 * Outlier channels twice, at half their size.
 *
 * @module
 */
import { intOf } from "../file/attributes.ts";
import {
  channelsTwice,
  LEAST_COPY,
  outliersToCopy,
  type RepeatedChannels,
} from "../../quantization/improve/channel_copies.ts";
import { areChannels } from "../../quantization/improve/found_values.ts";
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { NodeProto } from "../file/proto.ts";
import { floatConstant } from "../graph/float_constant.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";
import { removeUnusedInitializers } from "../graph/unused.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";
import { biasOf } from "./weighted_layers.ts";
import { weightLayout } from "./weight_matrix.ts";

/** A value, and its channels that are made twice. */
interface Copied {
  readonly value: string;
  readonly channels: readonly number[];
}

/** A value whose channels can be made twice. */
interface Place {
  readonly maker: WeightedNode;
  readonly readers: readonly WeightedNode[];
  /** What changes its shape. */
  readonly values: readonly string[];
}

/** What gives half of its output for half of its input, element by element. */
const HALVED = ["Relu", "LeakyRelu"];

/** A layer that has its weight for itself, and all channels in one group. */
function ownLayer(facts: GraphFacts, node: WeightedNode["node"]): WeightedNode | undefined {
  const layer = weightedNode(facts, node);
  if (!layer || layer.reads.groups > 1 || facts.view.uses(node.input[1]).length > 1) {
    return undefined;
  }
  return weightLayout(layer, { dims: facts.constantDims(node.input[1])! }) && layer;
}

/** Where channels can be made twice, by the values that are read. */
function placesOf(facts: GraphFacts): Map<string, Place> {
  const found = new Map<string, Place>();
  for (const node of facts.graph.node) {
    const maker = ownLayer(facts, node);
    if (!maker) continue;
    const bias = biasOf(facts, maker);
    if (bias && facts.view.uses(bias[0].input[bias[1]]).length > 1) continue;
    // What is added is not known, or no number a channel.
    if (node.input[2] && !bias) continue;
    const values = bias && bias[0] !== node
      ? [node.output[0], bias[0].output[0]]
      : [node.output[0]];
    const next = facts.view.onlyReader(values.at(-1)!);
    if (next && isOp(next, ...HALVED)) values.push(next.output[0]);
    const value = values.at(-1)!;
    const uses = facts.view.uses(value);
    const readers = uses.flatMap((use) => {
      const layer = use.kind === "input" && use.index === 0 ? ownLayer(facts, use.node) : undefined;
      const { axis, count } = maker.makes;
      const { channels } = layer?.reads ?? {};
      return layer && channels?.axis === axis && channels.count === count ? [layer] : [];
    });
    const own = new Set(readers.map(({ node }) => node)).size === uses.length;
    if (readers.length > 0 && own) found.set(value, { maker, readers, values });
  }
  return found;
}

/** Whether the first axis of a weight counts its layer's outputs; its second does otherwise. */
function outputsFirst({ node }: WeightedNode): boolean {
  return node.opType === "Conv" || node.opType === "Gemm" && intOf(node, "transB", 0) !== 0;
}

/** Gives a constant some of its channels once more at its end, times a factor where they were and there. */
function repeat(
  editor: GraphEditor,
  node: NodeProto,
  index: number,
  repeated: RepeatedChannels,
): void {
  using before = floatConstant(editor.constantTensor(node.input[index]))!;
  const { dims, data } = channelsTwice(before.data, before.dims, repeated);
  editor.replaceConstant(node, index, "float32", dims, data);
}

/** Makes channels twice in a copy of a model. */
function copied(model: OnnxModel, all: readonly Copied[]): OnnxModel {
  const copy = model.clone();
  const { graph } = copy;
  const facts = new GraphFacts(graph);
  const places = placesOf(facts);
  const editor = new GraphEditor(graph, copy.messages);
  const changed = new Set<string>();
  for (const { value, channels } of all) {
    const place = places.get(value);
    if (!place || !channels.every((c) => c < place.maker.makes.count)) {
      throw new OnnxError(
        `the recipe makes channels of ${value} twice, which cannot be done in the model`,
      );
    }
    const { maker, readers, values } = place;
    const bias = biasOf(facts, maker);
    if (bias) {
      const axis = facts.constantDims(bias[0].input[bias[1]])!.length - 1;
      repeat(editor, ...bias, { axis, channels, factor: 0.5 });
    }
    const outputs = outputsFirst(maker) ? 0 : 1;
    repeat(editor, maker.node, 1, { axis: outputs, channels, factor: 0.5 });
    for (const layer of readers) {
      const inputs = outputsFirst(layer) ? 1 : 0;
      repeat(editor, layer.node, 1, { axis: inputs, channels, factor: 1 });
    }
    for (const name of values) changed.add(name);
  }
  editor.apply();
  graph.valueInfo = graph.valueInfo.filter(({ name }) => !changed.has(name));
  removeUnusedInitializers(graph);
  return copy;
}

/** What a recipe has of such a step. */
function checked(found: unknown): Copied[] {
  const fits = Array.isArray(found) &&
    found.every((each) => typeof each?.value === "string" && areChannels(each.channels)) &&
    new Set(found.map(({ value }) => value)).size === found.length;
  if (!fits) throw new OnnxError("the recipe has something else than activations and channels");
  return found as Copied[];
}

/** What is worth it, the most promising first. */
async function search(state: ImprovedModel, tools: ImproveTools) {
  const { calibration: { model } } = state;
  const places = placesOf(new GraphFacts(model.graph));
  if (places.size === 0) return [];
  const maxima = await tools.learn(model, "channelMaxima");
  const bytes = new Set((await quantizedState(state)).activations.map(({ name }) => name));
  return [...places.keys()].flatMap((value) => {
    const seen = bytes.has(value) && maxima.get(value);
    const { channels, gain } = seen ? outliersToCopy(seen.maxima) : { channels: [], gain: 0 };
    return gain >= LEAST_COPY ? [{ value, channels, gain }] : [];
  }).sort((a, b) => b.gain - a.gain);
}

async function copyChannels(
  state: ImprovedModel,
  tools: ImproveTools,
  found: unknown,
): Promise<Remedied | undefined> {
  const all = found === undefined ? await search(state, tools) : checked(found);
  if (all.length === 0) return undefined;
  const own = all.map(({ value, channels }): Copied => ({ value, channels }));
  const model = copied(state.calibration.model, own);
  const channels = own.reduce((sum, each) => sum + each.channels.length, 0);
  return {
    state: {
      ...state,
      calibration: await tools.recalibrate(model, state, state.options),
      ...{ weights: new Map(), uncorrected: undefined },
    },
    found: own,
    summary: `${channels} channels of ${own.length} activations are made twice at half their size`,
  };
}

/**
 * Outlier channel splitting (Zhao et al. 2019, arXiv:1901.09504): a channel that is far greater than the others is made
 * twice, each half as large, and what reads it multiplies both with the same weights; so the range of all becomes up to
 * half as wide, for a few channels more. The layer before makes them, through ReLU too.
 */
export const copyOutliers: Remedy = {
  name: "copy",
  purpose: "makes outlier channels twice, at half their size",
  rewrites: true,
  apply: copyChannels,
};
