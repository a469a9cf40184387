import type { NodeProto } from "../file/proto.ts";
import { intsOf, stringOf } from "../file/attributes.ts";
import { isOp } from "../graph/operator.ts";
import { biasOf, setBias } from "./fold_affine.ts";
import { type GraphTools, type Pass, withConstant } from "./graph_tools.ts";
import { scalarFactor } from "./scalar_factor.ts";

/** The nodes that came to read a value in this walk, since what stood between was removed. */
type NewReaders = Map<string, NodeProto[]>;

/** The convolutions that read a value, if nothing else does and their weights are constants. */
function readingConvs(
  tools: GraphTools,
  moved: NewReaders,
  value: string,
): NodeProto[] | undefined {
  const readers = [...moved.get(value) ?? []];
  for (const use of tools.view.uses(value)) {
    if (use.kind !== "input") return undefined;
    if (tools.editor.isRemoved(use.node)) continue;
    if (use.index !== 0) return undefined;
    readers.push(use.node);
  }
  const convs = readers.every((node) => isOp(node, "Conv") && tools.floats(node.input[1]));
  return convs && readers.length > 0 ? readers : undefined;
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
  for (const { conv, dims, data } of scaled) {
    tools.editor.replaceConstant(conv, 1, "float32", dims, data);
  }
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

/** Takes note of nodes that read a value from now on. */
function moveTo(moved: NewReaders, value: string, readers: readonly NodeProto[]): void {
  const those = moved.get(value);
  if (those) those.push(...readers);
  else moved.set(value, [...readers]);
}

/**
 * Makes the factors before a sum part of the convolutions after it, and what is added smaller by them: where they
 * pad, the sum has to stay, since padding is zero after it.
 */
function pushFactors(
  tools: GraphTools,
  moved: NewReaders,
  node: NodeProto,
  convs: readonly NodeProto[],
  sum: { readonly value: string; readonly constant: number; readonly index: number },
): boolean {
  const { editor, view } = tools;
  const factors: NodeProto[] = [];
  let { value, constant: shift } = sum;
  for (;;) {
    const reader = factors.at(-1) ?? node;
    const before = view.onlyReader(value) === reader ? view.producer(value) : undefined;
    const inner = scalarFactor(tools, before);
    if (!inner) break;
    const smaller = Math.fround(shift / inner.factor);
    if (!Number.isFinite(smaller) || !scaleWeights(tools, convs, inner.factor)) break;
    factors.push(before!);
    value = inner.value;
    shift = smaller;
  }
  if (factors.length === 0) return false;
  const { index } = sum;
  node.input[index] = editor.constant(node.input[index], "float32", [], Float32Array.of(shift));
  node.input[1 - index] = value;
  moveTo(moved, value, [node]);
  // It is another value now, which should not be taken for the one of this name in the model before.
  node.output[0] = editor.name(`${node.output[0]}/scaled`);
  for (const conv of convs) conv.input[0] = node.output[0];
  editor.remove(factors);
  return true;
}

/** Makes one node part of the convolutions after it, if it is a factor or a sum that they can take over. */
function push(tools: GraphTools, moved: NewReaders, node: NodeProto): boolean {
  const convs = readingConvs(tools, moved, node.output[0]);
  if (!convs) return false;
  const done = (value: string) => {
    for (const conv of convs) conv.input[0] = value;
    moveTo(moved, value, convs);
    tools.editor.remove([node]);
    return true;
  };
  const product = scalarFactor(tools, node);
  if (product) return scaleWeights(tools, convs, product.factor) && done(product.value);
  if (!isOp(node, "Add")) return false;
  const sum = withConstant(node, (name) => tools.scalar(name));
  if (!sum) return false;
  const rank = tools.facts.dims(sum.value)?.length;
  if (rank === undefined || rank !== tools.facts.dims(node.output[0])?.length) return false;
  if (!convs.some(isPadded) && shiftBiases(tools, convs, sum.constant)) return done(sum.value);
  return pushFactors(tools, moved, node, convs, sum);
}

/**
 * Makes a factor before convolutions part of their weights, and a number added before them part of their
 * bias where they do not pad. One number for the whole tensor, so that its range keeps its shape.
 */
export const pushScale: Pass = (tools) => {
  const moved: NewReaders = new Map();
  let found = false;
  // From the last node on, so that what stands before one that is removed comes next.
  for (const node of tools.editor.graph.node.toReversed()) {
    if (!tools.editor.isRemoved(node) && push(tools, moved, node)) found = true;
  }
  return found;
};
