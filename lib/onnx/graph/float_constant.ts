/**
 * Constants as numbers.
 *
 * @module
 */
import type { TensorProto } from "../file/proto.ts";
import { readTensor, tensorDims, tensorType } from "../file/tensor_data.ts";

/** A float32 constant. */
export interface FloatConstant {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** The numbers of a tensor, if it is one of float32. They are read when they are first asked for. */
export function floatConstant(tensor: TensorProto | undefined): FloatConstant | undefined {
  if (!tensor || tensorType(tensor) !== "float32") return undefined;
  let data: Float32Array | undefined;
  return {
    dims: tensorDims(tensor),
    get data() {
      return data ??= readTensor(tensor).data as Float32Array;
    },
  };
}
