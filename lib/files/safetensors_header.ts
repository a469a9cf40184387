/**
 * The header of safetensors files: how long it is, and which tensors it says are where.
 *
 * A file is taken as hostile until it's parsed: every number in it is checked against the bytes that
 * are really there before anything relies on it.
 *
 * @module
 */
import { printableText } from "../numbers/printable.ts";
import { fileKind } from "./file_kind.ts";

/**
 * Thrown for a file that isn't valid safetensors, and for tensors that can't be written as one.
 *
 * @example
 * ```ts
 * import { loadSafetensors, SafetensorsError } from "@staticquant/staticquant";
 * try {
 *   loadSafetensors(new Uint8Array(3));
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

/** Bits an element. The order is the one in which the reference implementation ranks the types. */
const ITEM_BITS: ReadonlyMap<string, number> = new Map([
  ["BOOL", 8],
  ["F4", 4],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["U8", 8],
  ["I8", 8],
  ["F8_E5M2", 8],
  ["F8_E4M3", 8],
  ["F8_E8M0", 8],
  ["F8_E4M3FNUZ", 8],
  ["F8_E5M2FNUZ", 8],
  ["I16", 16],
  ["U16", 16],
  ["F16", 16],
  ["BF16", 16],
  ["I32", 32],
  ["U32", 32],
  ["F32", 32],
  ["C64", 64],
  ["F64", 64],
  ["I64", 64],
  ["U64", 64],
]);

/** The element types of the format, the narrowest first, as the reference implementation ranks them. */
export const DTYPE_NAMES: readonly string[] = [...ITEM_BITS.keys()];

/** The longest header, in bytes, that the reference implementation reads. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Entries of an object or a list at most: an entry of a few bytes takes hundreds in memory. */
const MAX_ENTRIES = 200_000;

/** Levels of brackets in a header: the header, a tensor's entry, and the list of its dimensions. */
const MAX_DEPTH = 3;

/** Bytes before the header: its length. */
export const LENGTH_BYTES = 8;

/** The key of the header that is no tensor's name. */
export const METADATA_KEY = "__metadata__";

const DAMAGED = "the file is damaged or its writer is faulty, so fetch or write it again";

/** What a header says. */
export interface SafetensorsHeader {
  /** The tensors in the order of their bytes; these follow one another without gaps. */
  readonly places: readonly Place[];
  /** Texts by name; an object without a prototype. */
  readonly metadata: Record<string, string>;
}

/**
 * The length of a file's header.
 *
 * @param start the file's first bytes, up to a few hundred if there are as many.
 * @param fileBytes the bytes of the whole file.
 * @throws {SafetensorsError} if it is more than the file has; says what the file is where that can be told.
 */
export function headerLength(start: Uint8Array, fileBytes: number): number {
  if (fileBytes < LENGTH_BYTES) {
    fail(`the file has ${fileBytes} bytes, but the header's length alone takes 8; ${DAMAGED}`);
  }
  const claimed = new DataView(start.buffer, start.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (claimed > MAX_HEADER_BYTES) {
    fail(
      `the header's length is given as ${claimed} bytes, more than the ${MAX_HEADER_BYTES} that are ` +
        `allowed; ${otherKind(start)}`,
    );
  }
  const headerBytes = Number(claimed);
  if (headerBytes > fileBytes - LENGTH_BYTES) {
    fail(
      `the header's length is given as ${headerBytes} bytes, but only ${
        fileBytes - LENGTH_BYTES
      } ` +
        `follow; ${DAMAGED}`,
    );
  }
  return headerBytes;
}

/** What a file is that is no safetensors, and what to do. */
function otherKind(start: Uint8Array): string {
  const kind = fileKind(start);
  if (kind === undefined) return "check that this is a safetensors file";
  const pickled = /PyTorch|pickle/.test(kind)
    ? `; in Python, safetensors.torch.save_file(torch.load("FILE", weights_only=True), ` +
      `"FILE.safetensors") makes one of a state dict`
    : "";
  return `this is no safetensors file: it looks like ${kind}${pickled}`;
}

/**
 * Reads a header.
 *
 * @param bytes the header's.
 * @param dataBytes the bytes that follow it.
 * @throws {SafetensorsError} if it says something that isn't so.
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number): SafetensorsHeader {
  const metadata: Record<string, string> = Object.create(null);
  const places: Place[] = [];
  readHeader(bytes, (name, value) => {
    if (name === METADATA_KEY) {
      if (!(value instanceof Map)) notMetadata(value);
      for (const [key, text] of value) metadata[key] = checkedText(key, text);
    } else {
      places.push(parsePlace(name, value, dataBytes));
    }
  });

  // Empty tensors have no place of their own: they come before what starts where they stand.
  places.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  let previous = "the header";
  for (const { name, begin, end } of places) {
    if (begin !== covered) {
      const fault = begin < covered ? "they overlap" : "a hole lies between them";
      fail(
        `${tensor(name)} starts at byte ${begin} of the data, but ${previous} ends at byte ` +
          `${covered}: ${fault}; ${DAMAGED}`,
      );
    }
    covered = end;
    previous = tensor(name);
  }
  if (covered !== dataBytes) {
    fail(
      `the tensors take ${covered} bytes, but ${dataBytes} follow the header, so some belong to no ` +
        `tensor; ${DAMAGED}`,
    );
  }
  return { places, metadata };
}

/** A tensor's description in the header, checked on its own. */
export interface Place {
  readonly name: string;
  /** The element type, as the format spells it. */
  readonly dtype: string;
  readonly shape: number[];
  /** Where its bytes begin in those that follow the header. */
  readonly begin: number;
  readonly end: number;
}

/** Gives the entries of a header one by one, so that only what is made of them is kept. */
function readHeader(bytes: Uint8Array, take: (name: string, value: unknown) => void): void {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    fail(`the header's ${bytes.length} bytes aren't UTF-8; check that this is a safetensors file`);
  }
  if (!text.startsWith("{")) {
    fail(
      `the header (${bytes.length} bytes) starts with ${show(text.slice(0, 1))} in place of "{"; ` +
        `${otherKind(bytes)}`,
    );
  }
  // That the header is no JSON at all is the first thing to say.
  let fault: unknown;
  readObject(text, (name, value) => {
    if (fault) return;
    try {
      take(name, value);
    } catch (error) {
      fault = error;
    }
  });
  if (fault) throw fault;
}

/** A string or a number that stands for itself, so that `JSON.parse` need not look at it; then no digit follows. */
const PLAIN = /"[ !#-[\]-\uffff]*"|(?:0|[1-9]\d{0,14})(?=[,\]}])/y;

/**
 * Reads the JSON object that `text` consists of, which begins with `{`, and gives its entries as they come, with
 * objects in them as maps.
 *
 * `JSON.parse` reads only strings and numbers here, and not the plain ones. Whole objects are beyond it: keys that come twice
 * can't be seen afterwards, brackets nested without end cost far more memory than the file has, and
 * V8 can take a key with an escape in it for another one that it has seen before (nodejs/node#63785).
 */
function readObject(text: string, take: (key: string, value: unknown) => void): void {
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
    PLAIN.lastIndex = at;
    if (PLAIN.test(text)) {
      at = PLAIN.lastIndex;
      return text[start] === '"' ? text.slice(start + 1, at - 1) : Number(text.slice(start, at));
    }
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
    for (let entries = 0; !(entries === 0 && next() === close);) {
      if (entries++ === MAX_ENTRIES) {
        fail(
          `the header has more than ${MAX_ENTRIES} entries in one list or object; split the file`,
        );
      }
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
        const found = value(depth + 1);
        // Of the header itself only the names are kept.
        if (depth === 0) take(key, found);
        map.set(key, depth === 0 ? undefined : found);
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

  value(0);
  if (next() !== undefined) wrong("the header's end");
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
export function byteSize(name: string, dtype: unknown, shape: unknown): number {
  const itemBits = typeof dtype === "string" ? ITEM_BITS.get(dtype) : undefined;
  if (itemBits === undefined) {
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
  let count = 1;
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
    else count *= length;
    if (count * itemBits / 8 > Number.MAX_SAFE_INTEGER) {
      fail(
        `${tensor(name)} has the shape ${showShape(shape)}, which with ${
          itemBits / 8
        } bytes an element ` +
          `exceeds ${Number.MAX_SAFE_INTEGER} bytes; no such tensor can exist, so check the shape`,
      );
    }
  }
  if (empty) return 0;
  if (count * itemBits % 8 !== 0) {
    fail(
      `${tensor(name)} has the shape ${showShape(shape)}, which with ${itemBits} bits an element ` +
        `fills no whole bytes; check the shape`,
    );
  }
  return count * itemBits / 8;
}

export function notMetadata(value: unknown): never {
  fail(`the metadata is ${show(value)}; it must be an object that holds strings`);
}

/** A metadata value, after checking it and its key. */
export function checkedText(key: string, text: unknown): string {
  checkText(key, "a metadata key");
  if (typeof text !== "string") {
    fail(`the metadata ${show(key)} is ${show(text)}; only strings are allowed, so make it one`);
  }
  checkText(text, `the metadata ${show(key)}`);
  return text;
}

export function checkText(text: string, what: string): void {
  if (!text.isWellFormed()) {
    fail(
      `${what}, ${show(text)}, has half of a surrogate pair, which UTF-8 can't hold; replace it`,
    );
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}

export function tensor(name: string): string {
  return `tensor ${show(name)}`;
}

/** A value for a message: short, however large or deep the value is. */
export function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}

export function showShape(shape: unknown[]): string {
  const lengths = shape.slice(0, 8).map(show);
  return `[${lengths.join(", ")}${shape.length > 8 ? `, … (${shape.length} in all)` : ""}]`;
}

export function fail(message: string): never {
  throw new SafetensorsError(`safetensors: ${message}`);
}
