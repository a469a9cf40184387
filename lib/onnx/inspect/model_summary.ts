/**
 * What is in a model.
 *
 * @module
 */
import { dataTypeName } from "../file/data_type.ts";
import type { OnnxModel } from "../file/model.ts";
import type { GraphProto, NodeProto, TensorProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { elementCount, tensorByteSize, tensorDims } from "../file/tensor_data.ts";

/** All nodes of one operator, in graphs inside of nodes too; `Constant` counts as a constant and not as a node. */
export interface OperatorSummary {
  /** The operator. */
  readonly op: string;
  /** Empty for ONNX's own. */
  readonly domain: string;
  /** How many nodes there are. */
  readonly count: number;
  /** Elements of the constants that the nodes read. */
  readonly parameters: number;
  /** Bytes of these. */
  readonly bytes: number;
  /** The share of the bytes of all constants. */
  readonly share: number;
}

/** The constants of a model. */
export interface ConstantsSummary {
  /** How many tensors there are. */
  readonly tensors: number;
  /** Their elements. */
  readonly elements: number;
  /** Their bytes. */
  readonly bytes: number;
  /** The bytes of each element type. */
  readonly byType: Readonly<Record<string, number>>;
}

/** The constants and the operators of a model, those with the most bytes first. */
export interface ModelSummary {
  readonly constants: ConstantsSummary;
  readonly operators: readonly OperatorSummary[];
}

/** The nodes of an operator: one of them, how many, and the constants that they are the first to read. */
interface Entry {
  readonly node: NodeProto;
  count: number;
  readonly tensors: Set<TensorProto>;
}

/** The key of a node's operator: its domain and name. */
export function operatorKey({ domain, opType }: Pick<NodeProto, "domain" | "opType">): string {
  return `${domain}:${opType}`;
}

/** Looks through a model, graphs inside of nodes too. */
export function summarizeModel({ graph }: OnnxModel): ModelSummary {
  const operators = new Map<string, Entry>();
  const all = new Set<TensorProto>();
  const read = new Set<TensorProto>();
  for (const inner of walkGraphs(graph)) {
    const constants = constantsOf(inner);
    for (const tensor of constants.values()) all.add(tensor);
    for (const node of inner.node) {
      if (node.opType === "Constant") continue;
      const key = operatorKey(node);
      const entry = operators.get(key) ?? { node, count: 0, tensors: new Set() };
      operators.set(key, entry);
      entry.count++;
      for (const name of node.input) {
        const tensor = constants.get(name);
        // A tensor that several nodes share counts once, for the first of them.
        if (!tensor || read.has(tensor)) continue;
        read.add(tensor);
        entry.tensors.add(tensor);
      }
    }
  }
  const constants = summarizeConstants(all);
  return { constants, operators: summarizeOperators([...operators.values()], constants.bytes) };
}

function summarizeConstants(tensors: ReadonlySet<TensorProto>): ConstantsSummary {
  const byType = new Map<string, number>();
  for (const tensor of tensors) {
    const type = dataTypeName(tensor.dataType) ?? "unknown";
    byType.set(type, (byType.get(type) ?? 0) + tensorByteSize(tensor));
  }
  return { tensors: tensors.size, ...sizeOf(tensors), byType: Object.fromEntries(byType) };
}

function summarizeOperators(entries: readonly Entry[], total: number): OperatorSummary[] {
  const rows = entries.map(({ node: { opType: op, domain }, count, tensors }): OperatorSummary => {
    const { elements, bytes } = sizeOf(tensors);
    return { op, domain, count, parameters: elements, bytes, share: total ? bytes / total : 0 };
  });
  return rows.sort((a, b) => b.bytes - a.bytes || b.count - a.count || (a.op < b.op ? -1 : 1));
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
