import type { GraphProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";

/** The names that more than one node of a graph has, each once; those in graphs inside of nodes are looked at too. */
export function sharedNodeNames(graph: GraphProto): string[] {
  const seen = new Set<string>();
  const shared = new Set<string>();
  for (const { name } of [...walkGraphs(graph)].flatMap(({ node }) => node)) {
    if (name !== "" && seen.has(name)) shared.add(name);
    seen.add(name);
  }
  return [...shared];
}

/**
 * Gives each node a name that no other has, in graphs inside of nodes too, so that options and reports can say which one they mean: that of
 * the operator and what it makes if it has none, and a number if it shares one.
 */
export function nameNodes(graph: GraphProto): void {
  const taken = new Set<string>();
  const nodes = [...walkGraphs(graph)].flatMap(({ node }) => node);
  const wanted = new Set(nodes.map(({ name }) => name));
  // The number to try next for a wish, so that many equal ones don't try all.
  const next = new Map<string, number>();
  for (const node of nodes) {
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
