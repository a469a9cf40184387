/**
 * Models as the page is given them.
 *
 * @module
 */
import type { OnnxModel } from "../../lib/onnx/file/model.ts";
import { loadOnnx } from "../../lib/onnx/file/model_file.ts";
import { MOST_MODEL_BYTES } from "./limits.ts";
import type { ModelFiles } from "./protocol.ts";

/** Thrown for a model that a tab cannot hold; the page has words for it. */
export class TooLarge extends Error {
  override readonly name: string = "TooLarge";
}

/** Reads a model. */
export async function openModel({ model, data }: ModelFiles): Promise<OnnxModel> {
  const size = [model, ...data].reduce((sum, { size }) => sum + size, 0);
  if (size > MOST_MODEL_BYTES) throw new TooLarge(String(size));
  const bytesOf = async (file: File) => new Uint8Array(await file.arrayBuffer());
  const files = await Promise.all(
    data.map(async (file) => [file.name, await bytesOf(file)] as const),
  );
  return await loadOnnx(await bytesOf(model), { dataFiles: Object.fromEntries(files) });
}
