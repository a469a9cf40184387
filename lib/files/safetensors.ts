/**
 * The safetensors file format, as bytes: eight bytes with the header's length, a header in JSON that
 * names every tensor's element type, shape and place, then the tensors' bytes without gaps.
 *
 * A file is taken as hostile until it's parsed: every number in it is checked against the bytes that
 * are really there before anything relies on it.
 *
 * @module
 */

import { printableText } from "../numbers/printable.ts";

/** A tensor in a safetensors file: its element type, its shape and its bytes. */
export interface SafetensorsEntry {
  /**
   * The element type, as the format spells it: `F64`, `F32`, `F16`, `BF16`, `F8_E4M3`, `F8_E5M2`,
   * `I64`, `I32`, `I16`, `I8`, `U64`, `U32`, `U16`, `U8` or `BOOL`.
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
 * Thrown for a file that isn't valid safetensors, and for tensors that can't be written as one.
 *
 * @example
 * ```ts
 * try {
 *   parseSafetensors(new Uint8Array(3));
 * } catch (error) {
 *   console.log(error instanceof SafetensorsError); // true
 * }
 * ```
 */
export class SafetensorsError extends Error {
  /** The class's name, as it stands in printed errors. */
  override readonly name: string = "SafetensorsError";

  /**
   * Takes the message.
   *
   * @param message is made fit to stand on a terminal.
   * @param options the error behind it.
   */
  constructor(message: string, options?: ErrorOptions) {
    super(printableText(message), options);
  }
}

/** Bytes an element. The order is the one in which the reference implementation ranks the types. */
const ITEM_SIZES: ReadonlyMap<string, number> = new Map([
  ["BOOL", 1],
  ["U8", 1],
  ["I8", 1],
  ["F8_E5M2", 1],
  ["F8_E4M3", 1],
  ["I16", 2],
  ["U16", 2],
  ["F16", 2],
  ["BF16", 2],
  ["I32", 4],
  ["U32", 4],
  ["F32", 4],
  ["F64", 8],
  ["I64", 8],
  ["U64", 8],
]);

const DTYPE_NAMES = [...ITEM_SIZES.keys()];

/** The longest header, in bytes, that the reference implementation reads. */
const MAX_HEADER_BYTES = 100_000_000;

/** Levels of brackets in a header: the header, a tensor's entry, and the list of its dimensions. */
const MAX_DEPTH = 3;

const METADATA_KEY = "__metadata__";
const DAMAGED = "the file is damaged or its writer is faulty, so fetch or write it again";

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
  if (file.length < 8) {
    fail(`the file has ${file.length} bytes, but the header's length alone takes 8; ${DAMAGED}`);
  }
  const claimed = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true);
  if (claimed > MAX_HEADER_BYTES) {
    fail(
      `the header's length is given as ${claimed} bytes, more than the ${MAX_HEADER_BYTES} that are ` +
        `allowed; check that this is a safetensors file`,
    );
  }
  const headerBytes = Number(claimed);
  if (headerBytes > file.length - 8) {
    fail(
      `the header's length is given as ${headerBytes} bytes, but only ${file.length - 8} follow; ` +
        DAMAGED,
    );
  }
  const header = parseHeader(file.subarray(8, 8 + headerBytes));
  const data = file.subarray(8 + headerBytes);

  const metadata: Record<string, string> = Object.create(null);
  const places: Place[] = [];
  for (const [name, value] of header) {
    if (name === METADATA_KEY) {
      if (!(value instanceof Map)) notMetadata(value);
      for (const [key, text] of value) metadata[key] = checkedText(key, text);
    } else {
      places.push(parsePlace(name, value, data.length));
    }
  }

  // Empty tensors have no place of their own: they come before what starts where they stand.
  places.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const tensors = new Map<string, SafetensorsEntry>();
  let covered = 0;
  let previous = "the header";
  for (const { name, dtype, shape, begin, end } of places) {
    if (begin !== covered) {
      const fault = begin < covered ? "they overlap" : "a hole lies between them";
      fail(
        `${tensor(name)} starts at byte ${begin} of the data, but ${previous} ends at byte ` +
          `${covered}: ${fault}; ${DAMAGED}`,
      );
    }
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) });
    covered = end;
    previous = tensor(name);
  }
  if (covered !== data.length) {
    fail(
      `the tensors take ${covered} bytes, but ${data.length} follow the header, so some belong to no ` +
        `tensor; ${DAMAGED}`,
    );
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

/** A tensor's description in the header, checked on its own. */
interface Place {
  name: string;
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
}

function parseHeader(bytes: Uint8Array): Map<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    fail(`the header's ${bytes.length} bytes aren't UTF-8; check that this is a safetensors file`);
  }
  if (!text.startsWith("{")) {
    fail(
      `the header (${bytes.length} bytes) starts with ${show(text.slice(0, 1))} in place of "{"; ` +
        `check that this is a safetensors file`,
    );
  }
  return readObject(text);
}

/**
 * Reads the JSON object that `text` consists of, with objects as maps.
 *
 * `JSON.parse` reads only strings and numbers here. Whole objects are beyond it: keys that come twice
 * can't be seen afterwards, brackets nested without end cost far more memory than the file has, and
 * V8 can take a key with an escape in it for another one that it has seen before (nodejs/node#63785).
 */
function readObject(text: string): Map<string, unknown> {
  let at = 0;

  function wrong(expected: string): never {
    const found = at < text.length ? show(text[at]) : "nothing";
    fail(`the header isn't JSON: character ${at} is ${found} in place of ${expected}; ${DAMAGED}`);
  }

  /** Skips white space. */
  function next(): string | undefined {
    while (text[at] === " " || text[at] === "\n" || text[at] === "\r" || text[at] === "\t") at++;
    return text[at];
  }

  function scalar(): unknown {
    const start = at;
    if (text[at] === '"') {
      at++;
      while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      at++;
    } else {
      while (at < text.length && !' \n\r\t,:"[]{}'.includes(text[at])) at++;
    }
    try {
      return JSON.parse(text.slice(start, at));
    } catch {
      at = start;
      wrong("a value");
    }
  }

  function value(depth: number): unknown {
    const open = next();
    if (open !== "{" && open !== "[") return scalar();
    if (depth === MAX_DEPTH) {
      fail(
        `the header nests more than ${MAX_DEPTH} brackets at character ${at}, where a valid one nests ` +
          `at most ${MAX_DEPTH}; ${DAMAGED}`,
      );
    }
    at++;
    const map = open === "{" ? new Map<string, unknown>() : undefined;
    const list: unknown[] = [];
    const close = map ? "}" : "]";
    for (let first = true; !(first && next() === close); first = false) {
      if (map) {
        if (next() !== '"') wrong("a key");
        const start = at;
        const key = scalar() as string;
        if (map.has(key)) {
          fail(
            `the header has the key ${show(key)} twice, the second time at character ${start}; ` +
              DAMAGED,
          );
        }
        if (next() !== ":") wrong('":"');
        at++;
        map.set(key, value(depth + 1));
      } else {
        list.push(value(depth + 1));
      }
      if (next() === close) break;
      if (text[at] !== ",") wrong(`"," or "${close}"`);
      at++;
    }
    at++;
    return map ?? list;
  }

  const header = value(0);
  if (next() !== undefined) wrong("the header's end");
  return header as Map<string, unknown>; // the text starts with "{"
}

function parsePlace(name: string, value: unknown, dataBytes: number): Place {
  checkText(name, "a tensor's name");
  if (!(value instanceof Map)) {
    fail(`${tensor(name)} is described by ${show(value)} in place of an object; ${DAMAGED}`);
  }
  const [dtype, shape, offsets] = ["dtype", "shape", "data_offsets"].map((key) => value.get(key));
  const size = byteSize(name, dtype, shape);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    const found = Array.isArray(offsets) ? showShape(offsets) : show(offsets);
    fail(
      `${tensor(name)} has the data_offsets ${found}, where two nonnegative integers of at most ` +
        `${Number.MAX_SAFE_INTEGER} belong; ${DAMAGED}`,
    );
  }
  const [begin, end]: number[] = offsets;
  if (begin > end) {
    fail(`${tensor(name)} starts at byte ${begin} but ends before, at byte ${end}; ${DAMAGED}`);
  }
  if (end > dataBytes) {
    fail(
      `${
        tensor(name)
      } ends at byte ${end} of the data, but the file has only ${dataBytes}; ${DAMAGED}`,
    );
  }
  if (end - begin !== size) {
    fail(
      `${tensor(name)} has ${end - begin} bytes by its data_offsets, but ${dtype} of shape ` +
        `${showShape(shape)} takes ${size}; ${DAMAGED}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

/** Bytes that a tensor takes, after checking its element type and its shape. */
function byteSize(name: string, dtype: unknown, shape: unknown): number {
  const itemSize = typeof dtype === "string" ? ITEM_SIZES.get(dtype) : undefined;
  if (itemSize === undefined) {
    fail(
      `${tensor(name)} has the element type ${
        show(dtype)
      }, which isn't known here; convert it to ` +
        `one of ${DTYPE_NAMES.join(", ")}`,
    );
  }
  if (!Array.isArray(shape)) {
    fail(`${tensor(name)} has the shape ${show(shape)}; it must be a list of integers`);
  }
  // Zeros are left out of the product, so that strides made of the other dimensions are safe as well.
  let size = itemSize;
  let empty = false;
  for (let axis = 0; axis < shape.length; axis++) {
    const length: unknown = shape[axis];
    if (!isCount(length)) {
      fail(
        `${tensor(name)} has the length ${
          show(length)
        } in dimension ${axis} of its shape; lengths ` +
          `must be integers from 0 to ${Number.MAX_SAFE_INTEGER}`,
      );
    }
    if (length === 0) empty = true;
    else size *= length;
    if (size > Number.MAX_SAFE_INTEGER) {
      fail(
        `${tensor(name)} has the shape ${
          showShape(shape)
        }, which with ${itemSize} bytes an element ` +
          `exceeds ${Number.MAX_SAFE_INTEGER} bytes; no such tensor can exist, so check the shape`,
      );
    }
  }
  return empty ? 0 : size;
}

function notMetadata(value: unknown): never {
  fail(`the metadata is ${show(value)}; it must be an object that holds strings`);
}

/** A metadata value, after checking it and its key. */
function checkedText(key: string, text: unknown): string {
  checkText(key, "a metadata key");
  if (typeof text !== "string") {
    fail(`the metadata ${show(key)} is ${show(text)}; only strings are allowed, so make it one`);
  }
  checkText(text, `the metadata ${show(key)}`);
  return text;
}

function checkText(text: string, what: string): void {
  if (!text.isWellFormed()) {
    fail(
      `${what}, ${show(text)}, has half of a surrogate pair, which UTF-8 can't hold; replace it`,
    );
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
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

function tensor(name: string): string {
  return `tensor ${show(name)}`;
}

/** A value for a message: short, however large or deep the value is. */
function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}

function showShape(shape: unknown[]): string {
  const lengths = shape.slice(0, 8).map(show);
  return `[${lengths.join(", ")}${shape.length > 8 ? `, … (${shape.length} in all)` : ""}]`;
}

function fail(message: string): never {
  throw new SafetensorsError(`safetensors: ${message}`);
}
