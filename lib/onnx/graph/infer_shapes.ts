/**
 * Element types and shapes in a graph, as far as the file and its operators tell.
 *
 * @module
 */
import type { GraphProto, NodeProto, TensorProto } from "../file/proto.ts";
import { attributeOf } from "../file/attributes.ts";
import { dataTypeName, type OnnxDataType } from "../file/data_type.ts";
import { elementCount, readTensor, tensorDims } from "../file/tensor_data.ts";
import { GraphView } from "./graph_view.ts";
import { isOp } from "./operator.ts";
import { type Dim, type Fact, LATER_OUTPUTS, MAX_RANK, SHAPE_RULES } from "./shape_rules.ts";

/**
 * Element types and shapes of the values in a graph, found in one walk through its operators. What is not
 * known is left open, never guessed. Memory does not depend on what numbers in the file say.
 */
export class ShapeFacts {
  /** Who makes and reads the values. */
  readonly view: GraphView;
  private readonly facts = new Map<string, Fact>();
  private readonly constants = new Map<string, TensorProto>();
  private readonly inputs: ReadonlySet<string>;

  /**
   * @param graph its nodes in topological order, as files have them. Later changes are not seen.
   * @param outer the facts of the graph around it.
   * @param fixed whether initializers that are listed as inputs too are constants, as they are up to
   * version 3 of the file format.
   */
  constructor(
    graph: GraphProto,
    private readonly outer?: ShapeFacts,
    fixed = false,
  ) {
    this.view = new GraphView(graph);
    this.inputs = new Set(fixed ? [] : graph.input.map(({ name }) => name));
    for (const node of graph.node) {
      const constant = node.opType === "Constant" ? attributeOf(node, "value")?.t : undefined;
      if (constant) this.constants.set(node.output[0], constant);
      const told = this.told(node);
      node.output.forEach((name, i) => {
        if (name) this.facts.set(name, this.merged(name, told[i] ?? {}));
      });
    }
  }

  /** The element type of a value. */
  dtype(name: string): OnnxDataType | undefined {
    return this.fact(name).dtype;
  }

  /** The shape of a value; its rank is known if it is there at all. */
  dims(name: string): readonly Dim[] | undefined {
    return this.fact(name).dims;
  }

  /** The constant with this name: an initializer that no caller can replace, or a Constant node's. */
  constant(name: string): TensorProto | undefined {
    if (this.inputs.has(name)) return undefined;
    return this.constants.get(name) ?? this.view.initializer(name) ?? this.outer?.constant(name);
  }

  /** The integers of a constant, unless they are more than sizes or axes can be. */
  private numbers(name: string): number[] | undefined {
    const tensor = name ? this.constant(name) : undefined;
    if (!tensor || tensor.dims.length > 1 || elementCount(tensorDims(tensor)) > MAX_RANK) {
      return undefined;
    }
    const dtype = dataTypeName(tensor.dataType);
    if (dtype !== "int64" && dtype !== "int32") return undefined;
    const { data } = readTensor(tensor);
    return Array.from(data as ArrayLike<number | bigint>, Number);
  }

  private fact(name: string): Fact {
    const known = this.facts.get(name);
    if (known || !name) return known ?? {};
    const declared = this.declared(name);
    const fact = declared.dtype || declared.dims ? declared : this.outer?.fact(name) ?? {};
    this.facts.set(name, fact);
    return fact;
  }

  /** What the file itself says. */
  private declared(name: string): Fact {
    const written = this.view.type(name);
    return bounded({
      dtype: written?.dtype,
      dims: written?.dims?.map((dim) => typeof dim === "number" ? dim : undefined),
    });
  }

  /** What an operator tells of a value, and what the file adds to it. */
  private merged(name: string, told: Fact): Fact {
    const stated = this.declared(name);
    const dims = told.dims && stated.dims && told.dims.length === stated.dims.length
      ? told.dims.map((dim, i) => dim ?? stated.dims![i])
      : told.dims ?? stated.dims;
    return { dtype: told.dtype ?? stated.dtype, dims };
  }

  /** What the operator tells of each output. */
  private told(node: NodeProto): Fact[] {
    const { opType, input } = node;
    // onnxruntime's own DequantizeLinear is that of ONNX, for more types.
    const known = isOp(node) || opType === "DequantizeLinear";
    const rule = known ? SHAPE_RULES.get(opType) : undefined;
    if (!rule) return [];
    const given = {
      node,
      dtype: (i: number) => this.dtype(input[i] ?? ""),
      dims: (i: number) => this.dims(input[i] ?? ""),
      numbers: (i: number) => this.numbers(input[i] ?? ""),
    };
    const first = rule(given);
    return [first, ...LATER_OUTPUTS.get(opType)?.(given, first) ?? []].map(bounded);
  }
}

/** A fact without a shape that has more dimensions than are followed. */
function bounded({ dtype, dims }: Fact): Fact {
  return dims && dims.length > MAX_RANK ? { dtype } : { dtype, dims };
}
