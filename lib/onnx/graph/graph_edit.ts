/**
 * Changing a graph in place.
 *
 * @module
 */
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { captures, definedValues, initializerNames, subgraphs } from "../file/subgraphs.ts";
import { producers, topologicalOrder } from "../file/topological_order.ts";

/** Nodes to put in and to take out. */
export interface NodeChanges {
  /** Nodes at the start of the graph. */
  readonly first?: readonly NodeProto[];
  /** Nodes to put right before another. */
  readonly before?: ReadonlyMap<NodeProto, readonly NodeProto[]>;
  /** Nodes to put in the place of another; none to remove it. */
  readonly replace?: ReadonlyMap<NodeProto, readonly NodeProto[]>;
  /** Nodes to put right after another. */
  readonly after?: ReadonlyMap<NodeProto, readonly NodeProto[]>;
  /** Nodes at the end of the graph. */
  readonly last?: readonly NodeProto[];
}

/** Puts nodes into a graph and takes others out, in one pass. */
export function spliceNodes(graph: GraphProto, changes: NodeChanges): void {
  const { first = [], before, replace, after, last = [] } = changes;
  const middle = graph.node.flatMap((node) => [
    ...before?.get(node) ?? [],
    ...replace?.get(node) ?? [node],
    ...after?.get(node) ?? [],
  ]);
  graph.node = [...first, ...middle, ...last];
}

/** Renames what a graph inside of a node reads from around it. */
function replaceCaptures(graph: GraphProto, from: string, to: string): void {
  if (definedValues(graph).has(from)) return; // a value of its own by the same name
  for (const node of graph.node) replaceReads(node, from, to);
}

function replaceReads(node: NodeProto, from: string, to: string): void {
  node.input = node.input.map((name) => name === from ? to : name);
  for (const inner of subgraphs(node)) replaceCaptures(inner, from, to);
}

/**
 * Makes the nodes that read one value read another, also in graphs inside of them. The graph's outputs
 * keep their names.
 *
 * @param graph the graph that is changed.
 * @param from the value read so far.
 * @param to the value to read.
 * @param options `except`: nodes that go on reading `from`.
 */
export function replaceUses(
  graph: GraphProto,
  from: string,
  to: string,
  options: { except?: ReadonlySet<NodeProto> } = {},
): void {
  for (const node of graph.node) {
    if (!options.except?.has(node)) replaceReads(node, from, to);
  }
}

/** Whether each name is read by a node or is an output. */
function readValues(graph: GraphProto): Set<string> {
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
  const read = readValues(graph);
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

/** Forgets the shapes that the file states of values that no longer exist. */
export function removeUnusedValueInfos(graph: GraphProto): number {
  const defined = definedValues(graph);
  const before = graph.valueInfo.length;
  graph.valueInfo = graph.valueInfo.filter(({ name }) => defined.has(name));
  return before - graph.valueInfo.length;
}

/** Brings the nodes into an order in which they can run, as the format asks for. */
export function sortNodes(graph: GraphProto): void {
  graph.node = topologicalOrder(graph);
}
