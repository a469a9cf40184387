/**
 * Looking into a model.
 *
 * @module
 */
import { inspectOnnx, type OnnxInspection } from "../../lib/onnx/inspect/inspect_onnx.ts";
import { openModel } from "./model.ts";

/** What is in a model. */
export async function inspect(file: File): Promise<OnnxInspection> {
  return await inspectOnnx(await openModel(file));
}
