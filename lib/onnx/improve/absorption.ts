/**
 * What a channel always holds goes into the biases of the layers that read it.
 *
 * @module
 */
import {
  ChannelEnds,
  isUnpadded,
  LEAST_SHIFT,
  shiftsOf,
} from "../../quantization/improve/channel_shifts.ts";
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { NodeProto } from "../file/proto.ts";
import type { FloatConstant } from "../graph/float_constant.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";
import { removeUnusedInitializers } from "../graph/unused.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { channelOf } from "./scale_channels.ts";
import type { ImprovedModel, ImproveTools } from "./state.ts";
import { biasOf } from "./weighted_layers.ts";
import { weightLayout } from "./weight_matrix.ts";

/** A value, and what its channels are lowered by. */
interface Absorbed {
  readonly value: string;
  readonly shifts: readonly number[];
}

/** A value that can be lowered: who makes it, who reads it, and whether a ReLU is between. */
interface Place {
  readonly value: string;
  readonly maker: WeightedNode;
  readonly readers: readonly WeightedNode[];
  readonly cut: boolean;
}

/** A layer that has its weight for itself. */
function ownLayer(facts: GraphFacts, node: WeightedNode["node"]): WeightedNode | undefined {
  const layer = weightedNode(facts, node);
  if (!layer || facts.view.uses(node.input[1]).length > 1) return undefined;
  return weightLayout(layer, { dims: facts.constantDims(node.input[1])! }) && layer;
}

/** Where values can be lowered. */
function placesOf(facts: GraphFacts): Map<string, Place> {
  const found = new Map<string, Place>();
  for (const node of facts.graph.node) {
    const maker = ownLayer(facts, node);
    const bias = maker && biasOf(facts, maker);
    if (!bias) continue;
    const [made] = bias[0].output;
    const next = facts.view.onlyReader(made);
    const cut = next !== undefined && isOp(next, "Relu");
    const value = cut ? next.output[0] : made;
    const uses = facts.view.uses(value);
    const readers = uses.flatMap((use) => {
      const layer = use.kind === "input" && use.index === 0 ? ownLayer(facts, use.node) : undefined;
      const alike = layer && layer.reads.channels.axis === maker.makes.axis &&
        layer.reads.channels.count === maker.makes.count;
      return alike && isUnpadded(layer.reads) && biasOf(facts, layer) ? [layer] : [];
    });
    if (readers.length > 0 && readers.length === uses.length) {
      found.set(value, { value, maker, readers, cut });
    }
  }
  return found;
}

/** What the channels of values reach from and to, over all samples. */
async function endsOf(
  model: OnnxModel,
  places: ReadonlyMap<string, Place>,
  tools: ImproveTools,
): Promise<Map<string, ChannelEnds>> {
  const ends = new Map<string, ChannelEnds>();
  const visit = (value: string, data: Float32Array, dims: readonly number[]) => {
    const own = ends.get(value) ?? new ChannelEnds(places.get(value)!.maker.makes);
    ends.set(value, own);
    own.observe(data, dims);
  };
  await tools.forActivations(model, [...places.keys()], visit, tools.all);
  return ends;
}

/** Lowers the channels of values in a copy of a model. */
function lowered(model: OnnxModel, absorbed: readonly Absorbed[]): OnnxModel {
  const copy = model.clone();
  const facts = new GraphFacts(copy.graph);
  const places = placesOf(facts);
  const biases = new Map<NodeProto, { readonly index: number; readonly bias: FloatConstant }>();
  const add = (layer: WeightedNode, by: (c: number) => number) => {
    const [owner, index] = biasOf(facts, layer)!;
    using before = facts.constant(owner.input[index])!;
    const { bias: { dims, data } } = biases.get(owner) ?? { bias: before };
    biases.set(owner, { index, bias: { dims, data: data.map((b, c) => b + by(c)) } });
  };
  for (const { value, shifts } of absorbed) {
    const place = places.get(value);
    if (place?.maker.makes.count !== shifts.length) {
      throw new OnnxError(
        `the recipe lowers channels of ${value}, which cannot be done in the model`,
      );
    }
    add(place.maker, (c) => -shifts[c]);
    for (const layer of place.readers) {
      using weight = facts.constant(layer.node.input[1])!;
      const { rows, columns, at } = weightLayout(layer, weight)!;
      const channel = channelOf(layer, rows, columns);
      add(layer, (r) => {
        let sum = 0;
        for (let k = 0; k < columns; k++) sum += weight.data[at(r, k)] * shifts[channel(r, k)];
        return sum;
      });
    }
  }
  const editor = new GraphEditor(copy.graph, copy.messages);
  for (const [owner, { index, bias: { dims, data } }] of biases) {
    editor.replaceConstant(owner, index, "float32", dims, data);
  }
  editor.apply();
  removeUnusedInitializers(copy.graph);
  return copy;
}

/** What a recipe has of such a step. */
function checked(found: unknown): Absorbed[] {
  const fits = Array.isArray(found) &&
    found.every((each) =>
      typeof each?.value === "string" && Array.isArray(each.shifts) &&
      each.shifts.every(Number.isFinite)
    );
  if (!fits) throw new OnnxError("the recipe has something else than activations and shifts");
  return found as Absorbed[];
}

/** What is worth lowering. */
async function search({ calibration: { model } }: ImprovedModel, tools: ImproveTools) {
  const places = placesOf(new GraphFacts(model.graph));
  if (places.size === 0) return { absorbed: [], gain: 0 };
  const ends = await endsOf(model, places, tools);
  const all = [...places].map(([value, place]) => ({
    ...{ value, ...shiftsOf(ends.get(value)!, place.cut) },
  }));
  const some = all.filter(({ gain }) => gain >= LEAST_SHIFT);
  return {
    absorbed: some.map(({ value, shifts }): Absorbed => ({ value, shifts })),
    gain: some.reduce((most, each) => Math.max(most, each.gain), 0),
  };
}

async function absorb(
  state: ImprovedModel,
  tools: ImproveTools,
  found: unknown,
): Promise<Remedied | undefined> {
  const { absorbed, gain } = found === undefined
    ? await search(state, tools)
    : { absorbed: checked(found), gain: undefined };
  if (absorbed.length === 0) return undefined;
  const model = lowered(state.calibration.model, absorbed);
  const { length } = absorbed;
  return {
    state: {
      ...state,
      calibration: await tools.recalibrate(model, state, state.options),
      ...{ weights: new Map(), uncorrected: undefined },
    },
    found: absorbed,
    summary:
      `the channels of ${length} ${
        length === 1 ? "activation" : "activations"
      } were lowered by what ` +
      `they always hold` +
      (gain === undefined ? "" : `, by which ranges become up to ${gain.toFixed(1)} dB narrower`),
  };
}

/**
 * Absorption of high biases (Nagel et al. 2019, arXiv:1906.04721): what a channel holds at least on all samples is taken
 * from the bias of the layer that makes it and added, times their weights, to the biases of the layers that read it. After
 * a ReLU that is exact as long as the channel goes no lower; without one, where the middle of the channel is taken, always.
 * A layer that reads zeros around a picture would not see them lowered, so nothing is done before it.
 */
export const absorbBiases: Remedy = {
  name: "absorb",
  purpose: "moves what a channel always holds into the biases behind it",
  rewrites: true,
  apply: absorb,
};
