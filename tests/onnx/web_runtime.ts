/** Running models in onnxruntime-web's WebAssembly, as pages do, in this process. */
import * as ort from "onnxruntime-web/wasm";
import type { OnnxModel } from "../../lib/onnx/file/model.ts";

ort.env.wasm.numThreads = 1;

/** A float32 input. */
export interface Floats {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** The outputs of a model whose only input is `x`. */
export async function runInWasm(model: OnnxModel, { data, dims }: Floats): Promise<ort.Tensor[]> {
  const session = await ort.InferenceSession.create(model.toBytes(), { logSeverityLevel: 4 });
  try {
    return Object.values(await session.run({ x: new ort.Tensor("float32", data, dims) }));
  } finally {
    await session.release();
  }
}
