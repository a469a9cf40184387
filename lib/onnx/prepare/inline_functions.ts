/**
 * Putting the nodes of a model's own functions in the place of those that call them.
 *
 * @module
 */
import { domainName } from "../file/check_model.ts";
import { copy, type OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { AttributeProto, FunctionProto, GraphProto, NodeProto } from "../file/proto.ts";
import { attributeOf } from "../file/attributes.ts";
import { definedValues, subgraphs, walkGraphs } from "../file/subgraphs.ts";
import { describeNode } from "../graph/describe_node.ts";
import { isOp } from "../graph/operator.ts";
import { UniqueNames } from "../graph/unique_names.ts";
import { changedBetween } from "../upgrade/rules.ts";

/** Functions call each other no deeper, */
const MOST_CALLS = 100;
/** and come to no more nodes: a short file can ask for any number. */
const MOST_NODES = 250_000;

/** What a function or a node that calls one is found by. */
function keyOf(domain: string, name: string, overload: string): string {
  return JSON.stringify([domainName(domain), name, overload]);
}

/** The new names of a function's values, by those that it gives them. */
type Names = ReadonlyMap<string, string>;

/**
 * Puts the nodes of a model's own functions in the place of the nodes that call them, also in graphs inside of
 * nodes. Constants of a function become the graph's, once for all that call it.
 *
 * @param where opens the errors.
 * @param model is changed; it has no functions then.
 * @throws {OnnxError} if functions call each other in a circle or come to too many nodes, or a function uses another
 * version of an operator than the model.
 */
export function inlineFunctions(where: string, model: OnnxModel): void {
  const { proto, graph } = model;
  if (proto.functions.length === 0) return;
  const inliner = new Inliner(where, model);
  inliner.checkSize();
  inliner.expandGraph(graph);
  const domains = new Set(proto.functions.map(({ domain }) => domainName(domain)));
  proto.functions = [];
  const used = new Set([...walkGraphs(graph)].flatMap(({ node }) => node.map(domainOf)));
  proto.opsetImport = proto.opsetImport.filter(({ domain }) =>
    !domains.has(domain) || used.has(domain) || domainName(domain) === ""
  );
}

function domainOf({ domain }: NodeProto): string {
  return domainName(domain);
}

/** Replaces the nodes of one model. */
class Inliner {
  private readonly functions: ReadonlyMap<string, FunctionProto>;
  private readonly names: UniqueNames;
  /** What the constants of functions are called in the graph. */
  private readonly constants = new Map<NodeProto, string>();

  constructor(private readonly where: string, private readonly model: OnnxModel) {
    this.functions = new Map(
      model.proto.functions.map((f) => [keyOf(f.domain, f.name, f.overload), f]),
    );
    this.names = new UniqueNames(model.graph);
  }

  private functionOf({ domain, opType, overload }: NodeProto): FunctionProto | undefined {
    return this.functions.get(keyOf(domain, opType, overload));
  }

  /** Checks that the calls come to an end, and to no more nodes than a model can have. */
  checkSize(): void {
    const sizes = new Map<FunctionProto, number>();
    const count = (nodes: readonly NodeProto[], calls: readonly FunctionProto[]): number =>
      nodes.reduce((sum, node) => {
        const called = this.functionOf(node);
        if (called) return sum + sizeOf(called, calls);
        return sum + 1 + subgraphs(node).reduce((inner, g) => inner + count(g.node, calls), 0);
      }, 0);
    const sizeOf = (called: FunctionProto, calls: readonly FunctionProto[]): number => {
      const name = JSON.stringify(called.name);
      if (calls.includes(called)) {
        throw new OnnxError(`${this.where}: the function ${name} calls itself`);
      }
      const known = sizes.get(called);
      if (known !== undefined) return known;
      if (calls.length >= MOST_CALLS) {
        throw new OnnxError(
          `${this.where}: the model's functions call each other more than ${MOST_CALLS} deep`,
        );
      }
      this.checkVersions(called);
      const size = count(called.node, [...calls, called]);
      sizes.set(called, size);
      return size;
    };
    const size = count(this.model.graph.node, []);
    if (size <= MOST_NODES) return;
    throw new OnnxError(
      `${this.where}: with its functions inlined the model has more than ${MOST_NODES} nodes`,
    );
  }

  /** Replaces the calls in a graph. */
  expandGraph(graph: GraphProto): void {
    graph.node = graph.node.flatMap((node) => this.expand(node));
  }

  /** What stands in the place of a node. */
  private expand(node: NodeProto): NodeProto[] {
    const called = this.functionOf(node);
    if (called) return this.body(called, node).flatMap((each) => this.expand(each));
    for (const inner of subgraphs(node)) this.expandGraph(inner);
    return [node];
  }

  /** The nodes of a function as one call needs them. */
  private body(called: FunctionProto, call: NodeProto): NodeProto[] {
    const prefix = call.name || call.output.find(Boolean) || called.name;
    const names = new Map(called.input.map((name, i) => [name, call.input[i] ?? ""]));
    const handed: NodeProto[] = [];
    called.output.forEach((name, i) => {
      const given = call.output[i] || this.names.name(`${prefix}/${name}`);
      const known = names.get(name);
      if (known === undefined) names.set(name, given);
      else handed.push(this.identity(known, given));
    });
    const nodes: NodeProto[] = [];
    for (const node of called.node) {
      const constant = this.constantOf(node, called);
      const [output] = node.output;
      const result = names.get(output);
      if (constant === undefined) nodes.push(node);
      else if (result === undefined) names.set(output, constant);
      else handed.push(this.identity(constant, result));
    }
    for (const name of nodes.flatMap(({ output }) => output)) {
      if (name && !names.has(name)) names.set(name, this.names.name(`${prefix}/${name}`));
    }
    const attributes = new Map(called.attributeProto.map((each) => [each.name, each]));
    for (const each of call.attribute) attributes.set(each.name, each);
    const copies = nodes.map((node) => {
      const made = copy(node);
      this.rename(made, names, prefix);
      this.bind(made, attributes);
      return made;
    });
    return [...copies, ...handed];
  }

  private identity(from: string, to: string): NodeProto {
    const name = this.names.name(`${to}/Identity`);
    return this.model.messages.node({ name, opType: "Identity", input: [from], output: [to] });
  }

  /** The constant of the graph that a Constant node of a function became, if it is one. */
  private constantOf(node: NodeProto, called: FunctionProto): string | undefined {
    const value = attributeOf(node, "value");
    if (!isOp(node, "Constant") || !value?.t || value.refAttrName) return undefined;
    const known = this.constants.get(node);
    if (known !== undefined) return known;
    const tensor = copy(value.t);
    tensor.name = this.names.name(`${called.name}/${node.output[0]}`);
    this.model.graph.initializer.push(tensor);
    this.constants.set(node, tensor.name);
    return tensor.name;
  }

  /** Gives a node and the values that it reads and makes their names in the graph. */
  private rename(node: NodeProto, names: Names, prefix: string): void {
    const nameOf = (name: string) => names.get(name) ?? name;
    node.name = this.names.name(`${prefix}/${node.name || node.opType}`);
    node.input = node.input.map(nameOf);
    node.output = node.output.map(nameOf);
    for (const inner of subgraphs(node)) this.renameInner(inner, names, prefix);
  }

  /** Does so for a graph inside of a node, whose own values get new names. */
  private renameInner(graph: GraphProto, outer: Names, prefix: string): void {
    const names = new Map(outer);
    for (const name of definedValues(graph)) names.set(name, this.names.name(`${prefix}/${name}`));
    const constants = graph.sparseInitializer.flatMap(({ values }) => values ? [values] : []);
    const named = [graph.input, graph.output, graph.valueInfo, graph.initializer, constants].flat();
    for (const each of named) each.name = names.get(each.name) ?? each.name;
    for (const node of graph.node) this.rename(node, names, prefix);
  }

  /** Puts the attributes of a call in the place of those that a node of the function has by reference. */
  private bind(node: NodeProto, attributes: ReadonlyMap<string, AttributeProto>): void {
    node.attribute = node.attribute.flatMap((attribute) => {
      if (!attribute.refAttrName) return [attribute];
      const given = attributes.get(attribute.refAttrName);
      if (!given) return [];
      const bound = copy(given);
      bound.name = attribute.name;
      // Each copy of a graph has values of its own.
      for (const inner of bound.g ? [bound.g, ...bound.graphs] : bound.graphs) {
        this.renameInner(inner, new Map(), node.name);
      }
      return [bound];
    });
    for (const inner of subgraphs(node)) inner.node.forEach((each) => this.bind(each, attributes));
  }

  /** Checks that the operators of a function mean in the model's operator sets what they mean in its own. */
  private checkVersions(called: FunctionProto): void {
    const { model } = this;
    const body = this.model.messages.protobuf.create(this.model.messages.onnx.GraphProtoSchema, {
      node: called.node,
    });
    const nodes = [...walkGraphs(body)].flatMap(({ node }) => node)
      .filter((node) => !this.functionOf(node));
    for (const { domain, version } of called.opsetImport) {
      const own = nodes.filter((node) => domainOf(node) === domainName(domain));
      if (own.length === 0) continue;
      const known = model.proto.opsetImport.some((o) =>
        domainName(o.domain) === domainName(domain)
      );
      if (!known) model.setOpset(Number(version), domain);
      const [theirs, ours] = [Number(version), model.opset(domain)];
      if (theirs === ours) continue;
      const changed = domainName(domain) === ""
        ? own.find(({ opType }) => changedBetween(opType, theirs, ours))
        : own[0];
      if (!changed) continue;
      throw new OnnxError(
        `${this.where}: the function ${
          JSON.stringify(called.name)
        } uses version ${theirs} of the operator ` +
          `set ${domainName(domain) || "ai.onnx"} and the model version ${ours}, and ${
            describeNode(changed)
          } may mean something else in it; export the model anew with one version`,
      );
    }
  }
}
