import type { NodeProto } from "../file/proto.ts";
import { isOp, type Pass, removeNodes } from "./graph_tools.ts";
import { scalarFactor } from "./scalar_factor.ts";

/**
 * Makes one product of several products and quotients with numbers in a row, and a product of a quotient: that
 * one is computed with integers, a quotient isn't.
 */
export const mergeFactors: Pass = (tools) => {
  const { graph, view } = tools;
  // What is changed in this pass the tools know no more.
  const changed = new Set<NodeProto>();
  const removed = new Set<NodeProto>();
  for (const node of graph.node) {
    const last = changed.has(node) ? undefined : scalarFactor(tools, node);
    if (!last) continue;
    const before = tools.onlyReader(last.value) === node ? view.producer(last.value) : undefined;
    if (before && changed.has(before)) continue;
    const first = scalarFactor(tools, before);
    if (!first && !isOp(node, "Div")) continue;
    const factor = Math.fround(last.factor * (first?.factor ?? 1));
    if (!Number.isFinite(factor) || factor === 0) continue;
    const name = tools.constant(`${node.output[0]}/factor`, [], Float32Array.of(factor));
    node.opType = "Mul";
    node.input = [first?.value ?? last.value, name];
    changed.add(node);
    if (!first) continue;
    changed.add(before!);
    removed.add(before!);
  }
  removeNodes(graph, removed);
  return changed.size > 0;
};
