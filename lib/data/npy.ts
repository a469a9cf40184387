/**
 * NumPy's `.npy` files: a magic number, a header that is a Python dictionary in text, and the elements.
 *
 * @module
 */
import type { ArraySource } from "./array_source.ts";
import { type ByteSource, MemoryBytes } from "./byte_source.ts";
import { fail, quote } from "./data_error.ts";
import { type ElementType, itemSizeOf } from "./element_type.ts";
import { parseNpyHeader } from "./npy_header.ts";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** A header of real files takes about 120 bytes. */
const MAX_HEADER_BYTES = 1 << 16;
/** An array that is reordered is in memory three times. */
const MAX_REORDERED_BYTES = 2 ** 28;

/** By NumPy's kind and item size. */
const TYPES: ReadonlyMap<string, ElementType> = new Map([
  ["f4", "float32"],
  ["f8", "float64"],
  ["f2", "float16"],
  ["i8", "int64"],
  ["u8", "uint64"],
  ["i4", "int32"],
  ["u4", "uint32"],
  ["i2", "int16"],
  ["u2", "uint16"],
  ["i1", "int8"],
  ["u1", "uint8"],
  ["b1", "bool"],
]);

/**
 * Opens an array: reads its header and checks it against the bytes that are there.
 *
 * @param where the file, for errors.
 * @param name the array's name in its file.
 * @param bytes the file's bytes; read on from there for the elements.
 * @throws {DataError} if it is no `.npy` file, cut off, or of a type that is not known here.
 */
export async function openNpy(
  where: string,
  name: string,
  bytes: ByteSource,
): Promise<ArraySource> {
  if (bytes.length < 10) fail(where, `${bytes.length} bytes are no .npy file`);
  const start = await bytes.read(8);
  if (MAGIC.some((byte, i) => start[i] !== byte)) {
    fail(where, `this is no .npy file: it does not start with \\x93NUMPY`);
  }
  const [major, minor] = start.subarray(6);
  if (major < 1 || major > 3) {
    fail(where, `.npy version ${major}.${minor} is not known; save it again with NumPy`);
  }
  const size = await bytes.read(major === 1 ? 2 : 4);
  const view = new DataView(size.buffer);
  const length = major === 1 ? view.getUint16(0, true) : view.getUint32(0, true);
  const before = 8 + size.length;
  if (length > MAX_HEADER_BYTES || before + length > bytes.length) {
    fail(
      where,
      `the header is said to take ${length} bytes, but ${bytes.length - before} follow and ` +
        `${MAX_HEADER_BYTES} are allowed; the file is damaged`,
    );
  }
  const text = new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(await bytes.read(length));
  const { descr, fortranOrder, shape } = parseNpyHeader(where, text);
  const order = "<>|=".includes(descr[0]) ? descr[0] : "=";
  const type = TYPES.get(order === descr[0] ? descr.slice(1) : descr);
  if (!type) {
    fail(
      where,
      `the elements are of NumPy's type ${quote(descr)}, which cannot be read; convert them with ` +
        `astype() to one of ${[...TYPES.values()].join(", ")}`,
    );
  }
  const itemSize = itemSizeOf(type);
  const numel = shape.reduce((product, n) => product * n, 1);
  const left = bytes.length - before - length;
  if (numel * itemSize !== left) {
    fail(
      where,
      `${type} of shape [${shape.join(", ")}] takes ${
        numel * itemSize
      } bytes, but ${left} follow ` +
        `the header; the file is cut off or damaged`,
    );
  }
  const swapped = order === ">" && itemSize > 1;
  const source = swapped ? swappedBytes(bytes, itemSize) : bytes;
  const strided = fortranOrder && shape.filter((n) => n > 1).length > 1;
  return {
    where,
    name,
    type,
    shape,
    bytes: strided ? await rowByRow(where, source, shape, itemSize) : source,
  };
}

/** Elements in big-endian order, turned round. */
function swappedBytes(source: ByteSource, itemSize: number): ByteSource {
  return {
    length: source.length,
    async read(count) {
      const bytes = await source.read(count);
      for (let i = 0; i < count; i += itemSize) bytes.subarray(i, i + itemSize).reverse();
      return bytes;
    },
    skip: source.skip && ((count) => source.skip!(count)),
    close: async () => await source.close?.(),
  };
}

/** Elements in Fortran's order, first dimension fastest, brought row by row; reads the whole array. */
async function rowByRow(
  where: string,
  source: ByteSource,
  shape: readonly number[],
  itemSize: number,
): Promise<ByteSource> {
  const numel = shape.reduce((product, n) => product * n, 1);
  if (numel * itemSize > MAX_REORDERED_BYTES) {
    fail(
      where,
      `the array is in Fortran's order and takes ${numel * itemSize} bytes, more than the ` +
        `${MAX_REORDERED_BYTES} that can be reordered; save it with numpy.ascontiguousarray`,
    );
  }
  const bytes = await source.read(numel * itemSize);
  await source.close?.();
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((a, n) => a * n, itemSize));
  const ordered = new Uint8Array(bytes.length);
  const index = shape.map(() => 0);
  for (let to = 0, from = 0; to < bytes.length; to += itemSize) {
    for (let b = 0; b < itemSize; b++) ordered[to + b] = bytes[from + b];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return new MemoryBytes(where, ordered);
}
