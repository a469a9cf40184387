/**
 * Rounding weights so that layers make up for what those before them are off by.
 *
 * @module
 */
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { channelAxis } from "../qdq/operators.ts";
import { nodeName } from "../qdq/selection.ts";
import type { QuantizedConstant } from "../qdq/weights.ts";
import {
  adaroundRows,
  LONGEST_SAMPLED,
  productsOfRows,
  type SampledRows,
  sampledRows,
} from "../../quantization/improve/sampled_rows.ts";
import type { Remedy } from "./remedy.ts";
import { comparableState, type ImprovedModel, type ImproveTools } from "./state.ts";
import { weightsMatter } from "./weight_noise.ts";
import { biasOf, inRounds } from "./weighted_layers.ts";
import { groupRows, type WeightLayout, weightLayout } from "./weight_matrix.ts";

/** The greatest integer of weights, and the least. */
const MOST = 127;
/** Times that the quantized model is looked at while its layers are rounded. */
const MOST_BLOCKS = 8;
/** A layer whose weight is to be rounded. */
interface RoundedLayer {
  readonly layer: WeightedNode;
  readonly layout: WeightLayout;
}

/** The layers that become integers and have a weight of their own. */
function roundedLayers(
  facts: GraphFacts,
  { options: { nodesToExclude } }: ImprovedModel,
): RoundedLayer[] {
  const floats = new Set(nodesToExclude);
  return facts.graph.node.flatMap((node) => {
    const layer = weightedNode(facts, node);
    if (!layer || facts.view.uses(node.input[1]).length > 1 || floats.has(nodeName(node))) {
      return [];
    }
    const layout = weightLayout(layer, { dims: facts.constantDims(node.input[1])! });
    return layout && layout.columns <= LONGEST_SAMPLED ? [{ layer, layout }] : [];
  });
}

/** Rows of what layers read, a piece a sample, by the names of layers. */
type Rows = Map<string, SampledRows[]>;

/** Some rows of what layers of a model read, the same places in each model. */
async function rowsOf(
  model: OnnxModel,
  layers: readonly RoundedLayer[],
  tools: ImproveTools,
): Promise<Rows> {
  const nodes = new Map(model.graph.node.map((node) => [node.name, node]));
  const readers = new Map<string, RoundedLayer[]>();
  const rows: Rows = new Map();
  for (const each of layers) {
    const { name } = each.layer.node;
    const [value] = nodes.get(name)?.input ?? [];
    if (!value) continue;
    readers.set(value, [...readers.get(value) ?? [], each]);
    rows.set(name, []);
  }
  let sample = 0;
  const values = [...readers.keys()];
  await tools.forActivations(model, values, (value, data, dims) => {
    for (const { layer: { node, reads } } of readers.get(value)!) {
      rows.get(node.name)!.push(sampledRows(reads, data, dims, [sample, tools.forRows.length]));
    }
    if (value === values.at(-1)) sample++;
  }, tools.forRows);
  return rows;
}

/** What a recipe has of such a step, if time was over before all blocks were done: how many were. */
function blocksIn(found: unknown): number {
  if (found === undefined) return Infinity;
  const { blocks } = (found ?? {}) as { blocks?: unknown };
  if (!Number.isInteger(blocks) || blocks as number < 1) {
    throw new OnnxError("the recipe does not say how many blocks of weights are rounded");
  }
  return blocks as number;
}

/** Rounds the weights of all layers, block by block, as far as time goes; at most so many blocks. */
async function round(state: ImprovedModel, tools: ImproveTools, most: number) {
  const uncorrected = state.uncorrected ?? state.calibration.model;
  const model = uncorrected.clone();
  const facts = new GraphFacts(model.graph);
  const layers = roundedLayers(facts, state);
  const rounds = inRounds(model, layers);
  const blocks = Math.min(MOST_BLOCKS, rounds.length);
  const weights = new Map(state.weights);
  let now = state;
  const roundBlock = async (inTurn: readonly RoundedLayer[][]) => {
    const some = inTurn.flat();
    const first = new Set(inTurn[0]);
    const float = await rowsOf(uncorrected, some, tools);
    const quantized = await rowsOf((await comparableState(now)).model, some, tools);
    const editor = new GraphEditor(model.graph, model.messages);
    for (const each of some) {
      tools.check();
      const { layer: { node, reads } } = each;
      // What comes into a block is made up for once, by those that read it first.
      const [own, other] = [first.has(each) ? float : quantized, quantized]
        .map((rows) => rows.get(node.name));
      if (!own?.length || !other?.length) continue;
      const bias = biasOf(facts, each.layer);
      using weight = facts.constant(node.input[1])!;
      const { weight: done, shift } = roundLayer(
        each,
        weight,
        tools,
        (group) => productsOfRows(reads, group, own, other, !!bias),
      );
      weights.set(node.input[1], { ...done, axis: channelAxis(node) });
      if (!bias) continue;
      const [owner, index] = bias;
      using before = facts.constant(owner.input[index])!;
      const data = before.data.map((b, c) => b + shift[c]);
      editor.replaceConstant(owner, index, "float32", before.dims, data);
    }
    editor.apply();
  };
  let done = 0;
  for (; done < Math.min(blocks, most); done++) {
    const [from, to] = [done, done + 1].map((i) => Math.floor(i * rounds.length / blocks));
    try {
      await roundBlock(rounds.slice(from, to));
    } catch (error) {
      if (done === 0 || !tools.isOver) throw error;
      break;
    }
    now = {
      ...{ ...state, uncorrected },
      calibration: state.calibration.withModel(model.clone()),
      weights: new Map(weights),
    };
  }
  return { state: now, done, blocks, count: now.weights.size };
}

/** The integers of one layer's weight, and what is to be added to its bias. */
function roundLayer(
  { layout }: RoundedLayer,
  weight: { readonly data: Float32Array; readonly dims: readonly number[] },
  tools: ImproveTools,
  productsOf: (group: number) => ReturnType<typeof productsOfRows>,
): { weight: QuantizedConstant; shift: Float64Array } {
  const { groups, rows, columns, at } = layout;
  const perGroup = rows / groups;
  const integers = new Int8Array(weight.data.length);
  const scale = new Float32Array(rows);
  const shift = new Float64Array(rows);
  for (let g = 0; g < groups; g++) {
    const own = groupRows(weight.data, layout, g);
    const rounded = adaroundRows(own, productsOf(g), perGroup, MOST, tools.check);
    scale.set(rounded.scales, g * perGroup);
    shift.set(rounded.shift, g * perGroup);
    rounded.integers.forEach((q, i) =>
      integers[at(g * perGroup + Math.floor(i / columns), i % columns)] = q
    );
  }
  const { dims } = weight;
  return {
    weight: { type: "int8", dims, integers, scale, zeroPoint: new Int8Array(rows) },
    shift,
  };
}

/** AdaRound of every weight in 8 bits that has a scale a channel. */
export const adaptRounding: Remedy = {
  name: "adaround",
  purpose: "rounds weights so that each layer makes up for those before it",
  rewrites: false,
  async apply(state, tools, found) {
    const { perChannel = true, weightType = "int8", reduceRange = false } = state.options;
    if (!perChannel || weightType !== "int8" || reduceRange) return undefined;
    if (found === undefined && !await weightsMatter(state, tools)) return undefined;
    const { state: after, done, blocks, count } = await round(state, tools, blocksIn(found));
    if (count === 0) return undefined;
    return {
      state: after,
      found: done < blocks ? { blocks: done } : undefined,
      summary:
        `${count} weights were rounded so that they make up for what the layers before are off by`,
    };
  },
};
