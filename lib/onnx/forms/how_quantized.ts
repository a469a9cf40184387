/**
 * Saying how a model is quantized already, and what still makes sense.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { NodeProto } from "../file/proto.ts";
import { dataTypeName } from "../file/data_type.ts";
import { describeNode } from "../graph/describe_node.ts";
import { isOp } from "../graph/operator.ts";
import { quantizedNode } from "../qdq/already_quantized.ts";

/** Operators that keep weights in few bits and compute with floats. */
const WEIGHT_ONLY = ["GatherBlockQuantized", "MatMulBnb4", "MatMulFpQ4", "MatMulNBits"];

/** Operators that find the ranges of activations while they run. */
const DYNAMIC = [
  "ConvInteger",
  "DynamicQuantizeLSTM",
  "DynamicQuantizeLinear",
  "DynamicQuantizeMatMul",
  "MatMulInteger",
  "MatMulIntegerToFloat",
  "QAttention",
];

/** A node that makes floats of a weight which is in bytes in the file, as `quantizeDynamic` has convolutions read it. */
function storedWeight({ graph }: OnnxModel): NodeProto | undefined {
  const bytes = new Set(
    graph.initializer.filter(({ dataType, dims }) =>
      dims.length > 1 && ["int8", "uint8"].includes(dataTypeName(dataType) ?? "")
    ).map(({ name }) => name),
  );
  return graph.node.find((node) => isOp(node, "Cast") && bytes.has(node.input[0]));
}

/** How a model is quantized. */
export type Quantization = "weights" | "dynamic" | "static";

/** How a model that has this node is quantized. */
function quantizationOf({ opType }: NodeProto): Quantization {
  if (opType === "Cast" || WEIGHT_ONLY.includes(opType)) return "weights";
  return DYNAMIC.includes(opType) ? "dynamic" : "static";
}

/** How each is said. */
const IN_WORDS: Record<Quantization, string> = {
  weights: "its weights are in few bits already",
  dynamic: "it is quantized dynamically already",
  static: "it is quantized statically already",
};

/** What still makes sense for each. */
const OFFERS: Record<Quantization, string> = {
  weights: "toFloat16 can bring the rest of it into float16; for another form give the float model",
  dynamic: "it can be used as it is; for another form give the float model that it was made from",
  static: "it can be used as it is; for another form give the float model that it was made from",
};

/**
 * Checks that a model is not quantized already in a way that a form cannot be built upon.
 *
 * @param where opens the error.
 * @param allowed what the form can be built upon.
 * @throws {OnnxError} if it is; says how, by which node, and what still makes sense.
 */
export function checkUnquantized(
  where: string,
  model: OnnxModel,
  allowed: readonly Quantization[] = [],
): void {
  const node = quantizedNode(model) ?? storedWeight(model);
  if (!node) return;
  const how = quantizationOf(node);
  if (allowed.includes(how)) return;
  const which = describeNode(node).replace(/^the /, "");
  throw new OnnxError(
    `${where}: the model is not float: ${IN_WORDS[how]}, as its ${which} shows; ${OFFERS[how]}`,
  );
}
