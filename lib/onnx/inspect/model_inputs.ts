/**
 * What a model takes and gives.
 *
 * @module
 */
import type { TensorInfo } from "../../data/sample.ts";
import type { OnnxModel } from "../file/model.ts";
import { GraphView } from "../graph/graph_view.ts";

/**
 * The inputs that a caller of a model must give: those for which {@linkcode readSamples} reads files.
 *
 * @param model a model that was loaded.
 * @returns name, element type and sizes of each, as far as the file tells.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, loadOnnx, modelInputs, randn } from "@staticquant/staticquant";
 * const model = await loadOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
 * console.log(modelInputs(model)); // [ { name: "input", dtype: "float32", dims: [ "batch", 4 ] } ]
 * ```
 */
export function modelInputs(model: OnnxModel): TensorInfo[] {
  const view = new GraphView(model.graph);
  return view.inputs.map(({ name }) => infoOf(view, name));
}

/** The outputs of a model. */
export function modelOutputs({ graph }: OnnxModel): TensorInfo[] {
  const view = new GraphView(graph);
  return graph.output.map(({ name }) => infoOf(view, name));
}

function infoOf(view: GraphView, name: string): TensorInfo {
  const type = view.type(name);
  return { name, dtype: type?.dtype ?? "unknown", dims: type?.dims };
}
