import { printableText } from "../numbers/printable.ts";

/**
 * Thrown for files of samples that cannot be read, or that do not fit the model. The message opens with the
 * file and says what to do.
 *
 * @example
 * ```ts
 * import { DataError, readSamples } from "@staticquant/staticquant";
 * const samples = readSamples("none.npy", [{ name: "x", dtype: "float32" }]);
 * await samples.next().catch((error) => {
 *   console.log(error instanceof DataError, error.message); // true none.npy: there is no such file or folder
 * });
 * ```
 */
export class DataError extends Error {
  /** The class's name, as it stands in printed errors. */
  override readonly name: string = "DataError";

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

/** @throws {DataError} always. */
export function fail(where: string, message: string): never {
  throw new DataError(`${where}: ${message}`);
}

/** Text from a file for a message: short however long it is, and without what moves a terminal. */
export function clean(text: string, length = 80): string {
  return (text.length > length ? `${text.slice(0, length)}…` : text).replace(
    // deno-lint-ignore no-control-regex -- they are what is looked for
    /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Text from a file for a message, as {@linkcode clean} has it, in quotation marks. */
export function quote(text: string, length?: number): string {
  return `"${clean(text, length)}"`;
}

/** The most bytes that one sample may take: a file that claims more is refused before any is read. */
export const MAX_SAMPLE_BYTES = 2 ** 29;
