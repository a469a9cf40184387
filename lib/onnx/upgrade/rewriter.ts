/**
 * What the rules of an upgrade work with.
 *
 * @module
 */
import { describeNode } from "../graph/describe_node.ts";
import type { GraphProto, NodeProto, TensorProto } from "../file/proto.ts";
import { intsOf, setAttribute } from "../file/attributes.ts";
import type { OnnxDataType } from "../file/data_type.ts";
import type { ShapeFacts } from "../graph/infer_shapes.ts";
import type { AttributeValue, OnnxMessages } from "../file/messages.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { UniqueNames } from "../graph/unique_names.ts";

/**
 * Brings one node over one version step. It may change the node, and returns what stands in its place;
 * nothing means the node itself.
 */
export type Rule = (node: NodeProto, rewriter: Rewriter) => readonly NodeProto[] | void;

/** Makes nodes and constants for one graph. */
export class Rewriter {
  private readonly constants = new Map<string, string>();

  /**
   * @param where opens the errors.
   * @param graph takes the constants.
   * @param facts shapes and element types in the graph, as far as they are known.
   * @param names keeps names unique in the whole model.
   */
  constructor(
    private readonly where: string,
    readonly graph: GraphProto,
    readonly facts: ShapeFacts,
    private readonly messages: OnnxMessages,
    private readonly names: UniqueNames,
  ) {}

  /** An error about a node. */
  refuse(node: NodeProto, why: string, fix: string): OnnxError {
    return new OnnxError(
      `${this.where}: ${describeNode(node)} cannot be upgraded: ${why}; ${fix}`,
    );
  }

  /** The name of a constant of these numbers; equal ones are made once. */
  constant(
    wish: string,
    dtype: OnnxDataType,
    dims: readonly number[],
    values: readonly number[],
  ): string {
    const key = `${dtype}[${dims}]${values.map((value) => Object.is(value, -0) ? "-0" : value)}`;
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const name = this.names.name(wish);
    const data = dtype === "int64" ? BigInt64Array.from(values, BigInt) : values;
    this.graph.initializer.push(this.messages.tensor(name, dtype, dims, data));
    this.constants.set(key, name);
    return name;
  }

  /** The name of a constant list of integers. */
  ints(wish: string, values: readonly number[]): string {
    return this.constant(wish, "int64", [values.length], values);
  }

  /** A new name for a value. */
  value(wish: string): string {
    return this.names.name(wish);
  }

  /** A new node of ONNX's own domain, named after the node that it is made for. */
  node(
    origin: NodeProto,
    opType: string,
    input: readonly string[],
    output: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): NodeProto {
    const name = this.names.name(`${origin.name || origin.output[0]}/${opType}`);
    return this.messages.node({ name, opType, input, output, attributes });
  }

  /** Replaces or removes an attribute. */
  set(node: NodeProto, name: string, value: AttributeValue | undefined): void {
    setAttribute(this.messages, node, name, value);
  }

  /** Takes a list of integers out of the attributes; nothing if it is not there or empty. */
  takeInts(node: NodeProto, name: string): number[] | undefined {
    const values = intsOf(node, name);
    this.set(node, name, undefined);
    return values?.length ? values : undefined;
  }

  /** The element type of a node's input. */
  dtype(node: NodeProto, input: number): OnnxDataType {
    const dtype = this.facts.dtype(node.input[input]);
    if (dtype) return dtype;
    throw this.refuse(
      node,
      `the element type of its input ${JSON.stringify(node.input[input])} is not known`,
      "save the model with inferred shapes, or export it anew with operator set 13 or later",
    );
  }

  /** Whether anything reads an output of a node beside the first; drops them if not. */
  usesMoreThanFirst(node: NodeProto): boolean {
    const used = node.output.slice(1).some((name) => this.facts.view.uses(name).length > 0);
    if (!used) node.output.length = 1;
    return used;
  }

  /** The constant behind a node's input, if it is one. */
  tensor(node: NodeProto, input: number): TensorProto | undefined {
    const name = node.input[input];
    return name ? this.facts.constant(name) : undefined;
  }
}

/** Sets an input and fills those before it that are left out. */
export function setInput(node: NodeProto, index: number, name: string): void {
  while (node.input.length <= index) node.input.push("");
  node.input[index] = name;
}

/** Drops inputs that are left out from the end. */
export function trimInputs(node: NodeProto): void {
  while (node.input.at(-1) === "") node.input.pop();
}
