/**
 * What is asked of a float graph before it is quantized.
 *
 * @module
 */
import type { OnnxDataType } from "../file/data_type.ts";
import type { GraphProto, NodeProto } from "../file/proto.ts";
import type { GraphView } from "../graph/graph_view.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import type { Dim } from "../graph/shape_rules.ts";
import { floatConstant, type ReadConstant } from "../graph/float_constant.ts";
import { tensorDims } from "../file/tensor_data.ts";
import { operands, permutes, type Role, roleOf } from "./operators.ts";

/** A graph, its types, and how its nodes take part. */
export class GraphFacts {
  /** Who makes and reads the values. */
  readonly view: GraphView;
  private readonly shapes: ShapeFacts;
  private readonly roots = new Map<string, string>();

  /** Looks at a graph as it is now. */
  constructor(readonly graph: GraphProto) {
    this.shapes = new ShapeFacts(graph);
    this.view = this.shapes.view;
    for (const node of graph.node) {
      if (permutes(node) && this.role(node)) {
        this.roots.set(node.output[0], this.root(node.input[0]));
      }
    }
  }

  /** The element type of a value, if it is known. */
  dtype(name: string): OnnxDataType | undefined {
    return this.shapes.dtype(name);
  }

  /** Whether a value is float32. */
  isFloat(name: string): boolean {
    return this.shapes.dtype(name) === "float32";
  }

  /** The shape of a value, as far as it is known. */
  dims(name: string): readonly Dim[] | undefined {
    return this.shapes.dims(name);
  }

  /** Whether a value is a constant that no caller can replace. */
  isConstant(name: string): boolean {
    return this.shapes.constant(name) !== undefined;
  }

  /** The number of a value's dimensions, if it is known. */
  rank(name: string): number | undefined {
    return this.shapes.dims(name)?.length;
  }

  /** The shape of a constant. */
  constantDims(name: string): readonly number[] | undefined {
    const tensor = this.shapes.constant(name);
    return tensor && tensorDims(tensor);
  }

  /** A float32 constant. */
  constant(name: string): ReadConstant | undefined {
    return floatConstant(this.shapes.constant(name));
  }

  /** How a node takes part: as its operator does, if it computes with float32. */
  role(node: NodeProto): Role | undefined {
    const role = roleOf(node);
    const floats = role && [...operands(node).map((i) => node.input[i]), node.output[0]];
    return floats?.every((name) => this.isFloat(name)) ? role : undefined;
  }

  /** The value that holds the same elements in another order or shape; a value that is not moved is its own. */
  root(name: string): string {
    return this.roots.get(name) ?? name;
  }
}
