import { reject, show } from "./assertion_error.ts";
import { equal } from "./equal.ts";

function difference(actual: unknown, expected: unknown): string {
  return `\n    actual: ${show(actual)}\n  expected: ${show(expected)}`;
}

/** Holds where both values have equal structure. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) {
    reject(`Values are not equal${msg ? ` (${msg})` : ""}${difference(actual, expected)}`);
  }
}

/** Holds where the structure of the values differs. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) {
    reject(`Expected something other than ${show(expected)}`, msg);
  }
}

/** Holds where both are one value, as `Object.is` has it. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (!Object.is(actual, expected)) {
    const why = equal(actual, expected)
      ? "Values are alike, but not the same"
      : "Values are not the same";
    reject(`${why}${msg ? ` (${msg})` : ""}${difference(actual, expected)}`);
  }
}

/** Holds within `tolerance`, by default one ten-millionth of the expected value. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  const off = Math.abs(expected - actual);
  if (!(off <= allowed)) {
    reject(
      `Expected ${actual} to be within ${allowed} of ${expected}, but it is off by ${off}`,
      msg,
    );
  }
}

function ordered<T>(holds: boolean, actual: T, relation: string, expected: T, msg?: string): void {
  if (!holds) reject(`Expected ${show(actual)} ${relation} ${show(expected)}`, msg);
}

/** Holds where `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  ordered(actual > expected, actual, ">", expected, msg);
}

/** Holds where `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  ordered(actual >= expected, actual, ">=", expected, msg);
}

/** Holds where `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  ordered(actual < expected, actual, "<", expected, msg);
}

/** Holds where `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  ordered(actual <= expected, actual, "<=", expected, msg);
}
