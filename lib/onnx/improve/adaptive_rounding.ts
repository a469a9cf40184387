/**
 * Rounding weights so that layers make up for what those before them are off by.
 *
 * @module
 */
import {
  columnsAt,
  type ReadRows,
  rowCount,
  rowLength,
} from "../../quantization/statistics/rows.ts";
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import type { OnnxModel } from "../file/model.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import { channelAxis } from "../qdq/operators.ts";
import { nodeName } from "../qdq/selection.ts";
import type { QuantizedConstant } from "../qdq/weights.ts";
import { adaround } from "../../quantization/improve/adaround.ts";
import type { Remedy } from "./remedy.ts";
import { trusted } from "../../quantization/improve/trusted_covariance.ts";
import { type ImprovedModel, type ImproveTools, quantizedState } from "./state.ts";
import { biasOf, inRounds } from "./weighted_layers.ts";
import { groupRows, type WeightLayout, weightLayout } from "./weight_matrix.ts";

/** The greatest integer of weights, and the least. */
const MOST = 127;
/** Times that the quantized model is looked at while its layers are rounded. */
const MOST_BLOCKS = 8;
/** Rows that are looked at: for each column so many, within these. */
const ROWS = { least: 1024, most: 4096, perColumn: 8 } as const;
/** What keeps weights near to what they were, as a share of the mean square of what they multiply. */
const REFIT_DAMPING = 0.3;
/** Where the places of rows begin that are looked at. */
const SEED = 1;

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
    return layout ? [{ layer, layout }] : [];
  });
}

/** Places that look random, none twice, the same each time. */
function somePlaces(count: number, most: number, seed: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  // One of each part of the whole.
  let state = seed >>> 0;
  return Array.from({ length: most }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const [from, to] = [Math.floor(i * count / most), Math.floor((i + 1) * count / most)];
    return from + Math.floor(state / 2 ** 32 * (to - from));
  });
}

/** Rows of what layers read, a piece a sample, by the names of layers. */
type Rows = Map<string, { columns: Float32Array; n: number }[]>;

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
      const all = Math.min(Math.max(ROWS.perColumn * rowLength(reads), ROWS.least), ROWS.most);
      const most = Math.ceil(all / tools.forRows.length);
      const places = somePlaces(rowCount(reads, dims), most, SEED + sample);
      rows.get(node.name)!.push({
        columns: columnsAt(reads, data, dims, places),
        n: places.length,
      });
    }
    if (value === values.at(-1)) sample++;
  }, tools.forRows);
  return rows;
}

/** The means of products of columns of rows of a group, and of the columns, of what a layer reads in two models. */
function products(
  { groups, ...reads }: ReadRows,
  group: number,
  float: Rows extends Map<string, infer List> ? List : never,
  quantized: typeof float,
  centered: boolean,
) {
  const size = rowLength({ groups, ...reads });
  let n = 0;
  for (const each of quantized) n += each.n;
  const [x, y] = [float, quantized].map((pieces) => {
    const all = new Float32Array(size * n);
    const means = new Float64Array(size);
    for (let k = 0; k < size; k++) {
      let at = k * n;
      for (const piece of pieces) {
        const from = (group * size + k) * piece.n;
        all.set(piece.columns.subarray(from, from + piece.n), at);
        at += piece.n;
      }
      if (!centered) continue;
      const column = all.subarray(k * n, (k + 1) * n);
      let sum = 0;
      for (let r = 0; r < n; r++) sum += column[r];
      means[k] = sum / n;
      for (let r = 0; r < n; r++) column[r] -= means[k];
    }
    return { all, means };
  });
  const covariance = new Float64Array(size * size);
  const cross = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      cross[i * size + j] = dot(x.all, i * n, y.all, j * n, n) / n;
      if (j >= i) {
        covariance[i * size + j] =
          covariance[j * size + i] =
            dot(y.all, i * n, y.all, j * n, n) / n;
      }
    }
  }
  return { covariance, cross, n, means: { float: x.means, quantized: y.means } };
}

function dot(x: Float32Array, a: number, y: Float32Array, b: number, n: number): number {
  let [s, t, u, v] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < n; i += 4) {
    s += x[a + i] * y[b + i];
    t += x[a + i + 1] * y[b + i + 1];
    u += x[a + i + 2] * y[b + i + 2];
    v += x[a + i + 3] * y[b + i + 3];
  }
  for (; i < n; i++) s += x[a + i] * y[b + i];
  return (s + t) + (u + v);
}

/** Rounds the weights of all layers, block by block. */
async function round(state: ImprovedModel, tools: ImproveTools) {
  const model = state.calibration.model.clone();
  const facts = new GraphFacts(model.graph);
  const layers = roundedLayers(facts, state);
  const rounds = inRounds(model, layers);
  const blocks = Math.min(MOST_BLOCKS, rounds.length);
  const weights = new Map(state.weights);
  let now = state;
  for (let block = 0; block < blocks; block++) {
    const [from, to] = [block, block + 1].map((i) => Math.floor(i * rounds.length / blocks));
    const some = rounds.slice(from, to).flat();
    const float = await rowsOf(state.calibration.model, some, tools);
    const quantized = await rowsOf((await quantizedState(now)).model, some, tools);
    const editor = new GraphEditor(model.graph, model.messages);
    for (const each of some) {
      tools.check();
      const { layer: { node, reads } } = each;
      const [own, other] = [float, quantized].map((rows) => rows.get(node.name));
      if (!own?.length || !other?.length) continue;
      const bias = biasOf(facts, each.layer);
      using weight = facts.constant(node.input[1])!;
      const { weight: done, shift } = roundLayer(
        each,
        weight,
        tools,
        (group) => products(reads, group, own, other, !!bias),
      );
      weights.set(node.input[1], { ...done, axis: channelAxis(node) });
      if (!bias) continue;
      const [owner, index] = bias;
      using before = facts.constant(owner.input[index])!;
      const data = before.data.map((b, c) => b + shift[c]);
      editor.replaceConstant(owner, index, "float32", before.dims, data);
    }
    editor.apply();
    now = {
      ...state,
      calibration: state.calibration.withModel(model.clone()),
      weights: new Map(weights),
    };
  }
  return { state: now, count: weights.size };
}

/** The integers of one layer's weight, and what is to be added to its bias. */
function roundLayer(
  { layout }: RoundedLayer,
  weight: { readonly data: Float32Array; readonly dims: readonly number[] },
  tools: ImproveTools,
  productsOf: (group: number) => ReturnType<typeof products>,
): { weight: QuantizedConstant; shift: Float64Array } {
  const { groups, rows, columns, at } = layout;
  const perGroup = rows / groups;
  const integers = new Int8Array(weight.data.length);
  const scale = new Float32Array(rows);
  const shift = new Float64Array(rows);
  for (let g = 0; g < groups; g++) {
    const own = groupRows(weight.data, layout, g);
    const { covariance, cross, means, n } = productsOf(g);
    const rounded = adaround(own, trusted(covariance, own, n), perGroup, {
      ...{
        quantMin: -MOST,
        quantMax: MOST,
        cross: trusted(cross, own, n),
        refitDamping: REFIT_DAMPING,
        onRows: tools.check,
      },
    });
    scale.set(rounded.scales, g * perGroup);
    for (let r = 0; r < perGroup; r++) {
      for (let k = 0; k < columns; k++) {
        const q = rounded.integers[r * columns + k];
        integers[at(g * perGroup + r, k)] = q;
        shift[g * perGroup + r] += own[r * columns + k] * means.float[k] -
          q * rounded.scales[r] * means.quantized[k];
      }
    }
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
  purpose: "rounds weights so that layers make up for what those before are off by",
  rewrites: false,
  async apply(state, tools) {
    const { perChannel = true, weightType = "int8", reduceRange = false } = state.options;
    if (!perChannel || weightType !== "int8" || reduceRange) return undefined;
    const { state: after, count } = await round(state, tools);
    if (count === 0) return undefined;
    return {
      state: after,
      found: undefined,
      summary:
        `${count} weights were rounded so that they make up for what the layers before are off by`,
    };
  },
};
