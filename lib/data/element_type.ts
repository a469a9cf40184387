/**
 * The element types of samples.
 *
 * @module
 */

import { floatsOfHalves, HALF_ARRAY } from "../numbers/float16.ts";

/** How onnxruntime calls the elements of a tensor. */
export type ElementType =
  | "float32"
  | "float64"
  | "float16"
  | "int64"
  | "uint64"
  | "int32"
  | "uint32"
  | "int16"
  | "uint16"
  | "int8"
  | "uint8"
  | "bool";

/** The arrays that hold elements; bool as bytes of 0 and 1, float16 as float32 where the language has no halves. */
export type ElementArray =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** Makes an array over a buffer, or of a length. */
interface ArrayClass {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): ElementArray;
  new (length: number): ElementArray;
}

/** Those whose bytes are the elements'. */
const CLASSES: Readonly<Record<Exclude<ElementType, "float16">, ArrayClass>> = {
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** Whether elements of this name can be read. */
export function isElementType(name: string): name is ElementType {
  return name === "float16" || Object.hasOwn(CLASSES, name);
}

/** Bytes that an element takes. */
export function itemSizeOf(type: ElementType): number {
  return type === "float16" ? 2 : CLASSES[type].BYTES_PER_ELEMENT;
}

/** The elements in little-endian bytes that fill a buffer of their own. */
export function elementsOf(type: ElementType, bytes: Uint8Array<ArrayBuffer>): ElementArray {
  const whole = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
  if (type !== "float16") return new CLASSES[type](whole.buffer);
  return HALF_ARRAY ? new HALF_ARRAY(whole.buffer) : floatsOfHalves(whole.buffer);
}

/** As many zeros. */
export function zerosOf(type: ElementType, length: number): ElementArray {
  return new (type === "float16" ? HALF_ARRAY ?? Float32Array : CLASSES[type])(length);
}
