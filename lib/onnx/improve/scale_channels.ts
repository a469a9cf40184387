/**
 * Dividing the channels of values by factors, and multiplying the weights that read them.
 *
 * @module
 */
import type { WeightedNode } from "../calibration/statistics/places.ts";
import { setAttribute } from "../file/attributes.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { tensorDims } from "../file/tensor_data.ts";
import { floatConstant } from "../graph/float_constant.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import type { GraphFacts } from "../qdq/graph_facts.ts";
import { axesBehind, type ChannelRegion, type DividedConstant } from "./channel_region.ts";
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
  editor: GraphEditor,
  layer: WeightedNode,
  factor: (row: number, column: number) => number,
): void {
  using weight = floatConstant(editor.constantTensor(layer.node.input[1]))!;
  const { rows, columns, at } = weightLayout(layer, weight)!;
  const data = weight.data.slice();
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < columns; k++) data[at(r, k)] *= factor(r, k);
  }
  editor.replaceConstant(layer.node, 1, "float32", weight.dims, data);
}

/** Multiplies the columns of a layer's weight by the factors of the channels that they read. */
export function multiplyColumns(
  editor: GraphEditor,
  layer: WeightedNode,
  scales: Float64Array,
): void {
  const dims = tensorDims(editor.constantTensor(layer.node.input[1])!);
  const { rows, columns } = weightLayout(layer, { dims })!;
  const channel = channelOf(layer, rows, columns);
  changeWeight(editor, layer, (r, k) => scales[channel(r, k)]);
}

/** Factors for the channels of something, all that there are times some more. */
function times(known: Float64Array | undefined, more: Float64Array): Float64Array {
  return more.map((s, c) => s * (known?.[c] ?? 1));
}

/** A constant with an element a channel, or one for all, which is divided once all factors are known. */
interface Divided extends DividedConstant {
  readonly scales: Float64Array;
  readonly behind: number;
}

/** A product with a factor for each channel that is put behind what makes a value, for those that read it. */
interface InsertedFactor {
  readonly value: string;
  readonly readers: readonly NodeProto[];
  readonly factors: Float32Array;
  /** Axes behind that of the channels. */
  readonly behind: number;
}

/**
 * Divides the channels of a graph's values; the graph computes what it did, up to rounding. Weights are changed at once,
 * constants and nodes by {@linkcode ChannelDivision.apply}: until then what was known of the graph goes on to hold.
 */
export class ChannelDivision {
  private readonly editor: GraphEditor;
  private readonly constants = new Map<NodeProto, Map<number, Divided>>();
  /** Sums that are to see what a value was, and the value. */
  private readonly gates = new Map<NodeProto, { value: string; scales: Float64Array }>();
  private readonly inserted: InsertedFactor[] = [];

  /** @param facts of the graph of a model that is changed. */
  constructor(private readonly facts: GraphFacts, { graph, messages }: OnnxModel) {
    this.editor = new GraphEditor(graph, messages);
  }

  /** Divides the channels of a region's values. */
  divide(region: ChannelRegion, axis: number, scales: Float64Array): void {
    const { facts, editor } = this;
    for (const layer of region.makers) this.divideRows(layer, scales);
    for (const layer of region.readers) multiplyColumns(editor, layer, scales);
    for (const { node, index } of region.constants) {
      const own = this.constants.get(node) ?? new Map<number, Divided>();
      this.constants.set(node, own);
      const behind = axesBehind(facts, node.output[0], axis);
      own.set(index, { node, index, behind, scales: times(own.get(index)?.scales, scales) });
    }
    for (const sum of region.gates) {
      const value = sum.input.find((name) => region.values.has(name))!;
      this.gates.set(sum, { value, scales: times(this.gates.get(sum)?.scales, scales) });
    }
  }

  /** Puts a product with the factors' inverses before the layers that read a value. */
  insertFactor(readers: readonly WeightedNode[], scales: Float64Array): void {
    const [{ node, reads }] = readers;
    const [value] = node.input;
    for (const layer of readers) multiplyColumns(this.editor, layer, scales);
    this.inserted.push({
      value,
      readers: readers.map(({ node }) => node),
      factors: Float32Array.from(scales, (s) => 1 / s),
      behind: axesBehind(this.facts, value, reads.channels.axis),
    });
  }

  /** Divides what a layer makes, and puts a product with the factors behind it for all that read it. */
  insertBehind(layer: WeightedNode, scales: Float64Array): void {
    const { facts } = this;
    const [value] = layer.node.output;
    this.divideRows(layer, scales);
    this.inserted.push({
      value,
      readers: facts.view.consumers(value),
      factors: Float32Array.from(scales),
      behind: axesBehind(facts, value, layer.makes.axis),
    });
  }

  private divideRows(layer: WeightedNode, scales: Float64Array): void {
    const { editor } = this;
    changeWeight(editor, layer, (r) => 1 / scales[r]);
    if (!layer.node.input[2]) return;
    using bias = floatConstant(editor.constantTensor(layer.node.input[2]))!;
    const data = bias.data.map((b, c) => b / scales[c]);
    editor.replaceConstant(layer.node, 2, "float32", bias.dims, data);
  }

  /** Changes the constants and nodes; gives the names of the products that were put in. */
  apply(): string[] {
    for (const own of this.constants.values()) own.forEach((each) => this.divideConstant(each));
    for (const [sum, { value, scales }] of this.gates) this.restore(sum, value, scales);
    const names = this.inserted.map((each) => this.insert(each));
    this.editor.apply();
    return names;
  }

  private divideConstant({ node, index, behind, scales }: Divided): void {
    using constant = this.facts.constant(node.input[index])!;
    const { data } = constant;
    const divided = Float32Array.from(scales, (s, c) => data[c % data.length] / s);
    const dims = [divided.length, ...new Array<number>(behind).fill(1)];
    this.editor.replaceConstant(node, index, "float32", dims, divided);
  }

  /** Has a gate see what a value was before its channels were divided: its sum becomes a convolution of each channel. */
  private restore(sum: NodeProto, value: string, scales: Float64Array): void {
    const { facts, editor } = this;
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

  private insert({ value, readers, factors, behind }: InsertedFactor): string {
    const { editor } = this;
    const name = editor.name(`${value}_smoothed`);
    const dims = [factors.length, ...new Array<number>(behind).fill(1)];
    const factor = editor.constant(`${value}_smoothing`, "float32", dims, factors);
    const node = editor.node(`${name}/Mul`, "Mul", [value, factor], [name]);
    const maker = this.facts.view.producer(value);
    if (maker) editor.insertAfter(maker, node);
    else editor.prepend(node);
    for (const reader of readers) {
      reader.input = reader.input.map((each) => each === value ? name : each);
    }
    return node.name;
  }
}
