/**
 * Outputs of a session as tensors.
 *
 * @module
 */
import type { Backend } from "../backend/backend.ts";
import { CpuBackend } from "../backend/cpu/backend.ts";
import { bool, type DType, float32, int32 } from "../numbers/dtype.ts";
import type { OnnxOutput } from "../onnx/run/runtime.ts";
import { Tensor } from "../tensor/tensor.ts";

/** An output as a tensor: floats in the dtype of the first input, if that is a float one. */
export function outputTensor(
  backend: Backend,
  { data, dims, type }: OnnxOutput,
  dtype: DType,
): Tensor {
  const upload = (values: ArrayBufferView, of: DType) => {
    const bytes = new Uint8Array(
      values.buffer as ArrayBuffer,
      values.byteOffset,
      values.byteLength,
    );
    const buffer = backend instanceof CpuBackend ? backend.adopt(bytes) : backend.upload(bytes);
    return new Tensor(backend, buffer, dims, of);
  };
  if (type === "int64") return upload(Int32Array.from(data as BigInt64Array, Number), int32);
  if (type === "bool") return upload(data as Uint8Array, bool);
  const y = upload(data as Float32Array, float32);
  if (dtype === float32 || !dtype.isFloat) return y;
  using wide = y;
  return wide.to(dtype);
}
