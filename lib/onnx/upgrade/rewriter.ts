/**
 * What the rules of an upgrade work with.
 *
 * @module
 */
import { describeNode } from "../graph/describe_node.ts";
import type { NodeProto, TensorProto } from "../file/proto.ts";
import { intsOf, setAttribute } from "../file/attributes.ts";
import type { OnnxDataType } from "../file/data_type.ts";
import type { ShapeFacts } from "../graph/infer_shapes.ts";
import type { AttributeValue } from "../file/messages.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { GraphEditor } from "../graph/graph_editor.ts";

/**
 * Brings one node over one version step. It may change the node, and returns what stands in its place;
 * nothing means the node itself.
 */
export type UpgradeRule = (node: NodeProto, rewriter: Rewriter) => readonly NodeProto[] | void;

/** What a rule asks of one graph, and makes for it. */
export class Rewriter {
  /**
   * @param where opens the errors.
   * @param editor changes the graph.
   * @param facts shapes and element types in the graph before it was changed, as far as they are known.
   */
  constructor(
    private readonly where: string,
    readonly editor: GraphEditor,
    readonly facts: ShapeFacts,
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
    return this.editor.constant(wish, dtype, dims, values);
  }

  /** The name of a constant list of integers. */
  ints(wish: string, values: readonly number[]): string {
    return this.constant(wish, "int64", [values.length], values);
  }

  /** A new name for a value. */
  value(wish: string): string {
    return this.editor.name(wish);
  }

  /** A new node of ONNX's own domain, named after the node that it is made for. */
  node(
    origin: NodeProto,
    opType: string,
    input: readonly string[],
    output: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): NodeProto {
    const wish = `${origin.name || origin.output[0]}/${opType}`;
    return this.editor.node(wish, opType, input, output, attributes);
  }

  /** Replaces or removes an attribute. */
  set(node: NodeProto, name: string, value: AttributeValue | undefined): void {
    setAttribute(this.editor.messages, node, name, value);
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
