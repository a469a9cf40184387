/**
 * The element types of ONNX, by the names that onnxruntime gives them in JavaScript.
 *
 * @module
 */

/** The name of an element type of ONNX. */
export type OnnxDataType =
  | `${"" | "u"}int${2 | 4 | 8 | 16 | 32 | 64}`
  | `float${16 | 32 | 64}`
  | "bfloat16"
  | `float8_${"e4m3fn" | "e4m3fnuz" | "e5m2" | "e5m2fnuz" | "e8m0"}`
  | "float4_e2m1"
  | `complex${64 | 128}`
  | "bool"
  | "string";

/** What the format says of a type. */
interface Entry {
  /** Its number in files. */
  readonly code: number;
  /** Bits an element takes in raw bytes; those of less than 8 are packed. */
  readonly bits: number;
}

const types: Record<OnnxDataType, Entry> = {
  float32: { code: 1, bits: 32 },
  uint8: { code: 2, bits: 8 },
  int8: { code: 3, bits: 8 },
  uint16: { code: 4, bits: 16 },
  int16: { code: 5, bits: 16 },
  int32: { code: 6, bits: 32 },
  int64: { code: 7, bits: 64 },
  // Strings have no raw bytes.
  string: { code: 8, bits: 0 },
  bool: { code: 9, bits: 8 },
  float16: { code: 10, bits: 16 },
  float64: { code: 11, bits: 64 },
  uint32: { code: 12, bits: 32 },
  uint64: { code: 13, bits: 64 },
  complex64: { code: 14, bits: 64 },
  complex128: { code: 15, bits: 128 },
  bfloat16: { code: 16, bits: 16 },
  float8_e4m3fn: { code: 17, bits: 8 },
  float8_e4m3fnuz: { code: 18, bits: 8 },
  float8_e5m2: { code: 19, bits: 8 },
  float8_e5m2fnuz: { code: 20, bits: 8 },
  uint4: { code: 21, bits: 4 },
  int4: { code: 22, bits: 4 },
  float4_e2m1: { code: 23, bits: 4 },
  float8_e8m0: { code: 24, bits: 8 },
  uint2: { code: 25, bits: 2 },
  int2: { code: 26, bits: 2 },
};

const names = new Map<number, OnnxDataType>(
  Object.entries(types).map(([name, { code }]) => [code, name as OnnxDataType]),
);

/** The name of the type with this number in files, if there is one. */
export function dataTypeName(code: number): OnnxDataType | undefined {
  return names.get(code);
}

/** The type with this name, if there is one. */
export function dataTypeNamed(name: string): OnnxDataType | undefined {
  return Object.hasOwn(types, name) ? name as OnnxDataType : undefined;
}

/** The number of a type in files. */
export function dataTypeCode(name: OnnxDataType): number {
  return types[name].code;
}

/** Bits that an element takes in raw bytes; 0 for strings, which have none. */
export function bitsOf(name: OnnxDataType): number {
  return types[name].bits;
}
