/**
 * Constants as numbers.
 *
 * @module
 */
import type { TensorProto } from "../file/proto.ts";
import { readTensor } from "../file/tensor_data.ts";

/** A float32 constant. */
export interface FloatConstant {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** The numbers of a tensor, if it is one of float32. */
export function floatConstant(tensor: TensorProto | undefined): FloatConstant | undefined {
  if (!tensor) return undefined;
  const { dtype, dims, data } = readTensor(tensor);
  return dtype === "float32" ? { dims, data: data as Float32Array } : undefined;
}
