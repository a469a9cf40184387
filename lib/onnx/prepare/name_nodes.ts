import type { GraphProto } from "../file/proto.ts";

/**
 * Gives each node a name that no other has, so that options and reports can say which one they mean: that of
 * the operator and what it makes if it has none, and a number if it shares one.
 */
export function nameNodes(graph: GraphProto): void {
  const taken = new Set<string>();
  const wanted = new Set(graph.node.map(({ name }) => name));
  for (const node of graph.node) {
    const wish = node.name || `${node.opType}:${node.output.find(Boolean) ?? ""}`;
    let name = wish;
    // A number must not make it the name of a node that comes later.
    for (let i = 1; taken.has(name) || name !== node.name && wanted.has(name); i++) {
      name = `${wish}_${i}`;
    }
    taken.add(name);
    node.name = name;
  }
}
