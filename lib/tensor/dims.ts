/**
 * Dimensions as PyTorch counts them: negative ones from the end.
 *
 * @module
 */
import { given } from "../numbers/arguments.ts";
import { formatShape } from "../numbers/shape.ts";

/**
 * The number of a dimension from the front.
 *
 * @param where opens the message.
 * @param dim from `-rank` to `rank − 1`; of a tensor without dimensions, 0 and −1 too.
 * @throws {TypeError} if `dim` is no integer.
 * @throws {RangeError} if there is no such dimension.
 */
export function dimOf(where: string, dim: number, shape: readonly number[]): number {
  const rank = Math.max(shape.length, 1);
  if (!Number.isInteger(dim)) {
    throw new TypeError(`${where}: a dimension is an integer, got ${given(dim)}`);
  }
  if (dim < -rank || dim >= rank) {
    throw new RangeError(
      `${where}: there is no dimension ${dim} in shape ${
        formatShape(shape)
      }; give one from ${-rank} ` +
        `to ${rank - 1}`,
    );
  }
  return dim < 0 ? dim + rank : dim;
}

/**
 * Some dimensions, or all if none are given, counted from the front, in order.
 *
 * @throws {TypeError} if one is no integer.
 * @throws {RangeError} if there is none such, or one is given twice.
 */
export function dimsOf(
  where: string,
  dims: number | readonly number[] | undefined,
  shape: readonly number[],
): number[] {
  if (dims === undefined) return shape.map((_, d) => d);
  const list = (Array.isArray(dims) ? dims : [dims]).map((dim) => dimOf(where, dim, shape));
  if (new Set(list).size !== list.length) {
    throw new RangeError(`${where}: a dimension is given twice in [${dims}]; give each once`);
  }
  return list.filter((dim) => dim < shape.length).sort((a, b) => a - b);
}

/** Throws a TypeError unless `value` is an integer. */
export function checkInteger(where: string, name: string, value: unknown): asserts value is number {
  if (Number.isInteger(value)) return;
  throw new TypeError(`${where}: ${name} must be an integer, got ${given(value)}`);
}
