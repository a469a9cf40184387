/**
 * Values that are known on the host while a graph runs, such as shapes and what is computed of them: tensors of
 * the CPU backend, whose numbers can be had at once.
 *
 * @module
 */
import type { Backend } from "../../../backend/backend.ts";
import { CpuBackend } from "../../../backend/cpu/backend.ts";
import { type DType, int32 } from "../../../numbers/dtype.ts";
import { decode, type TypedArray } from "../../../numbers/encoding.ts";
import { Tensor, tensor } from "../../../tensor/tensor.ts";

/** Whether a tensor's numbers are on the host. */
export function isOnHost({ device }: Tensor): boolean {
  return device === "cpu";
}

/** The bytes of a tensor on the host, to be read only. */
function hostBytes(t: Tensor): Uint8Array {
  const { backend } = t;
  if (!(backend instanceof CpuBackend)) throw new Error(`${t} is not on the host`);
  return backend.view(t.operand.buffer);
}

/** The numbers of a tensor on the host, at once. */
export function hostNumbers(t: Tensor): TypedArray {
  return decode(hostBytes(t), t.dtype);
}

/** A tensor on the host. */
export function hostTensor(
  values: ArrayLike<number>,
  shape: readonly number[],
  dtype: DType = int32,
): Tensor {
  return tensor(values, { shape, dtype, device: "cpu" });
}

/** A copy of a tensor on the host, on another backend. */
export function uploaded(t: Tensor, backend: Backend): Tensor {
  return new Tensor(backend, backend.upload(hostBytes(t)), t.shape, t.dtype);
}
