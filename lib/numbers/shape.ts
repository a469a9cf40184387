/**
 * Shapes: how many elements they hold, and how blocks divide them.
 *
 * @module
 */
import { given } from "./arguments.ts";

/** The number of elements of `shape`. */
export function numelOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** A shape as people read it: `(3, 5)`. */
export function formatShape(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

/** Throws unless `shape` is a list of non-negative integers; `where` opens the message. */
export function checkShape(shape: readonly number[], where: string): void {
  if (!Array.isArray(shape)) {
    throw new TypeError(
      `${where}: a shape is a list of non-negative integers, such as [2, 3], got ${given(shape)}`,
    );
  }
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new RangeError(
      `${where}: a shape is a list of non-negative integers, got (${shape.map(String).join(", ")})`,
    );
  }
}
