/**
 * Channels filled up with zeros, where an integer kernel is faster so.
 *
 * onnxruntime's kernel for depthwise convolutions of bytes (MLAS, `ConvSym`) computes 16 channels at a time, and does
 * nothing of another number: 88 channels take twice as long as 96. So whatever makes such a value makes a few channels more, all of zero
 * weights, and what reads it has zeros for them: every number stays what it was. Float kernels do the same by themselves.
 *
 * @module
 */
import { intOf, setAttribute } from "../file/attributes.ts";
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { elementCount, readTensor, tensorDims } from "../file/tensor_data.ts";
import { GraphEditor } from "../graph/graph_editor.ts";
import { isOp } from "../graph/operator.ts";

/** Channels that are computed at a time. */
const AT_A_TIME = 16;
/** More than so many times the channels cost more than they save. */
const MOST = 2;
/** Operators that compute each channel by itself, from one input. */
const CHANNELWISE = [
  ...["Relu", "LeakyRelu", "HardSigmoid", "HardSwish", "Sigmoid", "Clip", "Identity"],
  ...["GlobalAveragePool", "AveragePool", "MaxPool", "QuantizeLinear", "DequantizeLinear"],
];
/** And from two. */
const PAIRS = ["Add", "Sub", "Mul"];

/** An input of a node that is a constant with an index for each channel. */
interface Place {
  readonly node: NodeProto;
  readonly index: number;
  readonly axis: 0 | 1;
}

/** Values with the same channels, and what becomes larger with them. */
interface Region {
  readonly values: ReadonlySet<string>;
  readonly weights: readonly Place[];
  readonly depthwise: readonly NodeProto[];
}

/** Follows values to all that have the same channels; `undefined` where they cannot be more. */
function regionOf(editor: GraphEditor, start: string, channels: number): Region | undefined {
  const { facts, view } = editor;
  const values = new Set<string>();
  const open: string[] = [];
  const weights: Place[] = [];
  const depthwise = new Set<NodeProto>();
  const visit = (value: string) => {
    if (values.has(value)) return;
    values.add(value);
    open.push(value);
  };
  /** An operand of a sum or product: followed if it has the channels, left alone if it is the same for all of them. */
  const operand = (value: string): boolean => {
    const constant = constantBehind(editor, value);
    const dims = constant ? tensorDims(constant) : facts.dims(value);
    if (dims && (dims.at(-3) ?? 1) === 1) return true;
    if (constant || dims && dims[1] !== channels) return false;
    visit(value);
    return true;
  };
  const own = (node: NodeProto, axis: 0 | 1): boolean => {
    for (const index of axis === 0 && node.input[2] ? [1, 2] : [1]) {
      const value = node.input[index];
      const constant = constantBehind(editor, value);
      if (!constant || view.uses(value).length > 1) return false;
      if (tensorDims(constant)[index === 2 ? 0 : axis] !== channels) return false;
      weights.push({ node, index, axis });
    }
    return true;
  };
  const through = (node: NodeProto): boolean => {
    if (isOp(node, "Conv")) {
      if (!depthwise.has(node) && !own(node, 0)) return false;
      depthwise.add(node);
      visit(node.input[0]);
    } else if (isOp(node, ...CHANNELWISE)) visit(node.input[0]);
    else if (!isOp(node, ...PAIRS) || !node.input.every(operand)) return false;
    node.output.forEach(visit);
    return node.output.length === 1;
  };
  visit(start);
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    const maker = view.producer(value);
    if (!maker) return undefined;
    if (isOp(maker, "Conv") && !isDepthwise(editor, maker)) {
      if (intOf(maker, "group", 1) > 1 || !own(maker, 0)) return undefined;
    } else if (!through(maker)) return undefined;
    const uses = view.uses(value);
    if (uses.length === 0) return undefined;
    for (const use of uses) {
      if (use.kind !== "input") return undefined;
      const { node, index } = use;
      if (isOp(node, "Conv") && !isDepthwise(editor, node)) {
        if (index > 0 || intOf(node, "group", 1) > 1 || !own(node, 1)) return undefined;
      } else if (!through(node)) return undefined;
    }
  }
  return { values, weights, depthwise: [...depthwise] };
}

/** The constant that a value is, or that it is made of by DequantizeLinear. */
function constantBehind(editor: GraphEditor, value: string) {
  const maker = editor.view.producer(value);
  return editor.constantTensor(
    maker && isOp(maker, "DequantizeLinear") ? maker.input[0] : value,
  );
}

/** The sizes of a convolution's weight. */
function weightDims(editor: GraphEditor, node: NodeProto): readonly number[] | undefined {
  const weight = constantBehind(editor, node.input[1]);
  return weight && tensorDims(weight);
}

function isDepthwise(editor: GraphEditor, node: NodeProto): boolean {
  if (!isOp(node, "Conv")) return false;
  const group = intOf(node, "group", 1);
  const dims = weightDims(editor, node);
  return group > 1 && dims !== undefined && dims[0] === group && dims[1] === 1;
}

/** Whether a convolution computes with bytes. */
function isInteger(editor: GraphEditor, node: NodeProto): boolean {
  return [0, 1].every((i) => editor.view.producer(node.input[i])?.opType === "DequantizeLinear");
}

/** Elements with more along an axis, all of them `value`. */
function filled(
  data: Float32Array<ArrayBuffer>,
  dims: readonly number[],
  axis: number,
  count: number,
  value: number,
): Float32Array<ArrayBuffer> {
  const inner = elementCount(dims.slice(axis + 1));
  const outer = elementCount(dims.slice(0, axis));
  const [from, to] = [dims[axis] * inner, count * inner];
  // Integers stay in an array of theirs.
  const larger = new (data.constructor as typeof Float32Array)(outer * to).fill(value);
  for (let o = 0; o < outer; o++) larger.set(data.subarray(o * from, (o + 1) * from), o * to);
  return larger;
}

/** Gives a constant more indices along an axis: zeros, with the scale of the first. */
function fill(editor: GraphEditor, { node, index, axis }: Place, count: number): void {
  const maker = editor.view.producer(node.input[index]);
  const replace = (node: NodeProto, i: number, axis: number, first = false) => {
    const { dtype, dims, data } = readTensor(editor.constantTensor(node.input[i])!);
    const numbers = data as Float32Array<ArrayBuffer>;
    const more = filled(numbers, dims, axis, count, first ? numbers[0] : 0);
    editor.replaceConstant(node, i, dtype, dims.with(axis, count), more);
  };
  if (!maker) return replace(node, index, axis);
  replace(maker, 0, axis);
  for (const i of axis === 0 ? [1, 2] : []) {
    const tensor = maker.input[i] ? editor.constantTensor(maker.input[i]) : undefined;
    if (tensor && tensorDims(tensor).length > 0) replace(maker, i, 0, true);
  }
}

/** Whether 0 stands for zero in a region's weights, which have a scale for each output channel or for all. */
function canFill(editor: GraphEditor, { weights }: Region): boolean {
  return weights.every(({ node, index }) => {
    const maker = editor.view.producer(node.input[index]);
    if (!maker) return true;
    const [scale, zero] = [1, 2].map((i) =>
      maker.input[i] ? editor.constantTensor(maker.input[i]) : undefined
    );
    if (!scale || maker.input[2] && !zero) return false;
    const rank = tensorDims(scale).length;
    if (rank > 1 || rank === 1 && intOf(maker, "axis", 1) !== 0) return false;
    return !zero || (readTensor(zero).data as Int8Array).every((each) => each === 0);
  });
}

/**
 * Fills up the channels of a quantized graph's values, where depthwise convolutions of bytes are faster so and nothing else
 * sees them.
 *
 * @param model is changed.
 */
export function fillChannels({ graph, messages }: OnnxModel): void {
  const editor = new GraphEditor(graph, messages);
  const seen = new Set<string>();
  const larger = new Set<string>();
  for (const node of graph.node) {
    const [value] = node.output;
    if (!isDepthwise(editor, node) || !isInteger(editor, node) || seen.has(value)) continue;
    const channels = intOf(node, "group", 1);
    const count = Math.ceil(channels / AT_A_TIME) * AT_A_TIME;
    if (count === channels || count > MOST * channels) continue;
    const region = regionOf(editor, value, channels);
    (region?.values ?? [value]).forEach((each) => seen.add(each));
    if (!region || !canFill(editor, region)) continue;
    for (const place of region.weights) fill(editor, place, count);
    for (const node of region.depthwise) setAttribute(messages, node, "group", { i: count });
    region.values.forEach((each) => larger.add(each));
  }
  if (larger.size === 0) return;
  editor.apply();
  graph.valueInfo = graph.valueInfo.filter(({ name }) => !larger.has(name));
}
