/**
 * The order of a graph's nodes: each after those that make what it reads.
 *
 * @module
 */
import type { GraphProto, NodeProto } from "./proto.ts";
import { fail, show } from "./onnx_error.ts";
import { captures } from "./subgraphs.ts";

/** The values that a node reads, those that graphs inside of it capture too. */
function read(node: NodeProto): string[] {
  return [...node.input, ...captures(node)];
}

/** A node's name, or what it makes if it has none. */
function label(node: NodeProto): string {
  return `${node.opType} ${show(node.name || (node.output[0] ?? ""))}`;
}

/** The node that makes each value. */
export function producers(graph: GraphProto): Map<string, NodeProto> {
  const made = graph.node.flatMap((node) => node.output.map((name) => [name, node] as const));
  return new Map(made.filter(([name]) => name !== ""));
}

/**
 * The nodes in an order in which they can run. Where the graph's own order is one, it's kept.
 *
 * @throws {OnnxError} if nodes wait for each other; names them.
 */
export function topologicalOrder(graph: GraphProto): NodeProto[] {
  const from = producers(graph);
  const order: NodeProto[] = [];
  const done = new Set<NodeProto>();
  const waiting = new Set<NodeProto>();
  for (const first of graph.node) {
    // The nodes that wait, each for the next, and what they still have to look at.
    const stack: { node: NodeProto; inputs: Iterator<string> }[] = [];
    const visit = (node: NodeProto) => {
      waiting.add(node);
      stack.push({ node, inputs: read(node).values() });
    };
    if (!done.has(first)) visit(first);
    while (stack.length > 0) {
      const { node, inputs } = stack[stack.length - 1];
      const next = inputs.next();
      if (next.done) {
        stack.pop();
        waiting.delete(node);
        done.add(node);
        order.push(node);
        continue;
      }
      const needed = from.get(next.value);
      if (!needed || done.has(needed)) continue;
      if (waiting.has(needed)) {
        const nodes = stack.map(({ node }) => node);
        const cycle = [...nodes.slice(nodes.indexOf(needed)), needed].map(label);
        const shown = cycle.length > 8 ? [...cycle.slice(0, 6), "…", cycle[0]] : cycle;
        fail(`the graph is cyclic: ${shown.join(" reads ")}`);
      }
      visit(needed);
    }
  }
  return order;
}

/** Whether every node comes after those that make what it reads, as the format asks for. */
export function isTopologicallySorted(graph: GraphProto): boolean {
  const later = new Set(graph.node.flatMap(({ output }) => output));
  later.delete("");
  return graph.node.every((node) => {
    const ready = read(node).every((name) => !later.has(name));
    for (const name of node.output) later.delete(name);
    return ready;
  });
}
