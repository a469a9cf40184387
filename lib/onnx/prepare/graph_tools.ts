/**
 * What the steps of a preparation share.
 *
 * @module
 */
import type { GraphProto, NodeProto, TensorProto } from "../file/proto.ts";
import { GraphView } from "../graph/graph_view.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import type { OnnxMessages } from "../file/messages.ts";
import { readTensor, tensorDims } from "../file/tensor_data.ts";
import { UniqueNames } from "../graph/unique_names.ts";

/** A step: changes the graph in place, and says whether it did. */
export type Pass = (tools: GraphTools) => boolean;

/** A float32 constant. */
export interface FloatConstant {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** A view of a graph as it is now, and how constants and nodes are made for it. */
export class GraphTools {
  /** Who makes and reads the values. */
  readonly view: GraphView;
  private known?: ShapeFacts;

  /** Looks at the graph as it is now; a step makes one change at a time or keeps track itself. */
  constructor(
    readonly graph: GraphProto,
    readonly opset: number,
    readonly messages: OnnxMessages,
    private readonly names: UniqueNames = new UniqueNames(graph),
  ) {
    this.view = new GraphView(graph);
  }

  /** The same graph, looked at again. */
  again(): GraphTools {
    return new GraphTools(this.graph, this.opset, this.messages, this.names);
  }

  /** Shapes and element types. */
  get facts(): ShapeFacts {
    return this.known ??= new ShapeFacts(this.graph);
  }

  /** The float32 constant with this name. */
  floats(name: string | undefined): FloatConstant | undefined {
    const tensor = name ? this.facts.constant(name) : undefined;
    if (!tensor) return undefined;
    const { dtype, dims, data } = readTensor(tensor);
    return dtype === "float32" ? { name: name!, dims, data: data as Float32Array } : undefined;
  }

  /** The value of a float32 constant of one element. */
  scalar(name: string | undefined): number | undefined {
    const tensor = name ? this.facts.constant(name) : undefined;
    if (!tensor || tensorDims(tensor).some((size) => size !== 1)) return undefined;
    return this.floats(name)?.data[0];
  }

  /** A constant's numbers, whatever integers or floats they are. */
  numbers(name: string | undefined): number[] | undefined {
    const tensor = name ? this.facts.constant(name) : undefined;
    return tensor &&
      Array.from(readTensor(tensor).data as ArrayLike<number | bigint>, (value) => Number(value));
  }

  /** The only node that reads a value, if it is one and reads it once and nothing else needs it. */
  onlyReader(value: string): NodeProto | undefined {
    const [use, another] = this.view.uses(value);
    return use?.kind === "input" && !another ? use.node : undefined;
  }

  /** The node of this operator that makes a value which only one node reads. */
  private(value: string | undefined, opType: string): NodeProto | undefined {
    const node = value ? this.view.producer(value) : undefined;
    return node && isOp(node, opType) && this.onlyReader(value!) ? node : undefined;
  }

  /** An unused name. */
  name(wish: string): string {
    return this.names.name(wish);
  }

  /** Adds a float32 constant and returns its name. */
  constant(wish: string, dims: readonly number[], data: Float32Array): string {
    const name = this.names.name(wish);
    this.graph.initializer.push(this.messages.tensor(name, "float32", dims, data));
    return name;
  }

  /** Gives a node's input other numbers; the constant keeps its name if nothing else reads it. */
  replaceConstant(
    node: NodeProto,
    index: number,
    dims: readonly number[],
    data: Float32Array,
  ): void {
    const name = node.input[index];
    if (this.view.uses(name).length !== 1) {
      node.input[index] = this.constant(name, dims, data);
      return;
    }
    const at = this.graph.initializer.findIndex((tensor) => tensor.name === name);
    this.graph.initializer[at] = this.messages.tensor(name, "float32", dims, data);
  }
}

/** Whether a node is of an operator of ONNX's own domain. */
export function isOp({ opType, domain }: NodeProto, ...names: string[]): boolean {
  return (domain === "" || domain === "ai.onnx") && names.includes(opType);
}

/** The operands of a node with two inputs where one is a constant that `read` understands. */
export function withConstant<T>(
  node: NodeProto,
  read: (name: string) => T | undefined,
): { value: string; constant: T; index: number } | undefined {
  const [a, b] = node.input;
  if (a === b) return undefined;
  const right = read(b);
  if (right !== undefined) return { value: a, constant: right, index: 1 };
  const left = read(a);
  return left === undefined ? undefined : { value: b, constant: left, index: 0 };
}

/** Takes nodes out of a graph. */
export function removeNodes(graph: GraphProto, removed: ReadonlySet<NodeProto>): void {
  graph.node = graph.node.filter((node) => !removed.has(node));
}

/** A tensor's elements count. */
export function sizeOf(tensor: TensorProto): number {
  return tensorDims(tensor).reduce((count, size) => count * size, 1);
}
