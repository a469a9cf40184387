/**
 * The parts of a graph between the layers that multiply with whole weights.
 *
 * @module
 */
import { type WeightedNode, weightedNode } from "../calibration/statistics/places.ts";
import type { NodeProto } from "../file/proto.ts";
import { isOp } from "../graph/operator.ts";
import { DisjointSets } from "../qdq/disjoint_sets.ts";
import type { GraphFacts } from "../qdq/graph_facts.ts";
import { nodeName } from "../qdq/selection.ts";

/** What bytes compute for nothing, for a layer's bytes end as its values do, or what only moves them. */
const FREE = [
  ...["Relu", "Clip", "Identity", "MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze"],
  ...["Unsqueeze", "Concat", "Slice", "Split", "Gather", "Pad"],
];

/** A layer each of whose outputs is a product with all channels: what bytes are for. */
export function denseLayer(facts: GraphFacts, node: NodeProto): WeightedNode | undefined {
  const layer = weightedNode(facts, node);
  return layer?.reads.groups === 1 ? layer : undefined;
}

/**
 * The nodes in bytes that hang together by values no dense layer reads, so that bytes become floats before them and floats
 * bytes behind them; with them a layer of the model's input that only they read, for there is no product less in it.
 *
 * @param bytes the names of the nodes that compute with bytes.
 */
export function islandsOf(facts: GraphFacts, bytes: ReadonlySet<string>): string[][] {
  const { view } = facts;
  const nodes = facts.graph.node.filter((node) => bytes.has(nodeName(node)));
  const dense = new Set(nodes.filter((node) => denseLayer(facts, node)));
  const sets = new DisjointSets();
  const isInner = (node: NodeProto) => bytes.has(nodeName(node)) && !dense.has(node);
  for (const node of nodes) {
    if (dense.has(node)) continue;
    sets.add(nodeName(node));
    const readers = node.output.flatMap((value) => view.consumers(value));
    if (readers.some((reader) => dense.has(reader))) continue;
    for (const reader of readers.filter(isInner)) sets.join(nodeName(node), nodeName(reader));
  }
  // What reads the same value belongs together too, as a gate and what it is multiplied with.
  for (const node of nodes) {
    const readers = node.output.flatMap((value) => view.consumers(value)).filter(isInner);
    for (const reader of readers) sets.join(nodeName(readers[0]), nodeName(reader));
  }
  const names = sets.names();
  for (const node of dense) {
    const readers = view.consumers(node.output[0]);
    const [island, ...others] = new Set(readers.map((reader) => names.get(nodeName(reader))));
    const first = view.isInput(node.input[0]) && island !== undefined && others.length === 0;
    if (first) names.set(nodeName(node), island);
  }
  const computing = new Set(nodes.filter((node) => !isOp(node, ...FREE)).map(nodeName));
  const islands = Map.groupBy(names.keys(), (name) => names.get(name)!);
  return [...islands.values()].filter((island) => island.some((name) => computing.has(name)));
}
