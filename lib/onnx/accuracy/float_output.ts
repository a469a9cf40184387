/** Outputs of floats of any type as numbers. */
import type { OnnxDataType } from "../file/data_type.ts";
import type { OnnxOutput } from "../run/runtime.ts";

const FLOATS: ReadonlySet<OnnxDataType> = new Set(["float16", "float32", "float64"]);

/** Whether the elements are floats that can be compared. */
export function isFloatType(dtype: OnnxDataType): boolean {
  return FLOATS.has(dtype);
}

/** The numbers of an output of such a type. */
export function floatNumbers({ data }: OnnxOutput): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number>);
}
