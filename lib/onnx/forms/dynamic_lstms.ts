/**
 * LSTMs on bytes in a model whose other layers have fixed ranges.
 *
 * @module
 */
import type { OnnxModel } from "../file/model.ts";
import type { NodeProto } from "../file/proto.ts";
import { walkGraphs } from "../file/subgraphs.ts";
import { isOp } from "../graph/operator.ts";
import { type DynamicSpecs, DynamicWriter, layerOf } from "./dynamic_layers.ts";
import { GraphEditors } from "./graph_editors.ts";

/** As `quantizeDynamic` has them: the kernel takes longer with many scales. */
const SPECS: DynamicSpecs = {
  weight: { type: "int8", symmetric: true, reduceRange: false },
  perChannel: true,
  perGate: false,
};

/** Whether there is an LSTM anywhere in a model. */
export function hasLstm({ graph }: OnnxModel): boolean {
  return [...walkGraphs(graph)].some(({ node }) => node.some((each) => isOp(each, "LSTM")));
}

/**
 * Writes the LSTMs of a model as onnxruntime's DynamicQuantizeLSTM, which quantizes inputs and states at each step.
 *
 * @param model is changed.
 * @param stays tells which are left in float.
 * @returns the names of those that were written.
 */
export function dynamicLstms(
  model: OnnxModel,
  stays: (node: NodeProto) => boolean,
): ReadonlySet<string> {
  const graphs = new GraphEditors(model);
  const writer = new DynamicWriter(graphs, SPECS);
  const written = new Set<string>();
  for (const placed of graphs.nodes) {
    const { node } = placed;
    if (!isOp(node, "LSTM") || stays(node)) continue;
    const layer = layerOf(node)!;
    if (layer.problem(placed) !== undefined || !layer.isOnBytes!(placed)) continue;
    layer.write!(placed, writer);
    written.add(node.name);
  }
  graphs.finish();
  return written;
}
