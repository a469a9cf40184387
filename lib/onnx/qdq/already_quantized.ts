/**
 * Telling a quantized model from a float one.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { subgraphs } from "../file/subgraphs.ts";
import { describeNode } from "../graph/describe_node.ts";

/** The operators that only quantized models have, by domain: those of ONNX and of onnxruntime. */
const QUANTIZED_OPERATORS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({
    "":
      "ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul " +
      "QuantizeLinear",
    "com.microsoft": "DequantizeBFP DequantizeLinear DequantizeWithOrder DynamicQuantizeLSTM " +
      "DynamicQuantizeMatMul GatherBlockQuantized MatMulBlockQuantizedFp4Weight " +
      "MatMulBlockQuantizedFp8Weight MatMulBnb4 MatMulFpQ4 MatMulInteger16 MatMulIntegerToFloat " +
      "MatMulNBits MatMulNBitsMlp MatMulNBitsQLoRA MatMulNBitsQkv MulInteger QAttention " +
      "QEmbedLayerNormalization QGemm QLinearAdd QLinearAveragePool QLinearConcat QLinearConv " +
      "QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearReduceMean QLinearSigmoid " +
      "QLinearSoftmax QLinearWhere QMoE QOrderedAttention QOrderedGelu QOrderedLayerNormalization " +
      "QOrderedLongformerAttention QOrderedMatMul QuantizeBFP QuantizeLinear QuantizeWithOrder " +
      "ReduceSumInteger",
    "com.ms.internal.nhwc": "QLinearAveragePool QLinearConv QLinearConvTranspose",
  }).map(([domain, operators]) => [domain, new Set(operators.split(" "))]),
);

/** Whether only quantized models have nodes like this one. */
export function isQuantized({ domain, opType }: NodeProto): boolean {
  return QUANTIZED_OPERATORS.get(domain === "ai.onnx" ? "" : domain)?.has(opType) ?? false;
}

/** A node that computes with integers, in a graph or in those inside of its nodes. */
function quantizedIn(
  graph: GraphProto,
  isConstantAround: (name: string) => boolean,
): NodeProto | undefined {
  const inputs = new Set(graph.input.map(({ name }) => name));
  const constants = new Set(graph.initializer.map(({ name }) => name));
  const isConstant = (name: string) =>
    name === "" || constants.has(name) || !inputs.has(name) && isConstantAround(name);
  for (const node of graph.node) {
    const constant = node.input.every(isConstant);
    // Weights may be kept in integers by a model that computes with floats.
    if (isQuantized(node) && !(constant && node.opType === "DequantizeLinear")) return node;
    if (constant) node.output.forEach((name) => constants.add(name));
    for (const inner of subgraphs(node)) {
      const found = quantizedIn(inner, isConstant);
      if (found) return found;
    }
  }
}

/**
 * A node that only a model has which computes with integers, in functions and in graphs inside of nodes too, if
 * there is one. DequantizeLinear of constants is none, unless it stands beside such.
 */
export function quantizedNode({ proto, graph }: OnnxModel): NodeProto | undefined {
  return quantizedIn(graph, () => false) ??
    proto.functions.flatMap(({ node }) => node).find(isQuantized);
}

/**
 * Checks that a model is not quantized already.
 *
 * @param where opens the error.
 * @throws {OnnxError} if it is; names a node.
 */
export function checkFloatModel(where: string, model: OnnxModel): void {
  const node = quantizedNode(model);
  if (!node) return;
  const which = describeNode(node).replace(/^the /, "");
  throw new OnnxError(
    `${where}: the model is quantized already: it has the ${which}; give the float model that it was made from`,
  );
}
