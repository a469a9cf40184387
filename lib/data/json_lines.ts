/**
 * Samples as lines of JSON.
 *
 * @module
 */
import type { InputFile } from "../files/input_file.ts";
import { DataError, fail, MAX_SAMPLE_BYTES, quote, short } from "./data_error.ts";
import { type ElementType, isElementType, itemSizeOf, zerosOf } from "./element_type.ts";
import { type InputNames, pickArrays } from "./pick_arrays.ts";
import { describeInput, type Feeds, type FeedTensor, fits } from "./sample.ts";
import { showDims, type TensorInfo } from "./sample.ts";
import type { Picker } from "./shard.ts";

const MAX_LINE = 2 ** 27;
const MAX_RANK = 32;

/** Lines of up to so many characters cannot take much memory, whatever is in them. */
const FREE_LINE = 2 ** 20;
/** Bytes that are taken, about: by a character, and by a list or an object, an item of one, half a text. */
const COST = { character: 2, part: 64, item: 8, text: 32 };
const [QUOTE, BACKSLASH, COMMA, ...BRACKETS] = Array.from('"\\,[{', (char) => char.charCodeAt(0));

/**
 * Samples in a file of JSON lines: each line is an object with the numbers of each input in nested lists,
 * or for a model of one input the nested lists alone. Empty lines are passed over. The numbers become
 * what the model's input holds; a batch dimension of 1 (or one without a fixed size) may be left out.
 *
 * @param where the file, for errors.
 * @param file the open file.
 * @param picker tells which samples are wanted.
 * @throws {DataError} with the line's number, if it is no JSON or does not fit the model.
 */
export async function* readJsonLines(
  where: string,
  file: InputFile,
  inputs: readonly TensorInfo[],
  names: InputNames,
  picker: Picker,
): AsyncGenerator<Feeds> {
  let number = 0;
  for await (const line of linesOf(where, file)) {
    number++;
    if (line.trim() === "" || !picker.take()) continue;
    yield parseLine(`${where}:${number}`, line, inputs, names);
    if (picker.done) return;
  }
}

async function* linesOf(where: string, file: InputFile): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (bytes?: Uint8Array) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      fail(where, "the file is not UTF-8 text");
    }
  };
  const parts: string[] = [];
  let length = 0;
  for await (const bytes of file.pieces()) {
    const text = decode(bytes);
    let start = 0;
    for (let end; (end = text.indexOf("\n", start)) >= 0; start = end + 1) {
      yield parts.splice(0).join("") + text.slice(start, end);
      length = 0;
    }
    parts.push(text.slice(start));
    length += text.length - start;
    if (length > MAX_LINE) fail(where, `a line is longer than ${MAX_LINE} characters`);
  }
  parts.push(decode());
  const last = parts.join("");
  if (last !== "") yield last;
}

function parseLine(
  where: string,
  line: string,
  inputs: readonly TensorInfo[],
  names: InputNames,
): Feeds {
  checkSize(where, line);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    // The message quotes the line.
    fail(
      where,
      `this is no JSON (${short((error as Error).message, 120)}); write one sample a line`,
    );
  }
  const byName = typeof value === "object" && value !== null && !Array.isArray(value);
  const arrays = new Map<string, unknown>(byName ? Object.entries(value as object) : [["", value]]);
  const picked = pickArrays(where, inputs, [...arrays.keys()], names);
  const feeds: Record<string, FeedTensor> = Object.create(null);
  for (const [i, input] of inputs.entries()) {
    const type = input.dtype;
    if (!isElementType(type)) {
      fail(where, `numbers of the model's input ${describeInput(input)} cannot be written as JSON`);
    }
    feeds[input.name] = tensorOf(where, picked[i], arrays.get(picked[i]), input, type);
  }
  return feeds;
}

/**
 * Refuses a line that would take more memory than a sample may. What it would take is counted, not tried.
 *
 * @throws {DataError}
 */
function checkSize(where: string, line: string): void {
  if (line.length <= FREE_LINE) return;
  let bytes = COST.character * line.length;
  let inText = false;
  for (let i = 0; i < line.length; i++) {
    const char = line.charCodeAt(i);
    if (char === QUOTE) inText = !inText;
    else if (inText && char === BACKSLASH) i++;
    else if (!inText) bytes += char === COMMA ? COST.item : BRACKETS.includes(char) ? COST.part : 0;
    if (char === QUOTE) bytes += COST.text;
  }
  if (bytes > MAX_SAMPLE_BYTES) {
    fail(
      where,
      `the line has so many parts that they would take more than ${MAX_SAMPLE_BYTES} bytes; write one ` +
        `sample a line, or give an .npy or .npz file`,
    );
  }
}

function tensorOf(
  where: string,
  name: string,
  value: unknown,
  input: TensorInfo,
  type: ElementType,
): FeedTensor {
  const inside = name ? `${where}: ${short(name)}` : where;
  const shape: number[] = [];
  for (let v = value; Array.isArray(v); v = v[0]) {
    shape.push(v.length);
    if (shape.length > MAX_RANK) fail(inside, `the lists are nested deeper than ${MAX_RANK}`);
  }
  const withBatch = [1, ...shape];
  const dims = fits(input.dims, shape) ? shape : fits(input.dims, withBatch) ? withBatch : fail(
    inside,
    `the shape ${showDims(shape)} does not fit the model's input ${describeInput(input)}`,
  );
  const numel = shape.reduce((product, n) => product * n, 1);
  if (numel === 0) fail(inside, `the shape ${showDims(shape)} holds no numbers`);
  if (numel * itemSizeOf(type) > MAX_SAMPLE_BYTES) {
    fail(inside, `${numel} numbers are more than a sample may hold`);
  }
  const data = zerosOf(type, numel);
  let at = 0;
  const fill = (v: unknown, axis: number) => {
    if (axis === shape.length) {
      if (Array.isArray(v)) ragged(inside, axis);
      data[at++] = element(inside, type, v) as never;
      return;
    }
    if (!Array.isArray(v) || v.length !== shape[axis]) ragged(inside, axis);
    for (const part of v) fill(part, axis + 1);
  };
  fill(value, 0);
  return { type, data, dims };
}

function ragged(where: string, axis: number): never {
  fail(where, `the lists are ragged: those in dimension ${axis} differ in length`);
}

const INTEGER = /^(u?)int(8|16|32|64)$/;

/** A number as the element of a type. @throws {DataError} if the type cannot hold it. */
function element(where: string, type: ElementType, value: unknown): number | bigint {
  if (type === "bool" && typeof value === "boolean") return +value;
  if (typeof value !== "number") {
    const found = typeof value === "string"
      ? quote(value, 40)
      : value !== null && typeof value === "object"
      ? "an object"
      : String(value);
    fail(where, `found ${found} in place of a number`);
  }
  const [, unsigned, bits] = INTEGER.exec(type) ?? [];
  if (!bits) {
    if (type === "bool" && value !== 0 && value !== 1) throw unfit(where, value, type);
    return value;
  }
  const [low, high] = unsigned ? [0, 2 ** +bits] : [-(2 ** (+bits - 1)), 2 ** (+bits - 1)];
  if (!Number.isInteger(value) || value < low || value >= high) throw unfit(where, value, type);
  if (bits !== "64") return value;
  if (!Number.isSafeInteger(value)) throw unfit(where, value, type);
  return BigInt(value);
}

function unfit(where: string, value: number, type: string): DataError {
  return new DataError(`${where}: ${value} is no ${type}`);
}
