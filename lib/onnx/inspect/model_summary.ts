/**
 * What is in a model.
 *
 * @module
 */
import type { GraphProto, NodeProto, TensorProto } from "onnx-buf";
import { dataTypeName } from "../file/data_type.ts";
import { GraphView } from "../graph/graph_view.ts";
import type { OnnxModel } from "../file/model.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { elementCount, tensorByteSize, tensorDims } from "../file/tensor_data.ts";

/** An input or an output. */
export interface ValueSummary {
  readonly name: string;
  /** The element type; `unknown` if the file does not tell. */
  readonly dtype: string;
  /** Sizes, names of sizes that may change, null for what is not told; null if nothing is. */
  readonly dims: readonly (number | string | null)[] | null;
}

/** All nodes of one operator; `Constant` counts as a constant and not as a node. */
export interface OperatorSummary {
  readonly op: string;
  /** Empty for ONNX's own. */
  readonly domain: string;
  readonly count: number;
  /** Elements of the constants that the nodes read. */
  readonly parameters: number;
  /** Bytes of these. */
  readonly bytes: number;
  /** The share of the bytes of all constants. */
  readonly share: number;
}

/** What `inspect` tells. */
export interface ModelSummary {
  readonly producer: string;
  readonly irVersion: number;
  /** Versions of the operator sets, by domain; ONNX's own is `ai.onnx`. */
  readonly opset: Readonly<Record<string, number>>;
  readonly nodes: number;
  /** Constants: how many tensors, their elements, their bytes and the bytes of each element type. */
  readonly constants: {
    readonly tensors: number;
    readonly elements: number;
    readonly bytes: number;
    readonly byType: Readonly<Record<string, number>>;
  };
  /** Whether it holds integer operators or their float frames already. */
  readonly quantized: boolean;
  readonly inputs: readonly ValueSummary[];
  readonly outputs: readonly ValueSummary[];
  /** Those with the most bytes first. */
  readonly operators: readonly OperatorSummary[];
}

/** Operators that a float model has none of. */
const INTEGER_OPERATOR =
  /^(QuantizeLinear|DequantizeLinear|DynamicQuantizeLinear|ConvInteger|MatMulInteger|MatMulInteger(ToFloat|16)|DynamicQuantizeMatMul|QLinear\w+|QGemm|QAttention|MatMulNBits)$/;

/** Looks through a model, graphs inside of nodes too. */
export function summarizeModel(model: OnnxModel): ModelSummary {
  const { proto, graph } = model;
  const operators = new Map<
    string,
    { node: NodeProto; count: number; tensors: Set<TensorProto> }
  >();
  const all = new Map<TensorProto, NodeProto | undefined>();
  for (const inner of walkGraphs(graph)) {
    const constants = constantsOf(inner);
    for (const tensor of constants.values()) if (!all.has(tensor)) all.set(tensor, undefined);
    for (const node of inner.node) {
      if (node.opType === "Constant") continue;
      const key = `${node.domain}:${node.opType}`;
      const entry = operators.get(key) ?? { node, count: 0, tensors: new Set() };
      entry.count++;
      operators.set(key, entry);
      for (const name of node.input) {
        const tensor = constants.get(name);
        // A tensor that several nodes share counts once, for the first of them.
        if (!tensor || all.get(tensor)) continue;
        all.set(tensor, node);
        entry.tensors.add(tensor);
      }
    }
  }
  const total = sizeOf(all.keys());
  const view = new GraphView(graph);
  const values = (names: readonly { name: string }[]): ValueSummary[] =>
    names.map(({ name }) => {
      const type = view.type(name);
      const dims = type?.dims?.map((size) => size ?? null) ?? null;
      return { name, dtype: type?.dtype ?? "unknown", dims };
    });
  const byType: Record<string, number> = {};
  for (const tensor of all.keys()) {
    const type = dataTypeName(tensor.dataType) ?? "unknown";
    byType[type] = (byType[type] ?? 0) + tensorByteSize(tensor);
  }
  const rows = [...operators.values()].map(({ node, count, tensors }): OperatorSummary => {
    const { elements, bytes } = sizeOf(tensors);
    const share = total.bytes ? bytes / total.bytes : 0;
    return { op: node.opType, domain: node.domain, count, parameters: elements, bytes, share };
  });
  rows.sort((a, b) => b.bytes - a.bytes || b.count - a.count || (a.op < b.op ? -1 : 1));
  return {
    producer: [proto.producerName, proto.producerVersion].filter(Boolean).join(" "),
    irVersion: Number(proto.irVersion),
    opset: Object.fromEntries(
      proto.opsetImport.map(({ domain, version }) => [domain || "ai.onnx", Number(version)]),
    ),
    nodes: rows.reduce((sum, { count }) => sum + count, 0),
    constants: { tensors: all.size, ...total, byType },
    quantized: rows.some(({ op }) => INTEGER_OPERATOR.test(op)),
    inputs: values(view.inputs),
    outputs: values(graph.output),
    operators: rows,
  };
}

/** Constants of a graph by name: initializers, and the tensors of its `Constant` nodes. */
function constantsOf(graph: GraphProto): Map<string, TensorProto> {
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  for (const { opType, output, attribute } of graph.node) {
    const tensor = attribute.find(({ t }) => t)?.t;
    if (opType === "Constant" && tensor) constants.set(output[0], tensor);
  }
  return constants;
}

function sizeOf(tensors: Iterable<TensorProto>): { elements: number; bytes: number } {
  let [elements, bytes] = [0, 0];
  for (const tensor of tensors) {
    elements += elementCount(tensorDims(tensor));
    bytes += tensorByteSize(tensor);
  }
  return { elements, bytes };
}
