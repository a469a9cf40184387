/**
 * Which nodes are not worth bytes, whatever their kernels can do.
 *
 * A convolution's integer kernel gives bytes, and what stands behind it takes them for nothing. That of a matrix
 * product gives floats as readily. So what only follows such products, as nearly all between the layers of a
 * transformer does, is computed in floats: bytes there cost accuracy, and the turning of floats into bytes time.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import { isOp } from "../graph/operator.ts";
import type { Dim } from "../graph/shape_rules.ts";
import type { GraphFacts } from "./graph_facts.ts";
import { givesFloats, operands } from "./operators.ts";

/** Why a sum or product of such values stays float. */
const FLOATS_ANYWAY =
  "what it computes with comes as floats, and bytes would cost more than they save";
/** Why a product of two activations does. */
const TOO_FEW = "it multiplies too few floats with each other to be worth turning them into bytes";

/**
 * So many products of each element pay for making a byte of it. Measured with onnxruntime 1.30 on x86-64: heads of 64
 * gain from some 200 rows on, those of 32 with 64 rows lose.
 */
const LEAST_PRODUCTS = 40;
/** What a size that the graph leaves open is taken to be. */
const OPEN_SIZE = 64;

/** Operators of two operands which compute element by element. */
const PAIRS = ["Add", "Mul", "Where"];

/** Whether a value may be as large as what is made of it, not spread along an axis. */
function isWhole(value: readonly Dim[] | undefined, result: readonly Dim[] | undefined): boolean {
  if (!value || !result || value.length !== result.length) return value?.length !== 1;
  return value.every((size, i) => size !== 1 || result[i] === 1);
}

/** How often each element of a product's operands is multiplied, for the one of both where that is more seldom. */
function productsEach(node: NodeProto, facts: GraphFacts): number {
  const size = (i: number, axis: number) => facts.dims(node.input[i])?.at(axis) ?? OPEN_SIZE;
  const [rows, inner, columns] = [size(0, -2), size(0, -1), size(1, -1)];
  return rows * inner * columns / (rows * inner + inner * columns);
}

/**
 * The nodes of a graph that are not worth bytes, and why: sums and products with a value of their size that a matrix
 * product or what follows one gives as floats, and products of two such values where each element is multiplied
 * only a few times.
 */
export function notWorthBytes(facts: GraphFacts): ReadonlyMap<NodeProto, string> {
  /** The values that come as floats for nothing. */
  const floats = new Set<string>();
  const found = new Map<NodeProto, string>();
  for (const node of facts.graph.node) {
    const [output] = node.output;
    const isFloats = (i: number) => floats.has(node.input[i]);
    const role = facts.role(node);
    const reading = role ? operands(node).filter((i) => !facts.isConstant(node.input[i])) : [];
    if (role === "multiplies") {
      if (!givesFloats(node)) continue;
      floats.add(output);
      const few = reading.length === 2 && reading.every(isFloats) &&
        productsEach(node, facts) < LEAST_PRODUCTS;
      if (few) found.set(node, TOO_FEW);
    } else if (isOp(node, ...PAIRS) && role) {
      const dims = facts.dims(output);
      if (!reading.some((i) => isFloats(i) && isWhole(facts.dims(node.input[i]), dims))) continue;
      floats.add(output);
      found.set(node, FLOATS_ANYWAY);
    } else if (role === "computes") {
      if (!reading.every(isFloats)) continue;
      node.output.forEach((name) => floats.add(name));
      if (node.opType === "Concat") found.set(node, FLOATS_ANYWAY);
    } else if (node.input.some((name) => floats.has(name))) {
      node.output.forEach((name) => floats.add(name));
    }
  }
  return found;
}
