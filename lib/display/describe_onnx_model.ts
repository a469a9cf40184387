/**
 * What ONNX models look like.
 *
 * @module
 */
import type { OnnxModel } from "../onnx/file/model.ts";
import { walkGraphs } from "../onnx/file/subgraphs.ts";
import { tensorByteSize } from "../onnx/file/tensor_data.ts";
import { bundleOf, type DisplayBundle } from "../plot/bundle.ts";
import { formatBytes } from "../plot/format.ts";
import { Table } from "../plot/table.ts";

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
    { title: String(model) },
  );
  return bundleOf(table);
}
