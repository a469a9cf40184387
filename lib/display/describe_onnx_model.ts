/**
 * What ONNX models look like.
 *
 * @module
 */
import { printable } from "../numbers/printable.ts";
import { GraphView } from "../onnx/graph/graph_view.ts";
import type { OnnxModel } from "../onnx/file/model.ts";
import type { ValueInfoProto } from "../onnx/file/proto.ts";
import { walkGraphs } from "../onnx/file/subgraphs.ts";
import { tensorByteSize } from "../onnx/file/tensor_data.ts";
import { bundleOf, type DisplayBundle } from "../plot/bundle.ts";
import { formatBytes } from "../plot/format.ts";
import { Table } from "../plot/table.ts";

/** Values as `x: float32 [batch, 3, 48, ?]`. */
function describeValues(view: GraphView, values: readonly ValueInfoProto[]): string {
  return values.map(({ name }) => {
    const type = view.type(name);
    const dims = type?.dims?.map((size) => size ?? "?").join(", ");
    return `${name}: ${type?.dtype ?? "?"}${dims === undefined ? "" : ` [${dims}]`}`;
  }).join(", ");
}

/** A row for each operator, with its nodes and the bytes of the constants in them or read by them. */
export function displayOnnxModel(model: OnnxModel): DisplayBundle {
  const { graph } = model.proto;
  const graphs = graph ? walkGraphs(graph) : [];
  const rows = new Map<string, { nodes: number; bytes: number }>();
  for (const { node, initializer } of graphs) {
    const constants = new Map(initializer.map((tensor) => [tensor.name, tensor]));
    for (const { opType, input, attribute } of node) {
      const row = rows.get(opType) ?? { nodes: 0, bytes: 0 };
      rows.set(opType, row);
      row.nodes++;
      const read = input.flatMap((name) => constants.get(name) ?? []);
      for (const tensor of [...read, ...attribute.flatMap(({ t }) => t ?? [])]) {
        row.bytes += tensorByteSize(tensor);
        constants.delete(tensor.name); // one that several nodes read counts once
      }
    }
  }
  const sorted = [...rows].sort(([, a], [, b]) => b.bytes - a.bytes || b.nodes - a.nodes);
  const table = new Table(
    sorted.map(([operator, { nodes, bytes }]) => ({
      operator,
      nodes,
      constants: bytes ? formatBytes(bytes) : "",
    })),
    { title: inspectOnnxModel(model) },
  );
  return bundleOf(table);
}

/** Operator sets, size and what goes in and out. */
export function inspectOnnxModel(model: OnnxModel): string {
  const { proto } = model;
  const { graph } = proto;
  if (!graph) return "OnnxModel(no graph)";
  const view = new GraphView(graph);
  const opsets = proto.opsetImport.map(({ domain, version }) =>
    `${domain || "ai.onnx"} ${version}`
  );
  const [inputs, outputs] = [view.inputs, graph.output].map((list) => describeValues(view, list));
  return printable(
    `OnnxModel(${opsets.join(", ")}; ${graph.node.length} nodes; ${inputs} → ${outputs})`,
  );
}
