import { reject, show } from "./assertion_error.ts";

/** Holds where the value is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) reject(msg || "Assertion does not hold");
}

/** Never holds. */
export function fail(msg?: string): never {
  reject("Failed assertion", msg);
}

/** Holds where there is a value: neither `null` nor `undefined`. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    reject(`Expected a value, but got ${actual}`, msg);
  }
}

/** Any class, abstract ones too. */
// deno-lint-ignore no-explicit-any
export type AnyConstructor = abstract new (...args: any[]) => any;

/** The type of a class's objects. */
export type GetConstructorType<T extends AnyConstructor> = InstanceType<T>;

/** Holds where the value is of the class or of one that extends it. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is GetConstructorType<T> {
  if (!(actual instanceof expectedType)) {
    reject(`Expected an instance of ${expectedType.name}, but got ${show(actual)}`, msg);
  }
}

/** Holds where the pattern occurs in the text. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  // A global or sticky pattern remembers where it stopped; a copy starts afresh.
  if (!new RegExp(expected).test(actual)) {
    reject(`Expected ${show(actual)} to match ${expected}`, msg);
  }
}

/** Holds where `expected` is part of `actual`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    reject(`Expected ${show(actual)} to contain ${show(expected)}`, msg);
  }
}
