/** Thrown by every assertion of this package that does not hold. */
export class AssertionError extends Error {
  /** Makes an error that says what did not hold. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

/** Throws: `what` did not hold, with the caller's own remark after it. */
export function reject(what: string, msg?: string): never {
  throw new AssertionError(msg ? `${what}: ${msg}` : what);
}

/** Text for a value in a message, cut where a tensor's worth of numbers would flood the screen. */
export function show(value: unknown): string {
  return Deno.inspect(value, { depth: 6, iterableLimit: 60, strAbbreviateSize: 2000 });
}
