/**
 * Telling a quantized model from a float one.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { NodeProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";
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
function isQuantized({ domain, opType }: NodeProto): boolean {
  return QUANTIZED_OPERATORS.get(domain === "ai.onnx" ? "" : domain)?.has(opType) ?? false;
}

/** A node that only a quantized model has, in functions and in graphs inside of nodes too, if there is one. */
export function quantizedNode({ proto, graph }: OnnxModel): NodeProto | undefined {
  for (const { node } of [...walkGraphs(graph), ...proto.functions]) {
    const found = node.find(isQuantized);
    if (found) return found;
  }
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
