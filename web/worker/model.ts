/**
 * Models as the page is given them.
 *
 * @module
 */
import type { OnnxModel } from "../../lib/onnx/file/model.ts";
import { loadOnnx } from "../../lib/onnx/file/model_file.ts";
import { MOST_MODEL_BYTES } from "./limits.ts";

/** Thrown for a model that a tab cannot hold; the page has words for it. */
export class TooLarge extends Error {
  override readonly name: string = "TooLarge";
}

/** Reads a model. */
export async function openModel(file: File): Promise<OnnxModel> {
  if (file.size > MOST_MODEL_BYTES) throw new TooLarge(String(file.size));
  return await loadOnnx(new Uint8Array(await file.arrayBuffer()));
}
