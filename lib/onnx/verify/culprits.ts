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
 * @param nodes those that are quantized, any of which may be to blame.
 * @param message what onnxruntime said; the nodes that it names are tried first.
 * @param trial leaves nodes in float, and gives what became of all if all is well then.
 * @returns their names; nothing if nothing helps.
 */
export async function culprits(
  graph: GraphProto,
  nodes: readonly QuantizedNode[],
  message: string,
  trial: (left: readonly string[]) => Promise<readonly QuantizedNode[] | undefined>,
): Promise<string[] | undefined> {
  const fine = async (left: readonly string[]) => await trial(left) !== undefined;
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
  const found = operators && await bisect(of(operators), fine, MOST_FOUND);
  if (!found) return undefined;
  // A node may help only since another one, which is to blame, stays float behind it.
  const inFloat = async (left: readonly string[]) => {
    const float = new Set(
      (await trial(left) ?? []).flatMap((node) => node.quantized ? [] : node.name),
    );
    return suspects.map(({ name }) => name).filter((name) => float.has(name));
  };
  const all = await inFloat(found);
  const others = all.filter((name) => !found.includes(name));
  const behind = others.length > 0 ? await bisect(others, fine, MOST_FOUND) : undefined;
  return behind && (await inFloat(behind)).length < all.length ? behind : found;
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
