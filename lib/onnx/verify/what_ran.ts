/**
 * Reading off onnxruntime's optimized graph what it computes in float after all.
 *
 * @module
 */
import { KnownFile } from "../../files/file_bytes.ts";
import type { TemporaryFile } from "../../files/temporary_file.ts";
import { LEAST_EXTERNAL } from "../file/external_data.ts";
import { readThin } from "../file/thin_file.ts";
import { isQuantized } from "../qdq/already_quantized.ts";
import type { OnnxModel } from "../file/model.ts";
import type { GraphProto, NodeProto } from "../file/proto.ts";
import { GraphView } from "../graph/graph_view.ts";
import { roleOf } from "../qdq/operators.ts";
import { nodeName } from "../qdq/selection.ts";

/**
 * The nodes of a quantized graph that multiply or compute, and that onnxruntime has no integer kernel put in the
 * place of.
 *
 * @param written the graph as it was written, with DequantizeLinear and QuantizeLinear around its nodes.
 * @param optimized what onnxruntime made of it.
 * @param among names of nodes that were meant to compute with integers.
 * @returns by the node's name the operator that onnxruntime computes instead.
 */
export function computedInFloat(
  written: GraphProto,
  optimized: GraphProto,
  among: ReadonlySet<string>,
): Map<string, string> {
  const kernels = optimized.node.filter((node) => !isQuantized(node));
  const byName = new Map(kernels.map((node) => [node.name, node]));
  const byOutput = new Map(kernels.flatMap((node) => node.output.map((name) => [name, node])));
  const weights = weightReaders(optimized);
  const { of: weightOf, sharers } = weightsOf(written);
  const found = new Map<string, string>();
  for (const node of written.node) {
    const name = nodeName(node);
    const role = roleOf(node);
    if (!among.has(name) || (role !== "multiplies" && role !== "computes")) continue;
    const weight = weightOf.get(node);
    const readers = weight === undefined ? [] : weights.get(weight) ?? [];
    // Of nodes that share a weight, one may be fused into another node and one not.
    const reader = sharers.get(weight ?? "") === 1
      ? readers[0]
      : readers.find((kernel) => kernel.name.startsWith(node.name));
    const same = node.name === "" ? undefined : byName.get(node.name);
    const kernel = same ?? byOutput.get(node.output[0]) ?? reader;
    if (kernel) found.set(name, kernel.opType);
  }
  return found;
}

/** The nodes that read constants through DequantizeLinear and compute with floats, by the constant. */
function weightReaders(graph: GraphProto): Map<string, NodeProto[]> {
  const view = new GraphView(graph);
  const readers = new Map<string, NodeProto[]>();
  for (const node of graph.node) {
    const [from] = node.input;
    if (node.opType !== "DequantizeLinear" || !view.initializer(from)) continue;
    const floats = view.consumers(node.output[0]).filter((reader) => !isQuantized(reader));
    readers.set(from, [...readers.get(from) ?? [], ...floats]);
  }
  return readers;
}

/** The integers of each node's weight, and how many nodes share them. */
function weightsOf(graph: GraphProto) {
  const view = new GraphView(graph);
  const of = new Map<NodeProto, string>();
  const sharers = new Map<string, number>();
  for (const node of graph.node) {
    const maker = node.input[1] ? view.producer(node.input[1]) : undefined;
    if (maker?.opType !== "DequantizeLinear" || !view.initializer(maker.input[0])) continue;
    const [weight] = maker.input;
    of.set(node, weight);
    sharers.set(weight, (sharers.get(weight) ?? 0) + 1);
  }
  return { of, sharers };
}

/** The graph in a file that onnxruntime wrote; its large constants are left in the file. */
export async function graphIn({ messages }: OnnxModel, file: TemporaryFile): Promise<GraphProto> {
  const { onnx: { ModelProtoSchema }, protobuf: { fromBinary } } = messages;
  // To look at a file in pieces takes a right more where its path is not a whole one.
  const known = await KnownFile.find(file.path).catch(() => undefined);
  const bytes = (known && readThin(known, LEAST_EXTERNAL)?.bytes) ?? await file.bytes();
  return fromBinary(ModelProtoSchema, bytes).graph!;
}
