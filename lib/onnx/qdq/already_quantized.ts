import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { describeNode } from "../graph/describe_node.ts";

/** What the operators of quantized models are called. */
const QUANTIZED =
  /^(DynamicQuantize|Quantize|Dequantize|QLinear|QGemm|MatMulInteger|ConvInteger|MatMulNBits|QAttention)/;

/**
 * Checks that a model is not quantized already.
 *
 * @param where opens the error.
 * @throws {OnnxError} if it is; names a node.
 */
export function checkFloatModel(where: string, model: OnnxModel): void {
  for (const { node } of walkGraphs(model.graph)) {
    const quantized = node.find(({ opType }) => QUANTIZED.test(opType));
    if (quantized) {
      throw new OnnxError(
        `${where}: the model is quantized already: it has the ${
          describeNode(quantized)
        }; give the float ` +
          `model that it was made from`,
      );
    }
  }
}
