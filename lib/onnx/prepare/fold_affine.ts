import type { NodeProto } from "../file/proto.ts";
import { floatOf, intOf } from "../file/attributes.ts";
import type { FloatConstant } from "../graph/float_constant.ts";
import { isOp } from "../graph/operator.ts";
import type { GraphTools, Pass } from "./graph_tools.ts";

/** What is done to each channel: times `scale`, plus `shift`. */
export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** A constant with one number a channel for values of this rank, or one for all. */
export function perChannel(
  constant: FloatConstant,
  rank: number,
  channels: number,
  axis = 1,
): Float64Array | undefined {
  const { dims } = constant;
  const padded = [...Array<number>(Math.max(rank - dims.length, 0)).fill(1), ...dims];
  const fits = padded.length === rank &&
    padded.every((size, i) => size === 1 || i === axis && size === channels);
  if (!fits) return undefined;
  const { data } = constant;
  return Float64Array.from({ length: channels }, (_, i) => data[i % data.length]);
}

/** What a node does to each channel of a value, if it does no more than that. */
export function affineOf(
  tools: GraphTools,
  node: NodeProto,
  value: string,
  { rank, channels, axis }: WeightLayout,
): Affine | undefined {
  const filled = (number: number) => new Float64Array(channels).fill(number);
  if (isOp(node, "BatchNormalization")) {
    const parts = node.input.slice(1, 5).map((name) => tools.floats(name));
    const single = node.output.slice(1).every((name) => !tools.view.uses(name).length);
    const trains = intOf(node, "training_mode", 0) === 1;
    if (
      node.input[0] !== value || axis !== 1 || !single || trains || !parts.every((part) => part)
    ) {
      return undefined;
    }
    if (parts.some((part) => part!.data.length !== channels)) return undefined;
    const [gamma, beta, mean, variance] = parts.map((part) => part!.data);
    const epsilon = floatOf(node, "epsilon", 1e-5);
    const scale = Float64Array.from(gamma, (g, i) => g / Math.sqrt(variance[i] + epsilon));
    return { scale, shift: Float64Array.from(beta, (b, i) => b - mean[i] * scale[i]) };
  }
  if (!isOp(node, "Mul", "Div", "Add", "Sub")) return undefined;
  const first = node.input[0] === value;
  const other = node.input[first ? 1 : 0];
  const constant = other === value ? undefined : tools.floats(other);
  const numbers = constant && perChannel(constant, rank, channels, axis);
  if (!numbers) return undefined;
  switch (node.opType) {
    case "Mul":
      return { scale: numbers, shift: filled(0) };
    case "Div":
      return first ? { scale: numbers.map((x) => 1 / x), shift: filled(0) } : undefined;
    case "Add":
      return { scale: filled(1), shift: numbers };
    default:
      return first
        ? { scale: filled(1), shift: numbers.map((x) => -x) }
        : { scale: filled(-1), shift: numbers };
  }
}

/** How the weight of a layer lies: the output channel that an element belongs to. */
interface WeightLayout {
  readonly channels: number;
  /** Dimensions of the output. */
  readonly rank: number;
  /** The one of them that counts channels. */
  readonly axis: number;
  channelOf(index: number): number;
}

/** A convolution or product with a constant weight, whose bias is constant too or not there. */
function layerOf(
  tools: GraphTools,
  node: NodeProto,
  weight: FloatConstant,
): WeightLayout | undefined {
  const { dims } = weight;
  const [rows, columns] = dims;
  const row = dims.slice(1).reduce((count, size) => count * size, 1);
  if (isOp(node, "Conv")) {
    return { channels: rows, rank: dims.length, axis: 1, channelOf: (i) => Math.floor(i / row) };
  }
  if (isOp(node, "ConvTranspose")) {
    const group = intOf(node, "group", 1);
    const place = row / columns;
    return {
      channels: columns * group,
      rank: dims.length,
      axis: 1,
      channelOf: (i) =>
        Math.floor(Math.floor(i / row) / (rows / group)) * columns +
        Math.floor(i / place) % columns,
    };
  }
  if (isOp(node, "MatMul")) {
    const rank = tools.facts.dims(node.input[0])?.length ?? 0;
    if (rank < 2 || dims.length !== 2) return undefined;
    return { channels: columns, rank, axis: rank - 1, channelOf: (i) => i % columns };
  }
  const plain = floatOf(node, "alpha", 1) === 1 && floatOf(node, "beta", 1) === 1;
  if (!isOp(node, "Gemm") || !plain) return undefined;
  return intOf(node, "transB", 0)
    ? { channels: rows, rank: 2, axis: 1, channelOf: (i) => Math.floor(i / columns) }
    : { channels: columns, rank: 2, axis: 1, channelOf: (i) => i % columns };
}

/** The bias of a layer, zeros if it has none; nothing if it is not constant. */
export function biasOf(
  tools: GraphTools,
  node: NodeProto,
  channels: number,
): Float64Array | undefined {
  if (!node.input[2]) return new Float64Array(channels);
  const bias = tools.floats(node.input[2]);
  // A Gemm broadcasts its bias.
  return bias &&
    (bias.dims.length === 1 && bias.dims[0] === channels
      ? Float64Array.from(bias.data)
      : isOp(node, "Gemm")
      ? perChannel(bias, 2, channels)
      : undefined);
}

/** Gives a layer another bias. */
export function setBias(tools: GraphTools, node: NodeProto, bias: Float64Array): void {
  const data = Float32Array.from(bias);
  const { editor } = tools;
  if (node.input[2]) return editor.replaceConstant(node, 2, "float32", [data.length], data);
  node.input[2] = editor.constant(`${node.input[1]}_bias`, "float32", [data.length], data);
}

/** The nodes after a layer that do no more to a channel than scale and shift it, and what they come to. */
function affineChain(
  tools: GraphTools,
  node: NodeProto,
  layer: WeightLayout,
  bias: Float64Array,
): Affine & { readonly nodes: readonly NodeProto[] } {
  const scale = new Float64Array(layer.channels).fill(1);
  const shift = bias.slice();
  const nodes: NodeProto[] = [];
  for (;;) {
    const value = nodes.at(-1)?.output[0] ?? node.output[0];
    const next = tools.view.onlyReader(value);
    const affine = next && affineOf(tools, next, value, layer);
    if (!affine) return { scale, shift, nodes };
    for (let c = 0; c < scale.length; c++) {
      scale[c] *= affine.scale[c];
      shift[c] = shift[c] * affine.scale[c] + affine.shift[c];
    }
    nodes.push(next);
  }
}

/**
 * Gives a MatMul what is added to it: as the bias of a Gemm if it multiplies two matrices, for onnxruntime would
 * make a Gemm of floats of both, otherwise as a sum.
 */
function addTo(
  tools: GraphTools,
  product: NodeProto,
  sum: NodeProto,
  rank: number,
  shift: Float32Array,
): void {
  const { editor } = tools;
  const [output] = sum.output;
  const bias = editor.constant(`${product.input[1]}_bias`, "float32", [shift.length], shift);
  if (rank === 2) {
    product.opType = "Gemm";
    product.name ||= editor.name(`${output}/Gemm`);
    product.input.push(bias);
    product.output[0] = output;
  } else {
    editor.insertAfter(
      product,
      editor.node(sum.name || `${output}/Add`, "Add", [product.output[0], bias], [output]),
    );
  }
}

/** Folds what follows one layer; says whether there was anything. */
function foldInto(tools: GraphTools, node: NodeProto): boolean {
  const weight = tools.floats(node.input[1]);
  const layer = weight && layerOf(tools, node, weight);
  const old = layer && biasOf(tools, node, layer.channels);
  if (!old) return false;
  const { scale, shift, nodes } = affineChain(tools, node, layer, old);
  const last = nodes.at(-1);
  if (!last) return false;
  const bias = Float32Array.from(shift);
  const scales = scale.some((factor) => factor !== 1);
  const data = scales
    ? weight.data.map((value, i) => value * scale[layer.channelOf(i)])
    : weight.data;
  // A factor that leaves float32 is better kept apart.
  if (!bias.every(Number.isFinite) || !data.every(Number.isFinite)) return false;
  if (isOp(node, "MatMul")) {
    const shifts = bias.some((b) => b !== 0);
    // A single sum after a product of more dimensions is as it should be.
    if (shifts && layer.rank > 2 && !scales && nodes.length === 1) return false;
    if (shifts) addTo(tools, node, last, layer.rank, bias);
    else node.output[0] = last.output[0];
  } else {
    setBias(tools, node, Float64Array.from(bias));
    node.output[0] = last.output[0];
  }
  if (scales) tools.editor.replaceConstant(node, 1, "float32", weight.dims, data);
  tools.editor.remove(nodes);
  return true;
}

/**
 * Makes BatchNormalization and sums, differences, products and quotients with constants, one a channel or
 * one for all, part of the weights and the bias of the Conv, ConvTranspose, Gemm or MatMul before them. Computed
 * in float64, and rounded once.
 */
export const foldAffine: Pass = (tools) => {
  let found = false;
  for (const node of tools.editor.graph.node) {
    if (isOp(node, "Conv", "ConvTranspose", "Gemm", "MatMul")) {
      found = foldInto(tools, node) || found;
    }
  }
  return found;
};
