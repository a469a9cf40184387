import type { NodeProto } from "../file/proto.ts";
import { intsOf, stringOf } from "../file/attributes.ts";
import { replaceUses } from "../graph/graph_edit.ts";
import { biasOf, setBias } from "./fold_affine.ts";
import { type GraphTools, isOp, type Pass, removeNodes, withConstant } from "./graph_tools.ts";
import { scalarFactor } from "./scalar_factor.ts";

/** The convolutions that read a value, if nothing else does and their weights are constants. */
function readingConvs(tools: GraphTools, value: string): NodeProto[] | undefined {
  const uses = tools.view.uses(value);
  const convs = uses.flatMap((use) =>
    use.kind === "input" && use.index === 0 && isOp(use.node, "Conv") &&
      tools.floats(use.node.input[1])
      ? [use.node]
      : []
  );
  return uses.length > 0 && convs.length === uses.length ? convs : undefined;
}

function isPadded(conv: NodeProto): boolean {
  const auto = stringOf(conv, "auto_pad", "NOTSET");
  if (auto === "NOTSET") return intsOf(conv, "pads")?.some((size) => size !== 0) ?? false;
  return auto !== "VALID";
}

function scaleWeights(tools: GraphTools, convs: readonly NodeProto[], factor: number): boolean {
  const scaled = convs.map((conv) => {
    const { dims, data } = tools.floats(conv.input[1])!;
    return { conv, dims, data: data.map((value) => value * factor) };
  });
  if (!scaled.every(({ data }) => data.every(Number.isFinite))) return false;
  for (const { conv, dims, data } of scaled) tools.replaceConstant(conv, 1, dims, data);
  return true;
}

/** Adds what a number added to each input would add to the outputs. */
function shiftBiases(tools: GraphTools, convs: readonly NodeProto[], shift: number): boolean {
  const shifted = convs.map((conv) => {
    const { dims: [channels], data } = tools.floats(conv.input[1])!;
    const bias = biasOf(tools, conv, channels);
    const row = data.length / channels;
    data.forEach((value, i) => {
      if (bias) bias[Math.floor(i / row)] += value * shift;
    });
    return { conv, bias };
  });
  if (!shifted.every(({ bias }) => bias?.every((value) => Number.isFinite(Math.fround(value))))) {
    return false;
  }
  for (const { conv, bias } of shifted) setBias(tools, conv, bias!);
  return true;
}

/** Removes one node before convolutions, if it is a factor or a sum that they can take over. */
function push(
  tools: GraphTools,
  node: NodeProto,
  changed: Set<NodeProto>,
): NodeProto | undefined {
  const [output] = node.output;
  const convs = readingConvs(tools, output);
  if (!convs || [node, ...convs].some((each) => changed.has(each))) return undefined;
  const done = (removed: NodeProto) => {
    [node, removed, ...convs].forEach((each) => changed.add(each));
    return removed;
  };
  const product = scalarFactor(tools, node);
  if (product) {
    if (!scaleWeights(tools, convs, product.factor)) return undefined;
    replaceUses(tools.graph, output, product.value);
    return done(node);
  }
  if (!isOp(node, "Add")) return undefined;
  const sum = withConstant(node, (name) => tools.scalar(name));
  if (!sum) return undefined;
  const rank = tools.facts.dims(sum.value)?.length;
  if (rank === undefined || rank !== tools.facts.dims(output)?.length) return undefined;
  if (!convs.some(isPadded) && shiftBiases(tools, convs, sum.constant)) {
    replaceUses(tools.graph, output, sum.value);
    return done(node);
  }
  // Padding is zero after the sum, so that stays, in units of the factor before it.
  const before = tools.onlyReader(sum.value) === node ? tools.view.producer(sum.value) : undefined;
  const inner = scalarFactor(tools, before);
  if (!inner || changed.has(before!)) return undefined;
  const shift = sum.constant / inner.factor;
  if (!Number.isFinite(Math.fround(shift)) || !scaleWeights(tools, convs, inner.factor)) {
    return undefined;
  }
  const name = node.input[sum.index];
  node.input[sum.index] = tools.constant(name, [], Float32Array.of(shift));
  node.input[1 - sum.index] = inner.value;
  // It is another value now, which should not be taken for the one of this name in the model before.
  node.output[0] = tools.name(`${output}/scaled`);
  replaceUses(tools.graph, output, node.output[0]);
  return done(before!);
}

/**
 * Makes a factor before convolutions part of their weights, and a number added before them part of their
 * bias where they do not pad. One number for the whole tensor, so that its range keeps its shape.
 */
export const pushScale: Pass = (tools) => {
  // What is changed in this pass the tools know no more.
  const changed = new Set<NodeProto>();
  const removed = new Set<NodeProto>();
  for (const node of tools.graph.node) {
    const gone = push(tools, node, changed);
    if (gone) removed.add(gone);
  }
  removeNodes(tools.graph, removed);
  return removed.size > 0;
};
