/**
 * What elements of this library's dtypes are in a file: all floats float32, and integers, which stand for
 * PyTorch's int64, that.
 *
 * @module
 */
import { bool, type DType } from "../../numbers/dtype.ts";

/** The element type of a value. */
export interface ElementType {
  readonly name: "float32" | "int64" | "bool";
  /** The number that ONNX has for it. */
  readonly code: number;
}

const TYPES: Readonly<Record<ElementType["name"], ElementType>> = {
  float32: { name: "float32", code: 1 },
  int64: { name: "int64", code: 7 },
  bool: { name: "bool", code: 9 },
};

/** What elements of a dtype are in a file. */
export function typeOf(dtype: DType): ElementType {
  return TYPES[dtype.isFloat ? "float32" : dtype === bool ? "bool" : "int64"];
}
