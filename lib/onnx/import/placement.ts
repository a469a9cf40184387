/**
 * Where values are while a graph runs: on the device, or on the host where something must know their numbers
 * before it can be enqueued, such as a shape.
 *
 * @module
 */
import { quote } from "../../numbers/printable.ts";
import type { GraphProto, NodeProto, ValueInfoProto } from "../file/proto.ts";
import { subgraphs, walkGraphs } from "../file/subgraphs.ts";
import { describeNode } from "../graph/describe_node.ts";
import { isOp } from "../graph/operator.ts";
import { valueType } from "../graph/graph_view.ts";
import { type OperatorRule, readsOnHost } from "./node/operator_rule.ts";
import { ruleOf } from "./operator_table.ts";

/** A constant is wherever it is needed. */
export type Place = "constant" | "host" | "device";

/**
 * Where a node is computed.
 *
 * @param places of its inputs; nothing for one that is left out.
 * @param needed whether a result must be known on the host.
 */
export function placeOf(
  rule: OperatorRule,
  places: readonly (Place | undefined)[],
  needed: boolean,
): Place {
  if (places.every((place) => place === undefined || place === "constant")) return "constant";
  const read = places.filter((place, i) => place !== undefined && !rule.unread?.includes(i));
  if (needed || read.length === 0) return "host";
  const computed = places.filter((place, i) =>
    place !== undefined && place !== "constant" && !readsOnHost(rule, i) &&
    !rule.unread?.includes(i)
  );
  // What is computed of shapes alone stays with them; a table that is made of them does not.
  const fromHost = computed.length > 0 && computed.every((place) => place === "host");
  return fromHost && !rule.grows ? "host" : "device";
}

/** The values whose numbers must be known on the host, each with the node that needs it. */
export type NeededValues = ReadonlyMap<string, NodeProto>;

/** Finds the values of a graph, and of those inside of its nodes, that must be known on the host. */
export function neededOnHost(graph: GraphProto): NeededValues {
  const needs = new Map<string, string[]>();
  const needed = new Map<string, NodeProto>();
  const open: string[] = [];
  const need = (name: string | undefined, reader: NodeProto) => {
    if (!name || needed.has(name)) return;
    needed.set(name, reader);
    open.push(name);
  };
  const link = (name: string | undefined, others: readonly string[]) => {
    if (name) needs.set(name, [...needs.get(name) ?? [], ...others]);
  };
  for (const node of [...walkGraphs(graph)].flatMap((inner) => inner.node)) {
    const rule = ruleOf(node);
    node.input.forEach((name, i) => {
      if (rule && readsOnHost(rule, i)) need(name, node);
    });
    if (isOp(node, "If")) linkBranches(node, link);
    else if (isOp(node, "Loop")) linkBody(node, link, need);
    else {
      const unread = ruleOf(node)?.unread ?? [];
      const read = node.input.filter((_, i) => !unread.includes(i));
      node.output.forEach((name) => link(name, read));
    }
  }
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    for (const other of needs.get(name) ?? []) need(other, needed.get(name)!);
  }
  return needed;
}

type Link = (name: string | undefined, others: readonly string[]) => void;

/** An output of an If is one of its graphs'. */
function linkBranches(node: NodeProto, link: Link): void {
  for (const branch of subgraphs(node)) {
    node.output.forEach((name, i) => link(name, [branch.output[i]?.name ?? ""]));
  }
}

/** What a Loop carries has one place before, in and after it. */
function linkBody(
  node: NodeProto,
  link: Link,
  need: (name: string | undefined, reader: NodeProto) => void,
): void {
  for (const body of subgraphs(node)) {
    need(body.output[0]?.name, node);
    body.input.slice(0, 2).forEach(({ name }) => need(name, node));
    const carried = body.input.length - 2;
    node.output.forEach((name, i) => {
      const made = body.output[i + 1]?.name;
      const all = i < carried
        ? [name, made, body.input[i + 2].name, node.input[i + 2]].filter(Boolean)
        : [made];
      if (i >= carried) link(name, all);
      else for (const each of all) link(each, all);
    });
  }
}

/** Dimensions that an input of floats may have to be one whose numbers decide shapes. */
const MOST_RANK = 1;

/** Why an input cannot be known on the host; nothing if it is one whose numbers are known there. */
export function hostInputProblem(
  info: ValueInfoProto,
  needed: NeededValues,
): string | undefined {
  const reader = needed.get(info.name);
  const type = valueType(info.type);
  if (!reader || !type) return undefined;
  const { dtype, dims } = type;
  if (!dtype.includes("float") || dims && dims.length <= MOST_RANK) return undefined;
  return `${
    describeNode(reader)
  } asks for a shape or size that depends on the numbers of the input ` +
    `${quote(info.name)}, so it cannot be known before the graph runs`;
}
