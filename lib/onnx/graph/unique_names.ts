import type { GraphProto } from "../file/proto.ts";
import { initializerNames, walkGraphs } from "../file/subgraphs.ts";

/** Names that nothing in a graph has yet, neither a value nor a node, and neither inside of its nodes. */
export class UniqueNames {
  private readonly taken = new Set<string>();
  /** The number to try next for a wish, so that many equal ones don't try all. */
  private readonly next = new Map<string, number>();

  /** Takes note of all names in the graph and in those inside of its nodes. */
  constructor(graph: GraphProto) {
    for (const inner of walkGraphs(graph)) {
      const named = [...inner.node, ...inner.input, ...inner.output].map(({ name }) => name);
      const values = inner.node.flatMap(({ input, output }) => [...input, ...output]);
      for (const name of [...named, ...values, ...initializerNames(inner)]) this.taken.add(name);
    }
  }

  /** The name wished for, or if it's taken, that with a number; taken from now on. */
  name(wish: string): string {
    let free = wish;
    let i = this.next.get(wish) ?? 1;
    for (; this.taken.has(free); i++) free = `${wish}_${i}`;
    if (free !== wish) this.next.set(wish, i);
    this.taken.add(free);
    return free;
  }
}
