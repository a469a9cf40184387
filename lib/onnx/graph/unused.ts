/**
 * Taking out of a graph what nothing needs any more.
 *
 * @module
 */
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { captures, definedValues, initializerNames } from "../file/subgraphs.ts";
import { producers } from "../file/topological_order.ts";

/** The values that a node reads, or that are outputs. */
function valuesRead(graph: GraphProto): Set<string> {
  return new Set([
    ...graph.node.flatMap((node) => [...node.input, ...captures(node)]),
    ...graph.output.map(({ name }) => name),
  ]);
}

/**
 * Removes the constants that nothing reads; one that is an input too goes with the input.
 *
 * @returns how many.
 */
export function removeUnusedInitializers(graph: GraphProto): number {
  const read = valuesRead(graph);
  const unused = new Set(initializerNames(graph).filter((name) => !read.has(name)));
  graph.initializer = graph.initializer.filter(({ name }) => !unused.has(name));
  graph.sparseInitializer = graph.sparseInitializer.filter(({ values }) =>
    !unused.has(values?.name ?? "")
  );
  graph.input = graph.input.filter(({ name }) => !unused.has(name));
  return unused.size;
}

/**
 * Removes the nodes of which no output of the graph depends.
 *
 * @returns how many.
 */
export function removeUnusedNodes(graph: GraphProto): number {
  const from = producers(graph);
  const used = new Set<NodeProto>();
  const open = graph.output.map(({ name }) => name);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = from.get(name);
    if (!node || used.has(node)) continue;
    used.add(node);
    for (const name of [...node.input, ...captures(node)]) open.push(name);
  }
  const removed = graph.node.length - used.size;
  graph.node = graph.node.filter((node) => used.has(node));
  return removed;
}

/**
 * Forgets the shapes that the file states of values that no longer exist.
 *
 * @returns of how many.
 */
export function removeUnusedValueInfos(graph: GraphProto): number {
  const defined = definedValues(graph);
  const before = graph.valueInfo.length;
  graph.valueInfo = graph.valueInfo.filter(({ name }) => defined.has(name));
  return before - graph.valueInfo.length;
}
