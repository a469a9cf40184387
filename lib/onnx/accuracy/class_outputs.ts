import { intOf } from "../file/attributes.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import type { OnnxModel } from "../file/model.ts";

/** Operators that hand on what they get, or quantize it. */
const PASSING = ["Cast", "DequantizeLinear", "Dropout", "Identity", "QuantizeLinear"];

/** Operators that give logits: products with a weight for each class. */
const LOGITS = ["Gemm", "MatMul"];

/**
 * The outputs whose last axis counts classes: those that Softmax or LogSoftmax along it makes, and rows of logits
 * from a matrix product. An image of probabilities is none.
 */
export function classOutputs(model: OnnxModel): Set<string> {
  const facts = new ShapeFacts(model.graph);
  const isClasses = (name: string): boolean => {
    const dims = facts.dims(name);
    if (dims?.at(-1) === 1) return false;
    const behind = (value: string) => {
      let node = facts.view.producer(value);
      while (node && PASSING.includes(node.opType)) node = facts.view.producer(node.input[0]);
      return node;
    };
    let node = behind(name);
    if (node?.opType === "Softmax" || node?.opType === "LogSoftmax") {
      const axis = intOf(node, "axis", model.opset() < 13 ? 1 : -1);
      return axis === -1 || dims !== undefined && axis === dims.length - 1;
    }
    // A bias may come after the product.
    if (node?.opType === "Add") node = node.input.map(behind).find((each) => each !== undefined);
    return node !== undefined && LOGITS.includes(node.opType) && dims?.length === 2;
  };
  return new Set(model.graph.output.map(({ name }) => name).filter(isClasses));
}
