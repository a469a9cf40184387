/**
 * Channels whose outliers ruin an activation are multiplied with floats, beside the others.
 *
 * @module
 */
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import { LEAST_SPLIT, outliersToSplit } from "../../quantization/improve/channel_splits.ts";
import { areChannels, areEnds } from "../../quantization/improve/found_values.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { NodeProto } from "../file/proto.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";
import { removeUnusedInitializers } from "../graph/unused.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { attributeProblem, givesFloats } from "../qdq/operators.ts";
import { nodeName } from "../qdq/selection.ts";
import { rangesByReaders, readerWeights } from "./reader_ranges.ts";
import type { Remedied, Remedy } from "./remedy.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";
import { weightLayout } from "./weight_matrix.ts";

/** An activation, and the channels that are split off. */
interface Split {
  /** The activation. */
  readonly value: string;
  /** Its outlier channels. */
  readonly channels: readonly number[];
  /** The range that is left to the others; found out if it is not there. */
  readonly range?: { readonly min: number; readonly max: number };
}

/** The matrix products of a value that have a weight of their own; nothing if none has. */
function products(facts: GraphFacts, value: string): WeightedNode[] {
  return facts.view.uses(value).flatMap((use) => {
    if (use.kind !== "input" || use.index !== 0 || !givesFloats(use.node)) return [];
    const layer = weightedNode(facts, use.node);
    if (!layer || layer.reads.channels.axis !== -1 || attributeProblem(use.node)) return [];
    const own = facts.view.uses(use.node.input[1]).length === 1;
    return own && facts.constantDims(use.node.input[1])!.length === 2 ? [layer] : [];
  });
}

/** Splits channels of an activation off for one product. */
function splitProduct(
  facts: GraphFacts,
  editor: GraphEditor,
  layer: WeightedNode,
  side: string,
  channels: readonly number[],
): string {
  const { node } = layer;
  using weight = facts.constant(node.input[1])!;
  const { rows, at } = weightLayout(layer, weight)!;
  const rest = weight.data.slice();
  const split = new Float32Array(channels.length * rows);
  channels.forEach((c, i) => {
    for (let r = 0; r < rows; r++) {
      split[i * rows + r] = rest[at(r, c)];
      rest[at(r, c)] = 0;
    }
  });
  const wish = `${node.input[1]}_outliers`;
  editor.replaceConstant(node, 1, "float32", weight.dims, rest);
  const constant = editor.constant(wish, "float32", [channels.length, rows], split);
  // Behind the bias, which onnxruntime's kernel adds for nothing where it is next to it.
  const sum = facts.view.onlyReader(node.output[0]);
  const biased = sum && isOp(sum, "Add") && sum.input.some((name) => facts.isConstant(name));
  const last: NodeProto = biased ? sum : node;
  const [output] = last.output;
  const name = editor.name(`${output}_outliers`);
  const main = editor.name(`${output}_others`);
  const product = editor.node(`${name}/MatMul`, "MatMul", [side, constant], [name]);
  const add = editor.node(`${name}/Add`, "Add", [main, name], [output]);
  last.output[0] = main;
  editor.insertAfter(last, product, add);
  return product.name;
}

/** Splits channels off in a copy of a model; gives the names of the products that stay float too. */
function splitModel(model: OnnxModel, splits: readonly Split[]) {
  const copy = model.clone();
  const facts = new GraphFacts(copy.graph);
  const editor = new GraphEditor(copy.graph, copy.messages);
  const floats: string[] = [];
  for (const { value, channels } of splits) {
    const layers = products(facts, value);
    const maker = facts.view.producer(value);
    const count = layers[0]?.reads.channels.count ?? 0;
    if (!maker || !channels.every((c) => c < count)) {
      throw new OnnxError(
        `the recipe splits channels of ${value} off, which the model has not where products are made of it`,
      );
    }
    const places = BigInt64Array.from(channels, BigInt);
    const at = editor.constant(`${value}_places`, "int64", [channels.length], places);
    const side = editor.name(`${value}_outliers`);
    const gather = editor.node(`${side}/Gather`, "Gather", [value, at], [side], { axis: -1 });
    editor.insertAfter(maker, gather);
    floats.push(gather.name);
    for (const layer of layers) floats.push(splitProduct(facts, editor, layer, side, channels));
  }
  editor.apply();
  removeUnusedInitializers(copy.graph);
  return { model: copy, floats };
}

/** What a recipe has of such a step. */
function checked(found: unknown): Split[] {
  const fits = Array.isArray(found) &&
    found.every((each) =>
      typeof each?.value === "string" && areChannels(each.channels) && areEnds(each.range)
    ) && new Set(found.map(({ value }) => value)).size === found.length;
  if (!fits) throw new OnnxError("the recipe has something else than activations and channels");
  return found as Split[];
}

/** The state with channels split off. */
async function applied(
  state: ImprovedModel,
  tools: ImproveTools,
  splits: readonly Split[],
): Promise<{ state: ImprovedModel; splits: Split[] }> {
  const { model, floats } = splitModel(state.calibration.model, splits);
  const nodesToExclude = [...state.options.nodesToExclude ?? [], ...floats];
  const options = { ...state.options, nodesToExclude };
  const calibration = await tools.recalibrate(model, state, options);
  const open = splits.filter(({ range }) => !range).map(({ value }) => value);
  const symmetric = options.activationSymmetric ?? false;
  const ranges = await rangesByReaders(model, tools, open, symmetric);
  const done = splits.map((split) => ({
    ...split,
    range: split.range ?? ranges.get(split.value)!,
  }));
  const own = Object.fromEntries(done.map(({ value, range }) => [value, range]));
  const tensorOverrides = { ...options.tensorOverrides, ...own };
  const after = { calibration, options: { ...options, tensorOverrides }, weights: new Map() };
  return { state: after, splits: done };
}

/**
 * Whether the products of a value are all that is to do with its bytes: others would see its outliers cut off, and so would
 * the products of these, if the value came as bytes.
 */
function isOnlyMultiplied(
  facts: GraphFacts,
  value: string,
  inBytes: (node: NodeProto) => boolean,
): boolean {
  const own = new Set(products(facts, value).map(({ node }) => node));
  const maker = facts.view.producer(value);
  return own.size > 0 && maker !== undefined && !inBytes(maker) &&
    facts.view.consumers(value).every((node) => own.has(node) || !inBytes(node));
}

/** Splits off what pays most, and less of it until the limits allow it. */
async function search(state: ImprovedModel, tools: ImproveTools): Promise<Remedied | undefined> {
  const { calibration: { model } } = state;
  const facts = new GraphFacts(model.graph);
  const maxima = await tools.learn(model, "channelMaxima");
  // Those too that are left in float for their outliers' sake: without these they are fit for bytes.
  const options = { ...state.options, optimize: "size" } as const;
  const { activations, nodes } = await quantizedState({ ...state, options });
  const bytes = new Set(activations.map(({ name }) => name));
  const quantized = new Set(nodes.flatMap(({ name, quantized }) => quantized ? [name] : []));
  const inBytes = (node: NodeProto) => quantized.has(nodeName(node));
  const multiplied = readerWeights(facts, [...maxima.keys()]);
  let splits = [...maxima].flatMap(([value, found]) => {
    const fits = bytes.has(value) && isOnlyMultiplied(facts, value, inBytes) &&
      // Nothing was split off yet.
      found.maxima.every((x, c) => x === 0 || multiplied.get(value)!.weights[c] > 0);
    const { channels, gain } = fits ? outliersToSplit(found.maxima) : { channels: [], gain: 0 };
    return gain >= LEAST_SPLIT ? [{ value, channels, gain }] : [];
  }).sort((a, b) => b.gain - a.gain);
  while (splits.length > 0) {
    tools.check();
    const places = splits.map(({ value, channels }): Split => ({ value, channels }));
    const done = await applied(state, tools, places);
    const { model: quantized } = await quantizedState(done.state);
    if (!await tools.allows(quantized) && splits.length > 1) {
      splits = splits.slice(0, splits.length >> 1);
      continue;
    }
    const channels = splits.reduce((sum, each) => sum + each.channels.length, 0);
    return {
      state: done.state,
      found: done.splits,
      summary: `${channels} channels of ${splits.length} activations, up to ${
        splits[0].gain.toFixed(1)
      } dB above the others, are multiplied with floats`,
    };
  }
}

/**
 * Outlier channels apart, as in LLM.int8() (Dettmers et al. 2022, arXiv:2208.07339), but chosen once: the few channels
 * of a product's input that are far greater than all others are multiplied with floats beside it, so that the range of
 * bytes is left to the others.
 */
export const splitOutliers: Remedy = {
  name: "split",
  purpose: "multiplies outlier channels with floats, beside the others",
  rewrites: true,
  async apply(state, tools, found) {
    if (found === undefined) return await search(state, tools);
    const splits = checked(found);
    return {
      state: (await applied(state, tools, splits)).state,
      found,
      summary: `the channels of ${splits.length} activations are split off as the recipe has it`,
    };
  },
};
