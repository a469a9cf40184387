/**
 * The safetensors file format, as bytes: eight bytes with the header's length, a header in JSON that
 * names every tensor's element type, shape and place, then the tensors' bytes without gaps.
 *
 * @module
 */
import { plainBytes } from "../numbers/plain_bytes.ts";
import {
  byteSize,
  checkedText,
  checkText,
  DTYPE_NAMES,
  fail,
  headerLength,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  METADATA_KEY,
  notMetadata,
  parseHeader,
  show,
  showShape,
  tensor,
} from "./safetensors_header.ts";

export { SafetensorsError } from "./safetensors_header.ts";

/** A tensor in a safetensors file: its element type, its shape and its bytes. */
export interface SafetensorsEntry {
  /**
   * The element type, as the format spells it: `F64`, `F32`, `F16`, `BF16`, `F8_E4M3`, `F8_E5M2`,
   * `I64`, `I32`, `I16`, `I8`, `U64`, `U32`, `U16`, `U8`, `BOOL`, or one of the rarer `C64`, `F8_E8M0`,
   * `F8_E4M3FNUZ`, `F8_E5M2FNUZ`, `F6_E3M2`, `F6_E2M3` and `F4`.
   */
  dtype: string;
  /** The length of each dimension, the slowest first; empty for a scalar. */
  shape: number[];
  /**
   * The elements, little-endian and row by row. A parsed entry's bytes are a view of the file that
   * can start at any byte, so copy them (`bytes.slice()`) before making a wider typed array of them.
   */
  bytes: Uint8Array;
}

/**
 * Reads a safetensors file.
 *
 * @param file The whole file.
 * @returns The tensors by name, in the order of their bytes in the file, and the file's metadata (an
 * object without a prototype; empty if there is none). No tensor's bytes are copied: each `bytes` is
 * a view of `file`.
 * @throws {SafetensorsError} If the file is cut off, says something about itself that isn't so, or
 * has an element type that isn't known here.
 *
 * @example
 * ```ts
 * const bytes = new Uint8Array([1, 2, 3, 4, 5, 6]);
 * const file = serializeSafetensors([["w", { dtype: "U8", shape: [2, 3], bytes }]]);
 * const { tensors } = parseSafetensors(file);
 * console.log(tensors.get("w")?.shape); // [ 2, 3 ]
 * ```
 */
export function parseSafetensors(
  file: Uint8Array,
): { tensors: Map<string, SafetensorsEntry>; metadata: Record<string, string> } {
  if (!(file instanceof Uint8Array)) {
    fail(`the file is ${show(file)}; give its bytes as a Uint8Array`);
  }
  const plain = plainBytes(file);
  const begin = LENGTH_BYTES + headerLength(plain, plain.length);
  const data = plain.subarray(begin);
  const { places, metadata } = parseHeader(plain.subarray(LENGTH_BYTES, begin), data.length);
  const tensors = new Map<string, SafetensorsEntry>();
  for (const { name, dtype, shape, begin, end } of places) {
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) });
  }
  return { tensors, metadata };
}

/**
 * Writes a safetensors file.
 *
 * The order doesn't depend on the order given: like the reference implementation's it goes by element
 * type, the widest first, then by name. The header is padded with spaces so that the data starts at a
 * multiple of 8. So every tensor starts at a multiple of its element's size, and the same tensors and
 * metadata always give the same bytes.
 *
 * @param tensors The tensors with their names; a `Map` will do.
 * @param metadata Texts to store in the header, by name.
 * @returns The whole file.
 * @throws {SafetensorsError} If a name comes twice or is `__metadata__`, an element type is unknown, a
 * shape isn't a list of nonnegative integers, the bytes aren't as many as type and shape ask for, the
 * metadata has values other than strings, a text can't be written as UTF-8, or the header gets longer
 * than readers accept.
 *
 * @example
 * ```ts
 * const bytes = new Uint8Array(new Float32Array([0.5, 1]).buffer);
 * const file = serializeSafetensors([["scale", { dtype: "F32", shape: [2], bytes }]], { epochs: "3" });
 * console.log(parseSafetensors(file).metadata.epochs); // 3
 * ```
 */
export function serializeSafetensors(
  tensors: Iterable<[string, SafetensorsEntry]>,
  metadata: Record<string, string> = {},
): Uint8Array {
  if (!isRecord(metadata)) notMetadata(metadata);
  const texts = Object.entries(metadata).map(([key, text]) => [key, checkedText(key, text)]);
  texts.sort(([a], [b]) => compareAsUtf8(a, b));
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, entry] of tensors) {
    if (typeof name !== "string") fail(`a tensor's name is ${show(name)}; give a string`);
    checkText(name, "a tensor's name");
    if (name === METADATA_KEY) {
      fail(
        `a tensor is named ${show(name)}, which the format keeps for metadata; name it otherwise`,
      );
    }
    if (entries.has(name)) fail(`${tensor(name)} is given twice; names must differ`);
    if (!isRecord(entry)) fail(`${tensor(name)} is ${show(entry)}; give { dtype, shape, bytes }`);
    const { dtype, shape, bytes } = entry;
    const size = byteSize(name, dtype, shape);
    if (!(bytes instanceof Uint8Array)) {
      fail(`${tensor(name)} has as bytes ${show(bytes)}; give a Uint8Array`);
    }
    if (bytes.length !== size) {
      fail(
        `${tensor(name)} has ${bytes.length} bytes, but ${dtype} of shape ${showShape(shape)} ` +
          `takes ${size}; give bytes that fit the type and the shape`,
      );
    }
    entries.set(name, { dtype, shape, bytes });
  }

  const sorted = [...entries].sort(([nameA, a], [nameB, b]) =>
    DTYPE_NAMES.indexOf(b.dtype) - DTYPE_NAMES.indexOf(a.dtype) || compareAsUtf8(nameA, nameB)
  );
  const members: string[] = [];
  if (texts.length > 0) {
    const pairs = texts.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`);
    members.push(`"${METADATA_KEY}":{${pairs.join(",")}}`);
  }
  let dataBytes = 0;
  for (const [name, { dtype, shape, bytes }] of sorted) {
    const begin = dataBytes;
    dataBytes += bytes.length;
    members.push(
      `${JSON.stringify(name)}:` +
        `{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${begin},${dataBytes}]}`,
    );
  }
  const header = new TextEncoder().encode(`{${members.join(",")}}`);
  const headerBytes = Math.ceil(header.length / 8) * 8;
  if (headerBytes > MAX_HEADER_BYTES) {
    fail(
      `the header takes ${headerBytes} bytes, more than the ${MAX_HEADER_BYTES} that readers accept; ` +
        `write fewer tensors or less metadata`,
    );
  }

  const file = new Uint8Array(8 + headerBytes + dataBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(header, 8);
  file.fill(0x20, 8 + header.length, 8 + headerBytes);
  let at = 8 + headerBytes;
  for (const [, { bytes }] of sorted) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** By bytes of UTF-8, as the reference implementation sorts; UTF-16 would sort some pairs otherwise. */
function compareAsUtf8(a: string, b: string): number {
  const encoder = new TextEncoder();
  const x = encoder.encode(a);
  const y = encoder.encode(b);
  const shared = Math.min(x.length, y.length);
  for (let i = 0; i < shared; i++) {
    if (x[i] !== y[i]) return x[i] - y[i];
  }
  return x.length - y.length;
}
