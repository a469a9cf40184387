import type { NodeProto } from "../file/proto.ts";
import { isOp } from "../graph/operator.ts";
import type { Pass } from "./graph_tools.ts";
import { type ScalarFactor, scalarFactor } from "./scalar_factor.ts";

/**
 * Makes one product of several products and quotients with numbers in a row, and a product of a quotient: that
 * one is computed with integers, a quotient isn't. A quotient that an Erf reads stays one: onnxruntime fuses a GELU that
 * begins so.
 */
export const mergeFactors: Pass = (tools) => {
  const { editor, view } = tools;
  const merged = new Map<NodeProto, ScalarFactor>();
  const factorOf = (node: NodeProto | undefined) =>
    node && (merged.get(node) ?? scalarFactor(tools, node));
  for (const node of editor.graph.node) {
    const last = scalarFactor(tools, node);
    if (!last) continue;
    const before = view.onlyReader(last.value) === node ? view.producer(last.value) : undefined;
    const first = factorOf(before);
    if (!first && (!isOp(node, "Div") || view.onlyReader(node.output[0])?.opType === "Erf")) {
      continue;
    }
    const factor = Math.fround(last.factor * (first?.factor ?? 1));
    if (!Number.isFinite(factor) || factor === 0) continue;
    merged.set(node, { value: first?.value ?? last.value, factor });
    if (!first) continue;
    merged.delete(before!);
    editor.remove([before!]);
  }
  for (const [node, { value, factor }] of merged) {
    const name = editor.constant(
      `${node.output[0]}/factor`,
      "float32",
      [],
      Float32Array.of(factor),
    );
    node.opType = "Mul";
    node.input = [value, name];
  }
  return merged.size > 0;
};
