import type { NodeProto } from "../file/proto.ts";
import { floatOf, floatsOf, intOf, setAttribute, stringOf } from "../file/attributes.ts";
import type { Attributes } from "../graph/graph_editor.ts";
import type { GraphTools, Pass } from "./graph_tools.ts";

/** An activation that onnxruntime made part of the node before it. */
interface Activation {
  readonly opType: string;
  /** The parameters in the order in which onnxruntime keeps them. */
  readonly parameters: readonly number[];
}

/** The operator of an activation, with what is constant in it; nothing if it is not known. */
function activationNode(
  { editor }: GraphTools,
  { opType, parameters: [a, b] }: Activation,
  from: string,
  to: string,
): NodeProto | undefined {
  const make = (input: readonly string[], attributes: Attributes = {}) =>
    editor.node(`${to}/${opType}`, opType, input, [to], attributes);
  const bound = (name: string, value: number) =>
    editor.constant(`${to}/${name}`, "float32", [], Float32Array.of(value));
  switch (opType) {
    case "Relu":
    case "Sigmoid":
    case "Tanh":
      return make([from]);
    case "LeakyRelu":
      return make([from], { alpha: { f: a ?? 0.01 } });
    case "HardSigmoid":
      return make([from], { alpha: { f: a ?? 0.2 }, beta: { f: b ?? 0.5 } });
    case "Clip":
      return a === undefined || b === undefined
        ? undefined
        : make([from, bound("min", a), bound("max", b)]);
    default:
      return undefined;
  }
}

/** Gives a node the operator of ONNX that it was made from, and what else it does to nodes after it. */
function unfuseLayer(tools: GraphTools, node: NodeProto, opType: string): boolean {
  const { editor } = tools;
  const conv = opType === "Conv";
  const kind = stringOf(node, "activation", "");
  const parameters = conv
    ? floatsOf(node, "activation_params") ?? []
    : ["alpha", "beta", "gamma"].map((name) => floatOf(node, `activation_${name}`, NaN))
      .filter((value) => !Number.isNaN(value));
  const [output] = node.output;
  const raw = editor.name(`${output}/${opType}`);
  const sum = conv ? node.input[3] : undefined;
  const before = sum && kind ? editor.name(`${output}/Add`) : sum ? output : raw;
  const after: NodeProto[] = [];
  if (sum) after.push(editor.node(`${output}/Add`, "Add", [raw, sum], [before]));
  if (kind) {
    const activation = activationNode(tools, { opType: kind, parameters }, before, output);
    if (!activation) return false;
    after.push(activation);
  }
  if (after.length > 0) node.output[0] = raw;
  if (conv) node.input.length = Math.min(node.input.length, 3);
  const own = ["activation", "activation_params"]
    .concat(["alpha", "beta", "gamma"].map((name) => `activation_${name}`));
  for (const name of own) setAttribute(editor.messages, node, name, undefined);
  node.opType = opType;
  node.domain = "";
  editor.insertAfter(node, ...after);
  return true;
}

/** Makes a MatMul of a product with a constant matrix, whose factor and transposition become part of that. */
function unfuseProduct(tools: GraphTools, node: NodeProto): boolean {
  const weight = tools.floats(node.input[1]);
  const moved = ["transA", "transBatchA", "transBatchB"].some((name) => intOf(node, name, 0));
  if (weight?.dims.length !== 2 || moved) return false;
  const alpha = floatOf(node, "alpha", 1);
  const turned = intOf(node, "transB", 0) !== 0;
  const [height, width] = weight.dims;
  const dims = turned ? [width, height] : [height, width];
  const data = turned
    ? new Float32Array(weight.data.length).map((_, i) =>
      alpha * weight.data[(i % height) * width + Math.floor(i / height)]
    )
    : weight.data.map((value) => alpha * value);
  tools.editor.replaceConstant(node, 1, "float32", dims, data);
  node.attribute = [];
  node.opType = "MatMul";
  node.domain = "";
  return true;
}

/**
 * Takes apart what onnxruntime's optimizer makes of Conv, Gemm and MatMul and what follows them, in files that were
 * saved after it: for those there are integer kernels, for its own operators there are none.
 */
export const unfuse: Pass = (tools) => {
  let found = false;
  for (const node of tools.editor.graph.node) {
    if (node.domain !== "com.microsoft") continue;
    if (node.opType === "FusedConv") found = unfuseLayer(tools, node, "Conv") || found;
    if (node.opType === "FusedGemm") found = unfuseLayer(tools, node, "Gemm") || found;
    if (node.opType === "FusedMatMul") found = unfuseProduct(tools, node) || found;
  }
  return found;
};
