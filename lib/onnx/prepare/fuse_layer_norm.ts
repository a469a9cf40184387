import type { NodeProto } from "../file/proto.ts";
import { intOf, intsOf } from "../file/attributes.ts";
import { isOp } from "../graph/operator.ts";
import { type GraphTools, type Pass, withConstant } from "./graph_tools.ts";

/** The operator set that brought LayerNormalization. */
const SINCE = 17;

/** Whether a node takes the mean along the last dimension and keeps that. */
function isLastMean(tools: GraphTools, node: NodeProto | undefined): node is NodeProto {
  if (!node || !isOp(node, "ReduceMean") || intOf(node, "keepdims", 1) !== 1) return false;
  const axes = intsOf(node, "axes") ?? tools.numbers(node.input[1]);
  const rank = tools.facts.dims(node.input[0])?.length;
  return axes?.length === 1 && (axes[0] === -1 || rank !== undefined && axes[0] === rank - 1);
}

/** The nodes of a layer normalization that ends in this sum, and its parts. */
function layerNormAt(tools: GraphTools, end: NodeProto) {
  if (!isOp(end, "Add")) return undefined;
  const row = (name: string) => {
    const constant = tools.floats(name);
    return constant?.dims.length === 1 ? constant : undefined;
  };
  const shifted = withConstant(end, row);
  const mul = tools.private(shifted?.value, "Mul");
  const scaled = mul && withConstant(mul, row);
  const div = tools.private(scaled?.value, "Div");
  const sqrt = tools.private(div?.input[1], "Sqrt");
  const add = tools.private(sqrt?.input[0], "Add");
  const eps = add && withConstant(add, (name) => tools.scalar(name));
  const variance = tools.private(eps?.value, "ReduceMean");
  if (!isLastMean(tools, variance)) return undefined;
  const square = tools.view.producer(variance.input[0]);
  const sub = tools.view.producer(div!.input[0]);
  if (
    !square || !sub || !isOp(sub, "Sub") || tools.view.onlyReader(square.output[0]) !== variance
  ) {
    return undefined;
  }
  const centered = sub.output[0];
  const squared = isOp(square, "Pow")
    ? square.input[0] === centered && tools.scalar(square.input[1]) === 2
    : isOp(square, "Mul") && square.input.every((name) => name === centered);
  const mean = tools.private(sub.input[1], "ReduceMean");
  const inner = new Set([square, div!]);
  const own = tools.view.uses(centered).every((use) => use.kind === "input" && inner.has(use.node));
  if (!squared || !own || !isLastMean(tools, mean) || mean.input[0] !== sub.input[0]) {
    return undefined;
  }
  const size = scaled!.constant.dims[0];
  if (shifted!.constant.dims[0] !== size) return undefined;
  const last = tools.facts.dims(sub.input[0])?.at(-1);
  if (last !== undefined && last !== size || size === 1) return undefined;
  return {
    x: sub.input[0],
    scale: mul!.input[scaled!.index],
    shift: end.input[shifted!.index],
    epsilon: eps!.constant,
    nodes: [mean, sub, square, variance, add!, sqrt!, div!, mul!],
  };
}

/** Makes LayerNormalization of the nine nodes that it was written with, from operator set 17 on. */
export const fuseLayerNorm: Pass = (tools) => {
  const { editor } = tools;
  if (tools.opset < SINCE) return false;
  let found = false;
  for (const end of editor.graph.node) {
    const parts = layerNormAt(tools, end);
    if (!parts) continue;
    const { x, scale, shift, epsilon, nodes } = parts;
    const name = end.name || `${end.output[0]}/LayerNormalization`;
    const attributes = { axis: -1, epsilon: { f: epsilon } };
    editor.replace(
      end,
      editor.node(name, "LayerNormalization", [x, scale, shift], [end.output[0]], attributes),
    );
    editor.remove(nodes);
    found = true;
  }
  return found;
};
