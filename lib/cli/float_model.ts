/**
 * The float model that a command starts from.
 *
 * @module
 */
import type { OnnxModel } from "../onnx/file/model.ts";
import { loadOnnx } from "../onnx/file/model_file.ts";
import { nameNodes, sharedNodeNames } from "../onnx/prepare/name_nodes.ts";
import { quantizedNode } from "../onnx/qdq/already_quantized.ts";
import { type OnnxRuntimeBuild, useOnnxRuntime } from "../onnx/run/load_ort.ts";
import { CliError, EXIT } from "./cli_error.ts";

/**
 * Loads a model, and names nodes that share a name anew, which onnxruntime does not take.
 *
 * @returns the model, and the names that nodes shared.
 * @throws {CliError} if it is quantized already.
 */
export async function floatModel(
  path: string,
  runtime: OnnxRuntimeBuild,
): Promise<{ model: OnnxModel; renamed: string[] }> {
  useOnnxRuntime(runtime);
  const model = await loadOnnx(path);
  if (quantizedNode(model)) {
    throw new CliError(EXIT.failed, `${path} is quantized already; give the float model`);
  }
  const renamed = sharedNodeNames(model.graph);
  if (renamed.length > 0) nameNodes(model.graph);
  return { model, renamed };
}
