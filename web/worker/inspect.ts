/**
 * Looking into a model.
 *
 * @module
 */
import { inspectOnnx, type OnnxInspection } from "../../lib/onnx/inspect/inspect_onnx.ts";
import { openModel } from "./model.ts";
import type { ModelFiles } from "./protocol.ts";

/** What is in a model. */
export async function inspect(files: ModelFiles): Promise<OnnxInspection> {
  return await inspectOnnx(await openModel(files));
}
