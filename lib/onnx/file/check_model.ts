/**
 * What must hold of a model before anything relies on it.
 *
 * @module
 */
import type { FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto } from "./proto.ts";
import { fail, show } from "./onnx_error.ts";
import { subgraphs } from "./subgraphs.ts";
import { tensorField } from "./tensor_data.ts";
import { topologicalOrder } from "./topological_order.ts";

/** The name under which files keep the domain of ONNX's own operators, which has two. */
export function domainName(domain: string): string {
  return domain === "ai.onnx" ? "" : domain;
}

/** The version of each operator set that a list imports. */
function importedOpsets(list: ModelProto["opsetImport"]): Map<string, bigint> {
  const versions = new Map<string, bigint>();
  for (const { domain, version } of list) {
    const name = domainName(domain);
    const spelled = show(name || "ai.onnx");
    if (version < 1n) {
      fail(`the operator set ${spelled} has the version ${version}; they begin at 1`);
    }
    if (versions.has(name) && versions.get(name) !== version) {
      fail(
        `the operator set ${spelled} is imported as version ${versions.get(name)} and ${version}`,
      );
    }
    versions.set(name, version);
  }
  return versions;
}

/** What a graph may refer to. */
interface Scope {
  /** Values of the graphs around it. */
  readonly outer: readonly ReadonlySet<string>[];
  /** Domains that operators may come from. */
  readonly domains: ReadonlySet<string>;
}

/** How a message names a node. */
function label({ opType, name, output }: NodeProto): string {
  return `node ${show(name || (output[0] ?? ""))} (${opType || "no operator"})`;
}

function checkNode(node: NodeProto, { domains }: Scope): void {
  if (node.opType === "") fail(`${label(node)} names no operator`);
  if (!domains.has(domainName(node.domain))) {
    fail(
      `${label(node)} is an operator of the domain ${
        show(node.domain || "ai.onnx")
      }, of which the model ` +
        `imports no version`,
    );
  }
  const names = new Set<string>();
  for (const { name, t, tensors, sparseTensor, sparseTensors } of node.attribute) {
    if (names.has(name)) fail(`${label(node)} has the attribute ${show(name)} twice`);
    names.add(name);
    const sparse = sparseTensor ? [sparseTensor, ...sparseTensors] : sparseTensors;
    const dense = sparse.flatMap(({ values, indices }) => [values, indices]);
    for (const tensor of [t, ...tensors, ...dense]) checkTensor(tensor);
  }
}

function checkTensor(tensor: TensorProto | undefined): void {
  if (tensor) tensorField(tensor);
}

/** The values that a graph or function defines, after checking that each is defined once. */
function definitions(graph: GraphProto): Set<string> {
  const inputs = new Set<string>();
  for (const { name } of graph.input) {
    if (inputs.has(name)) fail(`the graph ${show(graph.name)} has two inputs named ${show(name)}`);
    inputs.add(name);
  }
  const constants = new Set<string>();
  const sparse = graph.sparseInitializer.map(({ values }) => values?.name ?? "");
  for (const name of [...graph.initializer.map(({ name }) => name), ...sparse]) {
    if (name === "") fail(`a constant of the graph ${show(graph.name)} has no name`);
    if (constants.has(name)) {
      fail(`the graph ${show(graph.name)} has two constants named ${show(name)}`);
    }
    constants.add(name);
  }
  const defined = inputs.union(constants);
  for (const node of graph.node) {
    for (const name of node.output) {
      if (name === "") continue;
      if (defined.has(name)) {
        fail(`${label(node)} makes the value ${show(name)}, which is defined already`);
      }
      defined.add(name);
    }
  }
  return defined;
}

function checkGraph(graph: GraphProto, scope: Scope): void {
  const visible = [...scope.outer, definitions(graph)];
  const isKnown = (name: string) => name === "" || visible.some((names) => names.has(name));
  for (const node of graph.node) {
    checkNode(node, scope);
    const missing = node.input.find((name) => !isKnown(name));
    if (missing !== undefined) {
      fail(`${label(node)} reads the value ${show(missing)}, which nothing makes`);
    }
  }
  for (const { name } of graph.output) {
    if (!isKnown(name) || name === "") fail(`nothing makes the graph's output ${show(name)}`);
  }
  for (const tensor of graph.initializer) checkTensor(tensor);
  for (const { values, indices } of graph.sparseInitializer) {
    checkTensor(values);
    checkTensor(indices);
  }
  for (const inner of graph.node.flatMap(subgraphs)) {
    checkGraph(inner, { ...scope, outer: visible });
  }
  topologicalOrder(graph);
}

function checkFunction(f: FunctionProto, domains: ReadonlySet<string>): void {
  const known = new Set(f.input);
  for (const node of f.node) for (const name of node.output) known.add(name);
  const scope = { outer: [known], domains };
  for (const node of f.node) {
    checkNode(node, scope);
    const missing = node.input.find((name) => name !== "" && !known.has(name));
    if (missing !== undefined) {
      fail(
        `${label(node)} of the function ${show(f.name)} reads the value ${show(missing)}, which ` +
          `nothing makes`,
      );
    }
    for (const inner of subgraphs(node)) checkGraph(inner, scope);
  }
}

/**
 * Checks that a model is whole: every value is defined once and every value read is defined, no node waits
 * for itself, tensors have as many bytes as their shapes say, and the operator sets in use are imported.
 * What operators there are and what they take is not checked.
 *
 * @throws {OnnxError} saying what is wrong, and where.
 */
export function checkModel(model: ModelProto): void {
  if (!model.graph) fail(`the model has no graph`);
  const versions = importedOpsets(model.opsetImport);
  if (versions.size === 0) fail(`the model does not say which version of the operator set it uses`);
  const functions = model.functions.map(({ domain }) => domainName(domain));
  const domains = new Set([...versions.keys(), ...functions]);
  for (const f of model.functions) {
    const own = [...importedOpsets(f.opsetImport).keys()];
    checkFunction(f, new Set([...domains, ...own]));
  }
  checkGraph(model.graph, { outer: [], domains });
}
