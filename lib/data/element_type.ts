/**
 * The element types of samples.
 *
 * @module
 */

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

/** The arrays that hold elements; bool as bytes of 0 and 1. */
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

const CLASSES: Readonly<Record<ElementType, ArrayClass>> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Float16Array,
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
  return Object.hasOwn(CLASSES, name);
}

/** Bytes that an element takes. */
export function itemSizeOf(type: ElementType): number {
  return CLASSES[type].BYTES_PER_ELEMENT;
}

/** The elements in little-endian bytes that fill a buffer of their own. */
export function elementsOf(type: ElementType, bytes: Uint8Array<ArrayBuffer>): ElementArray {
  const whole = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
  return new CLASSES[type](whole.buffer);
}

/** As many zeros. */
export function zerosOf(type: ElementType, length: number): ElementArray {
  return new CLASSES[type](length);
}
