/**
 * What of a model cannot be computed here, all of it at once.
 *
 * @module
 */
import { quote } from "../../numbers/printable.ts";
import { domainName } from "../file/check_model.ts";
import type { OnnxModel } from "../file/model.ts";
import { isOp } from "../graph/operator.ts";
import { operatorProblem } from "../upgrade/operators.ts";
import { dataTypeName } from "../file/data_type.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { GraphProto, NodeProto, TensorProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { describeNode } from "../graph/describe_node.ts";
import { GraphView, valueType } from "../graph/graph_view.ts";
import { constantType, importedType } from "./node/element_types.ts";
import { attributeProblems, NodeAttributes } from "./node/node_attributes.ts";
import { ruleOf } from "./operator_table.ts";
import { hostInputProblem, neededOnHost } from "./placement.ts";

/** Problems that a message lists. */
const MOST_LISTED = 40;

/** Operators that are not computed here, each with how often it is there and where first. */
function missingOperators(nodes: readonly NodeProto[]): string[] {
  const missing = new Map<string, NodeProto[]>();
  for (const node of nodes) {
    if (ruleOf(node)) continue;
    const domain = domainName(node.domain);
    const name = domain ? `${node.opType} of the domain ${quote(domain)}` : node.opType;
    missing.set(name, [...missing.get(name) ?? [], node]);
  }
  return [...missing].map(([name, [first, ...others]]) =>
    `the operator ${name} is not computed here (${
      others.length ? `${others.length + 1} nodes, the first is ` : ""
    }${describeNode(first)})`
  );
}

/** What is wrong with a node whose operator is computed here, each a clause. */
function nodeProblems(node: NodeProto, view: GraphView): string[] {
  const rule = ruleOf(node);
  if (!rule) return [];
  const problems = attributeProblems(node, rule.attributes ?? {});
  const [least, most] = rule.inputs;
  const given = node.input.findLastIndex(Boolean) + 1;
  if (given < least || given > most) {
    const wanted = least === most
      ? least
      : most === Infinity
      ? `${least} or more`
      : `${least} to ${most}`;
    problems.push(`has ${given} inputs, and its operator takes ${wanted}`);
  }
  const computed = rule.outputs ?? 1;
  const more = node.output.findIndex((name, i) =>
    i >= computed && name !== "" && view.uses(name).length > 0
  );
  if (more >= 0) {
    problems.push(
      `makes ${quote(node.output[more])}, its output ${more}, which is not computed here`,
    );
  }
  const attributes = new NodeAttributes(node, rule.attributes ?? {});
  const refused = problems.length === 0 && rule.refuse?.(node, attributes);
  if (refused) problems.push(refused);
  return problems;
}

/** Constants and inputs of types that tensors have not here. */
function typeProblems(graph: GraphProto, view: GraphView, isMain: boolean): string[] {
  const constants = graph.initializer.filter(({ name }) => view.uses(name).length > 0);
  return [
    ...constants.flatMap(constantProblem),
    ...graph.sparseInitializer.map(({ values }) =>
      `the constant ${quote(values?.name ?? "")} is sparse, which is not computed with here`
    ),
    ...(isMain ? view.inputs : []).flatMap((info) => {
      const type = valueType(info.type);
      if (type && importedType(type.dtype)) return [];
      const what = type?.dtype ?? info.type?.value.case?.replace(/Type$/, "") ?? "unknown type";
      return [`the input ${quote(info.name)} is of ${what}, which tensors have not here`];
    }),
  ];
}

function constantProblem({ name, dataType }: TensorProto): string[] {
  const type = dataTypeName(dataType);
  return type && constantType(type) ? [] : [
    `the constant ${quote(name)} is of ${type ?? `type ${dataType}`}, which tensors have not here`,
  ];
}

/** Values that a graph defines under a name that one around it has defined. */
function shadowed(graph: GraphProto): string[] {
  const problems: string[] = [];
  const names = (g: GraphProto) =>
    new Set([
      ...[...g.input, ...g.initializer].map(({ name }) => name),
      ...g.node.flatMap(({ output }) => output),
    ].filter(Boolean));
  const visit = (g: GraphProto, outer: ReadonlySet<string>) => {
    const own = names(g);
    const twice = [...own].find((name) => outer.has(name));
    if (twice !== undefined) {
      problems.push(
        `the graph ${quote(g.name)} inside of a node defines ${quote(twice)} a second time`,
      );
    }
    const both = own.union(outer);
    for (const node of g.node) {
      for (const { g: one, graphs } of node.attribute) {
        for (const inner of one ? [one, ...graphs] : graphs) visit(inner, both);
      }
    }
  };
  visit(graph, new Set());
  return problems;
}

/** Throws an error that lists problems, if there are any. */
function refuse(where: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const listed = problems.length > MOST_LISTED
    ? [...problems.slice(0, MOST_LISTED), `and ${problems.length - MOST_LISTED} more`]
    : problems;
  throw new OnnxError(
    `${where}: the model cannot be imported; run it with OnnxRuntime, or export it without what is named ` +
      `here:\n  ${listed.join("\n  ")}`,
  );
}

/**
 * Checks that the nodes of a model as it came are of operators that its operator set has.
 *
 * @param where opens the error.
 * @throws {OnnxError} naming those that are not, and with them all that are not computed here.
 */
export function checkOperators(where: string, model: OnnxModel): void {
  const nodes = [...walkGraphs(model.graph)].flatMap(({ node }) => node);
  const wrong = nodes.flatMap((node) => {
    const problem = isOp(node) && operatorProblem(node.opType, model.opset());
    return problem ? [{ node, problem: `${describeNode(node)} ${problem}` }] : [];
  });
  if (wrong.length === 0) return;
  const named = new Set(wrong.map(({ node }) => node));
  const others = nodes.filter((node) => !named.has(node) && !isReplaced(node));
  refuse(where, [...wrong.map(({ problem }) => problem), ...missingOperators(others)]);
}

/** Whether an upgrade puts another operator in a node's place. */
function isReplaced(node: NodeProto): boolean {
  return isOp(node, "Upsample", "Scatter");
}

/**
 * Checks that all of a graph can be computed here.
 *
 * @param where opens the error.
 * @throws {OnnxError} naming all that cannot.
 */
export function checkGraph(where: string, graph: GraphProto): void {
  const graphs = [...walkGraphs(graph)];
  const nodes = graphs.flatMap(({ node }) => node);
  const problems = missingOperators(nodes);
  const needed = neededOnHost(graph);
  for (const inner of graphs) {
    const view = new GraphView(inner);
    for (const node of inner.node) {
      problems.push(...nodeProblems(node, view).map((clause) => `${describeNode(node)} ${clause}`));
    }
    problems.push(...typeProblems(inner, view, inner === graph));
  }
  problems.push(...shadowed(graph));
  for (const info of new GraphView(graph).inputs) {
    const problem = hostInputProblem(info, needed);
    if (problem) problems.push(problem);
  }
  refuse(where, problems);
}
