/**
 * What is asked of a float graph before it is quantized.
 *
 * @module
 */
import type { GraphProto, NodeProto } from "../file/proto.ts";
import type { GraphView } from "../graph/graph_view.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import { readTensor, tensorDims } from "../file/tensor_data.ts";
import { operands, type Role, roleOf } from "./operators.ts";

/** A float32 constant. */
export interface FloatConstant {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** A graph, its types, and where ranges come from. */
export class GraphFacts {
  /** Who makes and reads the values. */
  readonly view: GraphView;
  private readonly shapes: ShapeFacts;

  /** Looks at a graph as it is now. */
  constructor(readonly graph: GraphProto) {
    this.shapes = new ShapeFacts(graph);
    this.view = this.shapes.view;
  }

  /** Whether a value is float32. */
  isFloat(name: string): boolean {
    return this.shapes.dtype(name) === "float32";
  }

  /** Whether a value is a constant that no caller can replace. */
  isConstant(name: string): boolean {
    return this.shapes.constant(name) !== undefined;
  }

  /** The shape of a constant. */
  constantDims(name: string): readonly number[] | undefined {
    const tensor = this.shapes.constant(name);
    return tensor && tensorDims(tensor);
  }

  /** A float32 constant. */
  constant(name: string): FloatConstant | undefined {
    const tensor = this.shapes.constant(name);
    if (!tensor) return undefined;
    const { dtype, dims, data } = readTensor(tensor);
    return dtype === "float32" ? { dims, data: data as Float32Array } : undefined;
  }

  /** How a node takes part: as its operator does, if it computes with float32. */
  role(node: NodeProto): Role | undefined {
    const role = roleOf(node);
    const floats = role && [...operands(node).map((i) => node.input[i]), node.output[0]];
    return floats?.every((name) => this.isFloat(name)) ? role : undefined;
  }

  /**
   * The value whose range another one's lies in, because it is made of the same elements. A value that is
   * not moved is its own.
   */
  root(name: string): string {
    let root = name;
    for (let node = this.view.producer(root); node; node = this.view.producer(root)) {
      if (this.role(node) !== "moves") break;
      root = node.input[0];
    }
    return root;
  }

  /** The only node that reads a value, if nothing else does. */
  onlyReader(name: string): NodeProto | undefined {
    const [use, another] = this.view.uses(name);
    return use?.kind === "input" && !another ? use.node : undefined;
  }

  /** The value whose range is to be used for another: after all that moves and clips it. */
  rangeSource(name: string): string {
    // What a Relu or Clip cuts off is of no use before it either.
    const reader = this.onlyReader(name);
    if (reader && this.role(reader) === "clips" && reader.input[0] === name) {
      return this.rangeSource(reader.output[0]);
    }
    return this.root(name);
  }

  /** The values whose ranges can be needed, whatever is chosen to be quantized; each once, in order. */
  rangeSources(): string[] {
    const touched = this.graph.node.flatMap((node) =>
      this.role(node) ? [...operands(node).map((i) => node.input[i]), ...node.output] : []
    );
    const values = touched.filter((name) => name !== "" && !this.isConstant(name))
      .map((name) => this.rangeSource(name));
    return [...new Set(values)].filter((name) => !this.isConstant(name));
  }
}
