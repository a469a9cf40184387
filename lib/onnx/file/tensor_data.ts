/**
 * The elements of ONNX tensors, to and from typed arrays. A file can keep them in raw bytes or in one
 * of six typed lists; both are read, and raw bytes are written.
 *
 * @module
 */
import type { TensorProto } from "./proto.ts";
import { bfloat16, float16, float8_e4m3fn, float8_e5m2 } from "../../numbers/dtype.ts";
import { decode, encode } from "../../numbers/encoding.ts";
import { HALF_ARRAY } from "../../numbers/float16.ts";
import { bitsOf, dataTypeCode, dataTypeName, type OnnxDataType } from "./data_type.ts";
import { fail, show } from "./onnx_error.ts";
import { EXTERNAL, rawLength, readStored, setRawData, storedBytes } from "./tensor_bytes.ts";

/** Elements as {@linkcode readTensor} gives them. */
export type TensorArray =
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | string[];

/** Elements as {@linkcode encodeTensor} takes them. */
export type TensorElements = ArrayLike<number> | ArrayLike<bigint> | readonly string[];

/** A tensor's element type, shape and elements, on the host. */
export interface TensorData {
  /** The element type. */
  readonly dtype: OnnxDataType;
  /** The length of each dimension, the slowest first. */
  readonly dims: number[];
  /**
   * The elements, row by row, one each: of 2 or 4 bits unpacked to bytes, booleans as 0 and 1, float16 as
   * `Float16Array` (where the language has none, as in Node 22, as `Float32Array`), bfloat16 and 8-bit floats as
   * `Float32Array`, 64-bit integers as bigints.
   */
  readonly data: TensorArray;
}

/** Where elements can be kept. */
type Field =
  | "rawData"
  | "floatData"
  | "int32Data"
  | "int64Data"
  | "doubleData"
  | "uint64Data"
  | "stringData";

const TYPED_FIELDS = [
  "floatData",
  "int32Data",
  "int64Data",
  "doubleData",
  "uint64Data",
  "stringData",
] as const satisfies Field[];

/** The typed list of a type; those not named are kept in `int32Data`. */
const typedField: Partial<Record<OnnxDataType, Field>> = {
  float32: "floatData",
  complex64: "floatData",
  int64: "int64Data",
  float64: "doubleData",
  complex128: "doubleData",
  uint32: "uint64Data",
  uint64: "uint64Data",
  string: "stringData",
};

/** The arrays of the types whose raw bytes are an array's. */
const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  // Some hosts have no such array; tables are asked by `has`.
  ...(HALF_ARRAY ? { float16: HALF_ARRAY } : {}) as { readonly float16: Float16ArrayConstructor },
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** The floats that are rounded here; float16 where it has no arrays. */
const narrowFloats = { float16, bfloat16, float8_e4m3fn, float8_e5m2 } as const;

/** Integers of less than a byte. */
const packedIntegers = ["int4", "uint4", "int2", "uint2"] as const;

function has<T extends object>(table: T, key: PropertyKey): key is keyof T {
  return Object.hasOwn(table, key);
}

function isPacked(dtype: OnnxDataType): dtype is typeof packedIntegers[number] {
  return (packedIntegers as readonly OnnxDataType[]).includes(dtype);
}

/** How many elements a tensor of this shape has; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((count, size) => count * size, 1);
}

/** How a message names a tensor. */
function nameOf({ name }: TensorProto): string {
  return name === "" ? "a tensor without a name" : `tensor ${show(name)}`;
}

/**
 * The shape of a tensor.
 *
 * @throws {OnnxError} if a dimension is negative, or they multiply to more than can be counted.
 */
export function tensorDims(tensor: TensorProto): number[] {
  // Zeros are left out of the product, so that strides made of the other dimensions are safe as well.
  let count = 1n;
  for (const size of tensor.dims) {
    if (size < 0n) fail(`${nameOf(tensor)} has a dimension of ${size}; no size is negative`);
    if (size > 0n) count *= size;
    if (count > BigInt(Number.MAX_SAFE_INTEGER)) {
      const dims = tensor.dims.slice(0, 8).join(", ");
      fail(`${nameOf(tensor)} has the shape [${dims}], more elements than any tensor can have`);
    }
  }
  return tensor.dims.map(Number);
}

/**
 * The element type of a tensor.
 *
 * @throws {OnnxError} if it is none of ONNX's.
 */
export function tensorType(tensor: TensorProto): OnnxDataType {
  const name = dataTypeName(tensor.dataType);
  if (!name) fail(`${nameOf(tensor)} has the element type ${tensor.dataType}, which ONNX has not`);
  return name;
}

/** Bytes that `count` elements take when packed; 0 for strings. */
function byteSize(dtype: OnnxDataType, count: number): number {
  return Math.ceil(count * bitsOf(dtype) / 8);
}

/**
 * Bytes that a tensor's elements take in raw form; for strings, what they take as UTF-8.
 *
 * @throws {OnnxError} if type or shape is wrong.
 */
export function tensorByteSize(tensor: TensorProto): number {
  if (tensorType(tensor) === "string") {
    return tensor.stringData.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }
  return byteSize(tensorType(tensor), elementCount(tensorDims(tensor)));
}

/** How many items a typed list needs for `count` elements. */
function itemCount(dtype: OnnxDataType, count: number): number {
  if (dtype.startsWith("complex")) return 2 * count;
  return bitsOf(dtype) === 0 || bitsOf(dtype) >= 8 ? count : byteSize(dtype, count);
}

/**
 * Where a tensor keeps its elements, after checking that they are as many as its shape says. Nothing is
 * allocated.
 *
 * @throws {OnnxError} if they are not, or lie in another file.
 */
export function tensorField(tensor: TensorProto): Field {
  const dtype = tensorType(tensor);
  const count = elementCount(tensorDims(tensor));
  const stored = storedBytes(tensor);
  if (tensor.dataLocation === EXTERNAL && !stored) {
    fail(`the elements of ${nameOf(tensor)} are in another file and were not read; use loadOnnx`);
  }
  if (Object.hasOwn(tensor, "segment")) {
    fail(
      `${
        nameOf(tensor)
      } is a segment of a larger one, which nothing writes and onnxruntime refuses`,
    );
  }
  const used = TYPED_FIELDS.filter((field) => tensor[field].length > 0);
  const typed = typedField[dtype] ?? "int32Data";
  const raw = stored !== undefined || tensor.rawData.length > 0 ||
    (Object.hasOwn(tensor, "rawData") && used.length === 0);
  if (used.length > (raw ? 0 : 1) || (used.length === 1 && used[0] !== typed)) {
    fail(
      `${nameOf(tensor)} of ${dtype} has elements in ${
        (raw ? ["rawData", ...used] : used).join(" and ")
      }; ` +
        `they belong into ${dtype === "string" ? typed : `rawData or ${typed}`} alone`,
    );
  }
  if (raw && dtype === "string") fail(`${nameOf(tensor)} of strings has raw data`);
  const found = raw ? rawLength(tensor) : tensor[typed].length;
  const needed = raw ? byteSize(dtype, count) : itemCount(dtype, count);
  if (found !== needed) {
    fail(
      `${nameOf(tensor)} of ${dtype} and shape [${tensor.dims.join(", ")}] has ${found} ` +
        `${
          raw ? "bytes" : "items"
        } and needs ${needed}; the file is damaged or its writer is faulty`,
    );
  }
  return raw ? "rawData" : typed;
}

/** Elements of 2 or 4 bits, one a byte; the first is in the lowest bits. */
function unpack(
  bytes: ArrayLike<number>,
  dtype: typeof packedIntegers[number],
  count: number,
): Int8Array<ArrayBuffer> | Uint8Array<ArrayBuffer> {
  const bits = bitsOf(dtype);
  const perByte = 8 / bits;
  const signed = dtype.startsWith("int");
  const array = signed ? new Int8Array(count) : new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const high = bytes[Math.floor(i / perByte)] << (8 - bits - (i % perByte) * bits);
    // The element is now in the top bits of the low byte.
    array[i] = signed ? (high << 24) >> (32 - bits) : (high & 255) >> (8 - bits);
  }
  return array;
}

/** Elements of 2 or 4 bits, packed. */
function pack(elements: ArrayLike<number>, dtype: OnnxDataType): Uint8Array<ArrayBuffer> {
  const bits = bitsOf(dtype);
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  const bytes = new Uint8Array(byteSize(dtype, elements.length));
  for (let i = 0; i < elements.length; i++) {
    bytes[Math.floor(i / perByte)] |= (elements[i] & mask) << ((i % perByte) * bits);
  }
  return bytes;
}

/** The bytes in a typed list of integers, for types whose bits it keeps. */
function bitsToBytes(items: readonly number[], dtype: OnnxDataType): Uint8Array<ArrayBuffer> {
  return bitsOf(dtype) === 16
    ? new Uint8Array(Uint16Array.from(items).buffer)
    : Uint8Array.from(items);
}

/** Elements in raw bytes, which become theirs. */
function fromBytes(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: OnnxDataType,
  count: number,
): TensorArray | undefined {
  if (has(arrays, dtype)) return new arrays[dtype](bytes.buffer);
  if (isPacked(dtype)) return unpack(bytes, dtype, count);
  if (has(narrowFloats, dtype)) {
    return decode(bytes, narrowFloats[dtype]) as Float32Array<ArrayBuffer>;
  }
}

/** Elements that lie in a typed list. */
function fromItems(
  tensor: TensorProto,
  field: Field,
  dtype: OnnxDataType,
  count: number,
): TensorArray | undefined {
  switch (field) {
    case "stringData":
      return tensor.stringData.map((bytes) => new TextDecoder().decode(bytes));
    case "floatData":
      return dtype === "float32" ? Float32Array.from(tensor.floatData) : undefined;
    case "doubleData":
      return dtype === "float64" ? Float64Array.from(tensor.doubleData) : undefined;
    case "int64Data":
      return BigInt64Array.from(tensor.int64Data);
    case "uint64Data":
      return dtype === "uint64"
        ? BigUint64Array.from(tensor.uint64Data)
        : Uint32Array.from(tensor.uint64Data, Number);
    default:
      if (dtype === "int32") return Int32Array.from(tensor.int32Data);
      if (dtype === "int16") return Int16Array.from(tensor.int32Data);
      return fromBytes(bitsToBytes(tensor.int32Data, dtype), dtype, count);
  }
}

/**
 * The elements of a tensor, however the file keeps them; a copy.
 *
 * @param tensor such as an initializer of a loaded model.
 * @throws {OnnxError} if they are not as many as the shape says, or of a type without numbers here:
 * complex ones and the rarer 8-bit and 4-bit floats.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, loadOnnx, randn, readTensor } from "@staticquant/staticquant";
 * const model = await loadOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
 * const { dtype, dims, data } = readTensor(model.graph.initializer[0]);
 * console.log(dtype, dims, data.length); // float32 [ 2, 4 ] 8
 * ```
 */
export function readTensor(tensor: TensorProto): TensorData {
  const field = tensorField(tensor);
  const dtype = tensorType(tensor);
  const dims = tensorDims(tensor);
  const count = elementCount(dims);
  const stored = storedBytes(tensor);
  const data = field === "rawData"
    ? fromBytes(stored ? readStored(tensor, stored) : tensor.rawData.slice(), dtype, count)
    : fromItems(tensor, field, dtype, count);
  if (!data) fail(`${nameOf(tensor)} is of ${dtype}, which cannot be read here`);
  return { dtype, dims, data };
}

/** The integers that a type holds. */
function integerRange(dtype: OnnxDataType): [bigint, bigint] | undefined {
  if (dtype === "bool") return [0n, 1n];
  if (!/^u?int/.test(dtype)) return undefined;
  const bits = BigInt(bitsOf(dtype));
  return dtype.startsWith("u")
    ? [0n, (1n << bits) - 1n]
    : [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n];
}

/** @throws {RangeError} if an element is no integer of the type. */
function checkIntegers(dtype: OnnxDataType, elements: ArrayLike<number | bigint>): void {
  const range = integerRange(dtype);
  if (!range) return;
  const whole = typeof elements[0] !== "bigint" && bitsOf(dtype) < 64;
  const [min, max] = whole ? range.map(Number) : range;
  for (let i = 0; i < elements.length; i++) {
    const x = elements[i];
    const integer = typeof x === "bigint" || Number.isInteger(x);
    if (!integer || x < min || x > max) {
      throw new RangeError(`element ${i} is ${x}, which is no ${dtype}`);
    }
  }
}

/**
 * The raw bytes of elements: little-endian, those of 2 or 4 bits packed with the first in the lowest
 * bits. Floats are rounded to nearest, ties to even.
 *
 * @param dtype the type to write.
 * @param elements one number each; bigints may stand for 64-bit integers.
 * @throws {RangeError} if an integer type cannot hold an element.
 * @throws {TypeError} if the type has no numbers here.
 *
 * @example
 * ```ts
 * import { encodeTensor } from "@staticquant/staticquant";
 * console.log(encodeTensor("int4", [1, -1, 7])); // Uint8Array(2) [ 241, 7 ]
 * ```
 */
export function encodeTensor(
  dtype: OnnxDataType,
  elements: ArrayLike<number> | ArrayLike<bigint>,
): Uint8Array<ArrayBuffer> {
  if (has(arrays, dtype)) {
    const kind = arrays[dtype];
    if (!(elements instanceof kind) || dtype === "bool") checkIntegers(dtype, elements);
    // What is laid out so already is only copied.
    const array = elements instanceof kind
      ? elements.slice()
      : dtype === "int64" || dtype === "uint64"
      ? arrays[dtype].from(Array.from<number | bigint, bigint>(elements, BigInt))
      : arrays[dtype].from(Array.from<number | bigint, number>(elements, Number));
    return new Uint8Array(array.buffer as ArrayBuffer);
  }
  if (isPacked(dtype)) {
    checkIntegers(dtype, elements);
    return pack(Array.from<number | bigint, number>(elements, Number), dtype);
  }
  if (has(narrowFloats, dtype)) {
    const numbers = Array.from<number | bigint, number>(elements, Number);
    return encode(numbers, narrowFloats[dtype]).slice();
  }
  throw new TypeError(`${dtype} cannot be written here`);
}

/**
 * Gives a tensor another type, shape and elements; its name stays.
 *
 * @param tensor the tensor that is changed.
 * @param dtype the element type.
 * @param dims the shape.
 * @param elements the elements, row by row.
 * @param own whether an array of integers of 8 bits becomes the tensor's own, so that nobody may change it any more.
 * @throws {RangeError} if the elements are not as many as the shape says, or the type cannot hold one; the
 * tensor is then as it was.
 */
export function writeTensor(
  tensor: TensorProto,
  dtype: OnnxDataType,
  dims: readonly number[],
  elements: TensorElements,
  own = false,
): void {
  if (elements.length !== elementCount(dims)) {
    throw new RangeError(
      `${nameOf(tensor)}: ${elements.length} elements were given for the shape [${
        dims.join(", ")
      }]`,
    );
  }
  const strings = dtype === "string"
    ? Array.from(elements as readonly string[], (text) => new TextEncoder().encode(text))
    : [];
  const raw = own && isBytes(dtype, elements)
    ? new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength)
    : dtype === "string"
    ? undefined
    : encoded(tensor, dtype, elements);
  const sizes = dims.map(BigInt);

  for (const field of ["floatData", "int32Data", "doubleData"] as const) tensor[field] = [];
  for (const field of ["int64Data", "uint64Data"] as const) tensor[field] = [];
  tensor.stringData = strings;
  tensor.dims = sizes;
  tensor.dataType = dataTypeCode(dtype);
  setRawData(tensor, raw);
}

/** Whether elements are laid out as raw bytes are. */
function isBytes(
  dtype: OnnxDataType,
  elements: TensorElements,
): elements is Int8Array<ArrayBuffer> | Uint8Array<ArrayBuffer> {
  return dtype === "int8" && elements instanceof Int8Array ||
    dtype === "uint8" && elements instanceof Uint8Array;
}

function encoded(
  tensor: TensorProto,
  dtype: OnnxDataType,
  elements: TensorElements,
): Uint8Array<ArrayBuffer> {
  try {
    return encodeTensor(dtype, elements as ArrayLike<number> | ArrayLike<bigint>);
  } catch (error) {
    const message = `${nameOf(tensor)}: ${(error as Error).message}`;
    throw error instanceof RangeError ? new RangeError(message) : new TypeError(message);
  }
}
