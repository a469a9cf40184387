/**
 * Dividing the channels of values by factors, and multiplying the weights that read them.
 *
 * @module
 */
import type { WeightedNode } from "../calibration/statistics/places.ts";
import type { NodeProto } from "../file/proto.ts";
import { setAttribute } from "../file/attributes.ts";
import type { GraphEditor } from "../graph/graph_editor.ts";
import type { GraphFacts } from "../qdq/graph_facts.ts";
import type { ChannelRegion } from "./channel_region.ts";
import { weightLayout } from "./weight_matrix.ts";

/** The channel of its input that an element of a layer's weight is multiplied with, by row and column. */
export function channelOf(
  { reads: { channels: { count }, groups } }: WeightedNode,
  rows: number,
  columns: number,
): (row: number, column: number) => number {
  const perGroup = count / groups;
  const taps = columns / perGroup;
  return (row, column) => Math.floor(row * groups / rows) * perGroup + Math.floor(column / taps);
}

/** Changes the numbers of a weight, by row and column. */
function changeWeight(
  facts: GraphFacts,
  editor: GraphEditor,
  layer: WeightedNode,
  factor: (row: number, column: number) => number,
): void {
  using weight = facts.constant(layer.node.input[1])!;
  const { rows, columns, at } = weightLayout(layer, weight)!;
  const data = weight.data.slice();
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < columns; k++) data[at(r, k)] *= factor(r, k);
  }
  editor.replaceConstant(layer.node, 1, "float32", weight.dims, data);
}

/** Multiplies the columns of a layer's weight by the factors of the channels that they read. */
export function multiplyColumns(
  facts: GraphFacts,
  editor: GraphEditor,
  layer: WeightedNode,
  scales: Float64Array,
): void {
  const { rows, columns } = weightLayout(layer, {
    dims: facts.constantDims(layer.node.input[1])!,
  })!;
  const channel = channelOf(layer, rows, columns);
  changeWeight(facts, editor, layer, (r, k) => scales[channel(r, k)]);
}

/** Divides a constant with an element a channel, or one for all. */
function divideConstant(
  facts: GraphFacts,
  editor: GraphEditor,
  node: NodeProto,
  index: number,
  scales: Float64Array,
  axis: number,
): void {
  using constant = facts.constant(node.input[index])!;
  const { data } = constant;
  const divided = Float32Array.from(scales, (s, c) => data[c % data.length] / s);
  const ones = axis === 1 ? facts.rank(node.output[0])! - 2 : 0;
  const dims = [divided.length, ...new Array<number>(ones).fill(1)];
  editor.replaceConstant(node, index, "float32", dims, divided);
}

/** Has a gate see what a value was before its channels were divided: its sum becomes a convolution of each channel. */
function restore(
  facts: GraphFacts,
  editor: GraphEditor,
  sum: NodeProto,
  value: string,
  scales: Float64Array,
): void {
  const other = sum.input[sum.input[0] === value ? 1 : 0];
  using constant = facts.constant(other)!;
  const { length } = scales;
  const taps = new Array<number>(facts.rank(value)! - 2).fill(1);
  const bias = new Float32Array(length).fill(constant.data[0]);
  const weight = Float32Array.from(scales);
  sum.opType = "Conv";
  sum.input = [
    value,
    editor.constant(`${sum.output[0]}_weight`, "float32", [length, 1, ...taps], weight),
    editor.constant(`${sum.output[0]}_bias`, "float32", [length], bias),
  ];
  setAttribute(editor.messages, sum, "group", { i: length });
  setAttribute(editor.messages, sum, "kernel_shape", { ints: taps });
}

/** Divides the channels of a region's values; the graph computes what it did, up to rounding. */
export function divideRegion(
  facts: GraphFacts,
  editor: GraphEditor,
  region: ChannelRegion,
  axis: number,
  scales: Float64Array,
): void {
  for (const layer of region.makers) {
    changeWeight(facts, editor, layer, (r) => 1 / scales[r]);
    if (!layer.node.input[2]) continue;
    using bias = facts.constant(layer.node.input[2])!;
    const data = bias.data.map((b, c) => b / scales[c]);
    editor.replaceConstant(layer.node, 2, "float32", bias.dims, data);
  }
  for (const layer of region.readers) multiplyColumns(facts, editor, layer, scales);
  for (const { node, index } of region.constants) {
    divideConstant(facts, editor, node, index, scales, axis);
  }
  for (const sum of region.gates) {
    const value = sum.input.find((name) => region.values.has(name))!;
    restore(facts, editor, sum, value, scales);
  }
  editor.apply();
}
