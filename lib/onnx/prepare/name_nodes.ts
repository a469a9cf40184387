import type { GraphProto } from "../file/proto.ts";

/**
 * Gives each node a name that no other has, so that options and reports can say which one they mean: that of
 * the operator and what it makes if it has none, and a number if it shares one.
 */
export function nameNodes(graph: GraphProto): void {
  const taken = new Set<string>();
  const wanted = new Set(graph.node.map(({ name }) => name));
  // The number to try next for a wish, so that many equal ones don't try all.
  const next = new Map<string, number>();
  for (const node of graph.node) {
    const wish = node.name || `${node.opType}:${node.output.find(Boolean) ?? ""}`;
    let name = wish;
    let i = next.get(wish) ?? 1;
    // A number must not make it the name of a node that comes later.
    for (; taken.has(name) || name !== node.name && wanted.has(name); i++) name = `${wish}_${i}`;
    if (name !== wish) next.set(wish, i);
    taken.add(name);
    node.name = name;
  }
}
