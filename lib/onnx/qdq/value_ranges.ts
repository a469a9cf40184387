/**
 * Which range each value of a graph needs.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import type { GraphFacts } from "./graph_facts.ts";
import type { Use } from "../graph/graph_view.ts";
import { attributeProblem, operands } from "./operators.ts";
import type { TensorRange } from "./params.ts";

/** What a value was seen to hold; nothing if it was not observed. */
export type Observed = (name: string) => TensorRange | undefined;

/** The least range that holds both. */
export function union(a: TensorRange | undefined, b: TensorRange | undefined) {
  return a && b ? { min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) } : a ?? b;
}

/** How wide the integers have to reach for a range: they always hold 0. */
export function width({ min, max }: TensorRange): number {
  return Math.max(max, 0) - Math.min(min, 0);
}

/**
 * How a node reads a value. What lies beyond the range of a node's outputs makes no difference in a
 * value that it only picks elements from, or cuts off: parts, greatest and least elements and clipped
 * values come out the same after the input was cut off there.
 */
function reading(use: Use, facts: GraphFacts): "computes" | "picks" | "mixes" {
  if (use.kind !== "input") return "computes";
  const { node, index } = use;
  const role = facts.role(node);
  if ((role === "moves" || role === "clips") && attributeProblem(node) === undefined) {
    return index === 0 ? "picks" : "computes";
  }
  // Those put elements of several values beside each other.
  const mixes = role !== undefined && (node.opType === "Where" || node.opType === "Concat");
  return mixes && operands(node).includes(index) ? "mixes" : "computes";
}

/** A range cut off at the ends of another. */
function cutOff(range: TensorRange, { min, max }: TensorRange): TensorRange {
  const inside = (x: number) => Math.min(Math.max(x, min), max);
  return { min: inside(range.min), max: inside(range.max) };
}

/**
 * The values to observe so that {@linkcode neededRanges} can tell the ranges of others.
 *
 * @param values those whose ranges will be asked for.
 * @returns each once, in the graph's order.
 */
export function observedValues(facts: GraphFacts, values: Iterable<string>): string[] {
  const asked = new Set(values);
  const sources = new Set<string>();
  const visit = (name: string) => {
    if (!asked.has(name) || facts.isConstant(name)) return;
    for (const use of facts.view.uses(name)) {
      const how = reading(use, facts);
      if (how !== "picks") sources.add(facts.root(name));
      if (how !== "computes") nodeOf(use).output.forEach((output) => asked.add(output));
    }
  };
  facts.graph.input.forEach(({ name }) => visit(name));
  for (const node of facts.graph.node) node.output.forEach(visit);
  return [...sources];
}

/**
 * The range that each value needs: its own where somebody computes with it or it is an output, the
 * ranges of what is picked out of it where that is all that happens to it.
 *
 * @param observed what {@linkcode observedValues} were seen to hold, by the names that it gives.
 * @returns the range by a value's name; nothing for those that were not asked for there.
 */
export function neededRanges(
  facts: GraphFacts,
  observed: Observed,
): ReadonlyMap<string, TensorRange> {
  const ranges = new Map<string, TensorRange>();
  const visit = (name: string) => {
    let range: TensorRange | undefined;
    for (const use of facts.view.uses(name)) {
      const how = reading(use, facts);
      const own = how === "picks" ? undefined : observed(facts.root(name));
      let picked: TensorRange | undefined;
      if (how !== "computes") {
        for (const output of nodeOf(use).output) picked = union(picked, ranges.get(output));
      }
      range = union(range, own && picked ? cutOff(own, picked) : own ?? picked);
    }
    if (range) ranges.set(name, range);
  };
  for (const node of facts.graph.node.toReversed()) node.output.forEach(visit);
  facts.graph.input.forEach(({ name }) => visit(name));
  return ranges;
}

function nodeOf(use: Use): NodeProto {
  if (use.kind === "output") throw new Error("an output of the graph has no node");
  return use.node;
}
