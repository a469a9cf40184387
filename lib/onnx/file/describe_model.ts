import { printable } from "../../numbers/printable.ts";
import { dataTypeName } from "./data_type.ts";
import type { GraphProto, ModelProto, ValueInfoProto } from "./proto.ts";
import { valueDims } from "./value_dims.ts";

/** A model in a line: operator sets, size, and what goes in and out. */
export function describeModel({ graph, opsetImport }: ModelProto): string {
  if (!graph) return "OnnxModel(no graph)";
  const opsets = opsetImport.map(({ domain, version }) => `${domain || "ai.onnx"} ${version}`);
  const constants = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input.filter(({ name }) => !constants.has(name));
  const [from, to] = [inputs, graph.output].map((values) =>
    values.map((value) => describeValue(graph, value)).join(", ")
  );
  return printable(
    `OnnxModel(${opsets.join(", ")}; ${graph.node.length} nodes; ${from} → ${to})`,
  );
}

/** A value as `x: float32 [batch, 3, 48, ?]`. */
function describeValue({ initializer }: GraphProto, { name, type }: ValueInfoProto): string {
  const constant = initializer.find((tensor) => tensor.name === name);
  const tensor = type?.value.case === "tensorType" ? type.value.value : undefined;
  const dtype = dataTypeName(constant?.dataType ?? tensor?.elemType ?? 0);
  const dims = constant?.dims.map(Number) ?? (dtype && valueDims(tensor?.shape));
  const sizes = dims ? ` [${dims.map((size) => size ?? "?").join(", ")}]` : "";
  return `${name}: ${dtype ?? "?"}${sizes}`;
}
