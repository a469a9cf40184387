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

/** A float32 constant that is read when its numbers are first asked for. */
export interface ReadConstant extends FloatConstant, Disposable {
  /**
   * Gives the memory of the numbers back now, not when the garbage collector finds it: a model's weights may be
   * gigabytes. Who asks for them afterwards has them read again.
   */
  [Symbol.dispose](): void;
}

/** The numbers of a tensor, if it is one of float32. They are the caller's own. */
export function floatConstant(tensor: TensorProto | undefined): ReadConstant | undefined {
  if (!tensor || tensorType(tensor) !== "float32") return undefined;
  let data: Float32Array<ArrayBuffer> | undefined;
  return {
    dims: tensorDims(tensor),
    get data() {
      return data ??= readTensor(tensor).data as Float32Array<ArrayBuffer>;
    },
    [Symbol.dispose]() {
      data?.buffer.transfer(0);
      data = undefined;
    },
  };
}
