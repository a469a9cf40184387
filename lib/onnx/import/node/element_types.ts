/**
 * The element types of files as those of tensors here.
 *
 * @module
 */
import {
  bfloat16,
  bool,
  type DType,
  float16,
  float32,
  int32,
  int8,
  uint8,
} from "../../../numbers/dtype.ts";
import type { OnnxDataType } from "../../file/data_type.ts";
import type { TensorArray } from "../../file/tensor_data.ts";

/** What float32 and float64 of a file become: float32, unless the caller wants another. */
export type FloatType = DType;

/** Types of files by what they become; all wide integers are int32, for graphs count places with them. */
const TYPES: Partial<Record<OnnxDataType, DType>> = {
  float16,
  bfloat16,
  int8,
  uint8,
  bool,
  int16: int32,
  uint16: int32,
  int32,
  uint32: int32,
  int64: int32,
  uint64: int32,
};

/** Narrow integers, which constants have and nothing is computed in: a byte each. */
const NARROW: Partial<Record<OnnxDataType, DType>> = {
  int4: int8,
  uint4: uint8,
  int2: int8,
  uint2: uint8,
};

/** The type that elements of a file have here; nothing for texts, complex numbers and the rarer 8-bit floats. */
export function importedType(type: OnnxDataType, float: FloatType = float32): DType | undefined {
  if (type === "float32" || type === "float64") return float;
  return TYPES[type];
}

/** The type that a constant has here. */
export function constantType(type: OnnxDataType, float: FloatType = float32): DType | undefined {
  return importedType(type, float) ?? NARROW[type];
}

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

/** Elements of a file as numbers that its type here holds: what int32 cannot hold becomes its end. */
export function importedNumbers(data: TensorArray): ArrayLike<number> {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const numbers = new Int32Array(data.length);
    for (let i = 0; i < data.length; i++) {
      const x = data[i];
      numbers[i] = x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : Number(x);
    }
    return numbers;
  }
  if (data instanceof Uint32Array) return data.map((x) => Math.min(x, INT32_MAX));
  return data as Exclude<TensorArray, string[] | BigInt64Array | BigUint64Array>;
}
