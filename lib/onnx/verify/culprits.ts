/**
 * Finding the nodes that are not to be quantized since onnxruntime does not run them right.
 *
 * @module
 */
import type { GraphProto } from "../file/proto.ts";
import { type Role, roleOf } from "../qdq/operators.ts";
import type { QuantizedNode } from "../qdq/quantize_graph.ts";
import { nodeName } from "../qdq/selection.ts";
import { bisect } from "./bisect.ts";

/** The roles by how little is lost when nodes that have them stay float. */
const LEAST_LOST: readonly (Role | undefined)[] = [
  "moves",
  "clips",
  "computes",
  "stores",
  "multiplies",
];

/** So many nodes are found one by one; if more are to blame, all of their operators are. */
const MOST_FOUND = 4;

/**
 * Few nodes without which all is well: first operators are looked for, then nodes of theirs.
 *
 * @param graph the float graph.
 * @param nodes those that may be to blame.
 * @param message what onnxruntime said; the nodes that it names are tried first.
 * @param fine whether all is well with these in float.
 * @returns their names; nothing if nothing helps.
 */
export async function culprits(
  graph: GraphProto,
  nodes: readonly QuantizedNode[],
  message: string,
  fine: (left: readonly string[]) => Promise<boolean>,
): Promise<string[] | undefined> {
  const named = nodes.map(({ name }) => name).filter((name) => names(message, name));
  if (named.length > 0 && await fine(named)) return named;
  const roles = new Map(graph.node.map((node) => [nodeName(node), roleOf(node)]));
  const lost = ({ name }: QuantizedNode) => LEAST_LOST.indexOf(roles.get(name));
  const suspects = nodes.toSorted((a, b) => lost(a) - lost(b));
  const of = (operators: readonly string[]) =>
    suspects.filter(({ opType }) => operators.includes(opType)).map(({ name }) => name);
  const operators = await bisect(
    [...new Set(suspects.map(({ opType }) => opType))],
    (left) => fine(of(left)),
  );
  if (!operators) return undefined;
  return await bisect(of(operators), fine, MOST_FOUND);
}

/** Whether a message names a node, and not another one whose name begins or ends like it. */
function names(message: string, name: string): boolean {
  const word = /[\w./-]/;
  for (let at = message.indexOf(name); at >= 0; at = message.indexOf(name, at + 1)) {
    const [before, after] = [message[at - 1] ?? " ", message[at + name.length] ?? " "];
    if (!word.test(before) && !word.test(after)) return true;
  }
  return false;
}
