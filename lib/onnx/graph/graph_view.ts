import type {
  GraphProto,
  NodeProto,
  TensorProto,
  TypeProto,
  ValueInfoProto,
} from "../file/proto.ts";
import { dataTypeName, type OnnxDataType } from "../file/data_type.ts";
import { captures } from "../file/subgraphs.ts";
import { producers } from "../file/topological_order.ts";
import { valueDims } from "../file/value_dims.ts";

/** A place where a value is read. */
export type Use =
  /** A node reads it as its input of this number. */
  | { readonly kind: "input"; readonly node: NodeProto; readonly index: number }
  /** A graph inside of a node reads it. */
  | { readonly kind: "capture"; readonly node: NodeProto }
  /** It's the graph's output of this number. */
  | { readonly kind: "output"; readonly index: number };

/** What a file says of a value. */
export interface ValueType {
  /** The element type. */
  readonly dtype: OnnxDataType;
  /**
   * A size, the name of one that is only known when the model runs, or `undefined` for an unknown one, such as
   * one that the file gives as −1. `undefined` as a whole if not even the number of dimensions is known.
   */
  readonly dims: (number | string | undefined)[] | undefined;
}

/** The type and shape in a message, if it's a tensor's of a type that ONNX has. */
export function valueType(type: TypeProto | undefined): ValueType | undefined {
  if (type?.value.case !== "tensorType") return undefined;
  const { elemType, shape } = type.value.value;
  const dtype = dataTypeName(elemType);
  if (!dtype) return undefined;
  return { dtype, dims: valueDims(shape) };
}

/**
 * Who makes and who reads each value of a graph. It shows the graph as it was when the view was made:
 * make a new one after a change. Values of the graphs inside of nodes are not in it; what those
 * graphs read from around them is.
 *
 * @example
 * ```ts
 * import { exportOnnx, GraphView, Linear, loadOnnx, randn, ReLU, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(4, 2), relu: new ReLU() });
 * const { graph } = await loadOnnx(await exportOnnx(m, randn([1, 4])));
 * const view = new GraphView(graph);
 * console.log(view.consumers("input")[0].opType, view.producer("output")?.opType); // Gemm Relu
 * ```
 */
export class GraphView {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "GraphView";

  /** The graph's inputs that a caller must give; those with a constant of the same name have a default. */
  readonly inputs: readonly ValueInfoProto[];
  private readonly makers: Map<string, NodeProto>;
  private readonly readers = new Map<string, Use[]>();
  private readonly constants: Map<string, TensorProto>;
  private readonly infos: Map<string, ValueInfoProto>;
  /** All that are listed as inputs, those with a default too. */
  private readonly listed: ReadonlySet<string>;

  /** Looks through a graph. */
  constructor(readonly graph: GraphProto) {
    this.makers = producers(graph);
    this.constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
    const infos = [...graph.valueInfo, ...graph.output, ...graph.input];
    this.infos = new Map(infos.map((info) => [info.name, info]));
    this.listed = new Set(graph.input.map(({ name }) => name));
    this.inputs = graph.input.filter(({ name }) => !this.constants.has(name));
    for (const node of graph.node) {
      node.input.forEach((name, index) => this.addUse(name, { kind: "input", node, index }));
      for (const name of captures(node)) this.addUse(name, { kind: "capture", node });
    }
    graph.output.forEach(({ name }, index) => this.addUse(name, { kind: "output", index }));
  }

  /** Takes note of a place where a value is read. */
  private addUse(value: string, use: Use): void {
    if (value === "") return;
    const uses = this.readers.get(value);
    if (uses) uses.push(use);
    else this.readers.set(value, [use]);
  }

  /** The node that makes a value; `undefined` for inputs and constants. */
  producer(value: string): NodeProto | undefined {
    return this.makers.get(value);
  }

  /** Every place where a value is read. */
  uses(value: string): readonly Use[] {
    return this.readers.get(value) ?? [];
  }

  /** The nodes that read a value, also from graphs inside of them; each once, in the graph's order. */
  consumers(value: string): NodeProto[] {
    return [...new Set(this.uses(value).flatMap((use) => use.kind === "output" ? [] : [use.node]))];
  }

  /** The only node that reads a value as its input, if it reads it once and nothing else needs it. */
  onlyReader(value: string): NodeProto | undefined {
    const [use, another] = this.uses(value);
    return use?.kind === "input" && !another ? use.node : undefined;
  }

  /** The constant with this name. */
  initializer(value: string): TensorProto | undefined {
    return this.constants.get(value);
  }

  /** Whether the value is a constant that no caller can replace by an input. */
  isConstant(value: string): boolean {
    return this.constants.has(value) && !this.listed.has(value);
  }

  /** Whether the value is an input of the graph that a caller must give. */
  isInput(value: string): boolean {
    return this.listed.has(value) && !this.constants.has(value);
  }

  /** Whether the value is an output of the graph. */
  isOutput(value: string): boolean {
    return this.uses(value).some(({ kind }) => kind === "output");
  }

  /** What the file says of a value's type and shape, if anything. */
  type(value: string): ValueType | undefined {
    const constant = this.constants.get(value);
    if (!constant) return valueType(this.infos.get(value)?.type);
    const dtype = dataTypeName(constant.dataType);
    return dtype && { dtype, dims: constant.dims.map(Number) };
  }
}
