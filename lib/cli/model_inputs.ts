/**
 * What a model takes.
 *
 * @module
 */
import type { ModelInput } from "../data/sample.ts";
import { GraphView } from "../onnx/graph/graph_view.ts";
import type { OnnxModel } from "../onnx/file/model.ts";

/** The inputs that a caller must give. */
export function modelInputs(model: OnnxModel): ModelInput[] {
  const view = new GraphView(model.graph);
  return view.inputs.map(({ name }) => {
    const type = view.type(name);
    return { name, dtype: type?.dtype ?? "unknown", dims: type?.dims };
  });
}
