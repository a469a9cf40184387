import { reject } from "./assertion_error.ts";
import { assertInstanceOf, assertStringIncludes } from "./values.ts";

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** Reads the trailing arguments of both forms: `(msg?)` and `(class, msgIncludes?, msg?)`. */
function expectation<E extends Error>(
  classOrMsg?: ErrorClass<E> | string,
  includesOrMsg?: string,
  msg?: string,
): { type?: ErrorClass<E>; includes?: string; msg?: string } {
  return typeof classOrMsg === "function"
    ? { type: classOrMsg, includes: includesOrMsg, msg }
    : { msg: classOrMsg };
}

function check<E extends Error>(
  error: unknown,
  want: { type?: ErrorClass<E>; includes?: string; msg?: string },
): void {
  if (!want.type) return;
  assertInstanceOf(error, want.type, want.msg);
  if (want.includes) assertStringIncludes(error.message, want.includes, want.msg);
}

/** Holds where the function throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Holds where the function throws an error of the class, with the text in its message. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error>(
  fn: () => unknown,
  classOrMsg?: ErrorClass<E> | string,
  includesOrMsg?: string,
  msg?: string,
): E | unknown {
  const want = expectation(classOrMsg, includesOrMsg, msg);
  let error: unknown;
  try {
    fn();
  } catch (thrown) {
    error = thrown;
    check(error, want);
    return error;
  }
  reject("Expected the function to throw", want.msg);
}

/** Holds where the promise rejects; resolves to what it rejected with. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Holds where the promise rejects with an error of the class, with the text in its message. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<E> | string,
  includesOrMsg?: string,
  msg?: string,
): Promise<E | unknown> {
  const want = expectation(classOrMsg, includesOrMsg, msg);
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch {
    reject("Expected a promise that rejects, but the function itself threw", want.msg);
  }
  if (typeof promise?.then !== "function") {
    reject("Expected a promise, but the function returned something else", want.msg);
  }
  try {
    await promise;
  } catch (thrown) {
    check(thrown, want);
    return thrown;
  }
  reject("Expected the promise to reject", want.msg);
}
