/**
 * Ranges by what rounding an activation costs the layers that read it.
 *
 * @module
 */
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import { spread } from "../../quantization/statistics/channels.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { TensorRange } from "../qdq/params.ts";
import { weightLayout } from "./weight_matrix.ts";
import { channelOf } from "./scale_channels.ts";
import type { ImproveTools } from "./state.ts";
import type { OnnxModel } from "../file/model.ts";
import { fitRange, WeightedHistogram } from "../../quantization/improve/weighted_histogram.ts";

/** How much the square of what each channel of a value is off by counts in the outputs of the layers that read it. */
export interface ReaderWeights {
  /** Where the channels lie. */
  readonly layer: WeightedNode;
  /** The sum of the squares that each channel is multiplied with; 0 where nothing reads it. */
  readonly weights: Float64Array;
}

/** The squares that the channels of a layer's input are multiplied with, added up. */
export function channelSquares(facts: GraphFacts, layer: WeightedNode): Float64Array | undefined {
  using weight = facts.constant(layer.node.input[1]);
  const layout = weight && weightLayout(layer, weight);
  if (!layout) return undefined;
  const { rows, columns, at } = layout;
  const channel = channelOf(layer, rows, columns);
  const squares = new Float64Array(layer.reads.channels.count);
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < columns; k++) squares[channel(r, k)] += weight!.data[at(r, k)] ** 2;
  }
  return squares;
}

/** What layers make of each of some values; nothing of one that no layer with a weight reads. */
export function readerWeights(
  facts: GraphFacts,
  values: readonly string[],
): Map<string, ReaderWeights> {
  const found = new Map<string, ReaderWeights>();
  const wanted = new Set(values);
  for (const node of facts.graph.node) {
    const layer = wanted.has(node.input[0]) ? weightedNode(facts, node) : undefined;
    const own = layer && channelSquares(facts, layer);
    if (!layer || !own) continue;
    const known = found.get(node.input[0]);
    if (!known) found.set(node.input[0], { layer, weights: own });
    else if (known.weights.length === own.length) own.forEach((w, c) => known.weights[c] += w);
  }
  return found;
}

/**
 * For each value the range in which rounding it to bytes changes least what the layers make of it, on some of the
 * samples. A channel that no layer multiplies with anything does not count.
 *
 * @param values what layers with weights read; others are passed over.
 * @param symmetric whether 0 is to be in the middle.
 */
export async function rangesByReaders(
  model: OnnxModel,
  tools: ImproveTools,
  values: readonly string[],
  symmetric: boolean,
): Promise<Map<string, TensorRange>> {
  const readers = readerWeights(new GraphFacts(model.graph), values);
  const seen = new Map<string, WeightedHistogram>();
  await tools.forActivations(model, [...readers.keys()], (name, data, dims) => {
    const { layer: { reads: { channels } }, weights } = readers.get(name)!;
    const { outer, inner } = spread(channels, dims);
    const histogram = seen.get(name) ?? new WeightedHistogram();
    seen.set(name, histogram);
    for (let o = 0, at = 0; o < outer; o++) {
      for (let c = 0; c < channels.count; c++, at += inner) {
        if (weights[c] > 0) histogram.add(data.subarray(at, at + inner), weights[c]);
      }
    }
  }, tools.forRows);
  return new Map([...seen].map(([name, histogram]) => [name, fitRange(histogram, symmetric)]));
}
