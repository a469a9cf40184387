/**
 * The nodes in graphs inside of other nodes, such as the branches of an If.
 *
 * @module
 */
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { definedValues, subgraphs } from "../file/subgraphs.ts";
import { elementCount } from "../file/tensor_data.ts";
import { describeNode } from "../graph/describe_node.ts";
import type { GraphFacts } from "./graph_facts.ts";
import { roleOf } from "./operators.ts";

/** Weights with fewer elements are not worth the node that makes floats of them. */
const LEAST_ELEMENTS = 256;

/** A node in a graph inside of another node. */
export interface InnerNode {
  readonly node: NodeProto;
  /** Why it does not compute with integers. */
  readonly inside: string;
  /** Whether its weight is a constant of the graph around all of them that can be stored in integers. */
  readonly weight: boolean;
}

/**
 * The nodes in graphs inside of others whose operators can be quantized. What they read there is not observed, so that
 * they have no ranges to compute with; but a weight can be stored in integers.
 */
export function* innerNodes(facts: GraphFacts): Generator<InnerNode> {
  for (const node of facts.graph.node) {
    for (const inner of subgraphs(node)) yield* within(inner, node, new Set(), facts);
  }
}

function* within(
  graph: GraphProto,
  around: NodeProto,
  outer: ReadonlySet<string>,
  facts: GraphFacts,
): Generator<InnerNode> {
  const own = outer.union(definedValues(graph));
  const inside = `it stands in a graph inside of ${describeNode(around)}`;
  for (const node of graph.node) {
    if (roleOf(node)) {
      yield { node, inside, weight: !own.has(node.input[1]) && isStorable(node, facts) };
    }
    for (const inner of subgraphs(node)) yield* within(inner, node, own, facts);
  }
}

/** Whether a node's weight becomes much smaller in integers. */
function isStorable(node: NodeProto, facts: GraphFacts): boolean {
  const role = roleOf(node);
  const weight = node.input[1];
  if (role !== "multiplies" && role !== "stores" || !facts.isFloat(weight)) return false;
  const dims = facts.constantDims(weight);
  return dims !== undefined && dims.length > 1 && elementCount(dims) >= LEAST_ELEMENTS;
}
