/**
 * What a tensor can be made from: numbers in lists, nested as deep as the shape.
 *
 * @module
 */
import { given } from "../numbers/arguments.ts";
import type { NumberArray } from "../numbers/encoding.ts";
import { formatShape, numelOf } from "../numbers/shape.ts";

/** Nested lists of numbers, as `tensor([[1, 2], [3, 4]])`. */
export type NestedNumbers =
  | number
  | bigint
  | boolean
  | NumberArray
  | BigInt64Array
  | BigUint64Array
  | readonly NestedNumbers[];

/** Lists are not nested deeper; one that holds itself is found out. */
const MOST_DIMENSIONS = 64;
/** More fit no tensor. */
const MOST_NUMBERS = 2 ** 32;

/** The numbers of nested lists in row-major order, and their shape; `where` opens the messages. */
export function numbersOf(
  where: string,
  data: unknown,
): { values: NumberArray; shape: number[] } {
  if (isNumbers(data)) return { values: data, shape: [data.length] };
  const shape = shapeOf(data);
  if (shape.length > MOST_DIMENSIONS) {
    throw new RangeError(`${where}: the lists are nested deeper than ${MOST_DIMENSIONS} levels`);
  }
  const numel = numelOf(shape);
  if (!(numel <= MOST_NUMBERS)) {
    throw new RangeError(`${where}: lists of shape ${formatShape(shape)} are too long`);
  }
  const values = new Float64Array(numel);
  fill(where, data, shape, { values, next: 0 }, []);
  return { values, shape };
}

/** The lengths of a list, of its first item, and so on. */
function shapeOf(data: unknown): number[] {
  const shape: number[] = [];
  for (let list = asList(data); list && shape.length <= MOST_DIMENSIONS; list = asList(list[0])) {
    shape.push(list.length);
  }
  return shape;
}

/** Where numbers go. */
interface Target {
  readonly values: Float64Array;
  next: number;
}

/** Puts the numbers of `data`, which stands at `path`, into the target. */
function fill(
  where: string,
  data: unknown,
  shape: readonly number[],
  target: Target,
  path: readonly number[],
): void {
  const list = asList(data);
  if (path.length === shape.length && !list) {
    target.values[target.next++] = numberOf(where, data, path);
    return;
  }
  if (list?.length !== shape[path.length]) throw ragged(where, data, shape, path);
  if (path.length === shape.length - 1) {
    // The innermost lists, which are the most.
    for (let i = 0; i < list.length; i++) {
      const value = list[i];
      if (typeof value === "number") target.values[target.next++] = value;
      else fill(where, value, shape, target, [...path, i]);
    }
    return;
  }
  for (let i = 0; i < list.length; i++) fill(where, list[i], shape, target, [...path, i]);
}

function ragged(
  where: string,
  data: unknown,
  shape: readonly number[],
  path: readonly number[],
): Error {
  if (!asList(data)) numberOf(where, data, path); // what is no number either says so
  return new RangeError(
    `${where}: the lists are ragged: item ${path.map(() => 0).join(", ")} has shape ${
      formatShape(shape.slice(path.length))
    }, item ${path.join(", ")} has ${formatShape(shapeOf(data))}`,
  );
}

/** Whether `value` is a typed array of numbers. */
function isNumbers(value: unknown): value is NumberArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView) && !isBigInts(value);
}

function isBigInts(value: unknown): value is BigInt64Array | BigUint64Array {
  return value instanceof BigInt64Array || value instanceof BigUint64Array;
}

/** `value` as a list, or undefined where it is none. */
function asList(value: unknown): ArrayLike<unknown> | undefined {
  if (Array.isArray(value) || isNumbers(value) || isBigInts(value)) return value;
  if (typeof value !== "object" || value === null || !("length" in value)) return undefined;
  const { length } = value;
  return Number.isSafeInteger(length) && (length as number) >= 0
    ? value as ArrayLike<unknown>
    : undefined;
}

/** A single number. */
function numberOf(where: string, value: unknown, path: readonly number[]): number {
  if (typeof value === "number") return value;
  if (typeof value === "boolean" || typeof value === "bigint") return Number(value);
  const what = path.length === 0
    ? "expected numbers: one, a typed array, or lists of them"
    : `element ${path.length === 1 ? path[0] : `(${path.join(", ")})`} must be a number`;
  const hint = typeof value === "string"
    ? "; convert text with Number(…) first"
    : path.length && value === undefined
    ? ", a hole in the list or a missing value"
    : value === null
    ? "; replace it, for example by NaN"
    : "";
  throw new TypeError(`${where}: ${what}, got ${given(value)}${hint}`);
}
