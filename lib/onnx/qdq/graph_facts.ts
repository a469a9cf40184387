/**
 * What is asked of a float graph before it is quantized.
 *
 * @module
 */
import type { GraphProto, NodeProto } from "../file/proto.ts";
import type { GraphView } from "../graph/graph_view.ts";
import { ShapeFacts } from "../graph/infer_shapes.ts";
import { type FloatConstant, floatConstant } from "../graph/float_constant.ts";
import { tensorDims } from "../file/tensor_data.ts";
import { operands, type Role, roleOf } from "./operators.ts";

/** A graph, its types, and where ranges come from. */
export class GraphFacts {
  /** Who makes and reads the values. */
  readonly view: GraphView;
  private readonly shapes: ShapeFacts;
  private readonly roots = new Map<string, string>();
  private readonly clipped = new Map<string, string>();

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
    return floatConstant(this.shapes.constant(name));
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
    return follow(name, this.roots, (value) => {
      const node = this.view.producer(value);
      return node && this.role(node) === "moves" ? node.input[0] : undefined;
    });
  }

  /** The value whose range is to be used for another: after all that moves and clips it. */
  rangeSource(name: string): string {
    // What a Relu or Clip cuts off is of no use before it either.
    const clipped = follow(name, this.clipped, (value) => {
      const reader = this.view.onlyReader(value);
      const clips = reader && this.role(reader) === "clips" && reader.input[0] === value;
      return clips ? reader.output[0] : undefined;
    });
    return this.root(clipped);
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

/** The last of a chain of values; `known` keeps it for each, so that a long chain is walked once. */
function follow(
  name: string,
  known: Map<string, string>,
  next: (value: string) => string | undefined,
): string {
  const passed: string[] = [];
  let last = name;
  for (let value: string | undefined = name; value !== undefined; value = next(value)) {
    const end = known.get(value);
    passed.push(value);
    last = end ?? value;
    if (end !== undefined) break;
  }
  for (const each of passed) known.set(each, last);
  return last;
}
