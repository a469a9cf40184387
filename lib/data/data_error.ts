import { printable, printableText } from "../numbers/printable.ts";

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

/** Text from a file for a message: one line, and short however long it is. */
export function short(text: string, length = 80): string {
  return printable(text.length > length ? `${text.slice(0, length)}…` : text);
}

/** Text from a file for a message, in quotation marks. */
export function quote(text: string, length?: number): string {
  return `"${short(text, length)}"`;
}

/** The most bytes that one sample may take: a file that claims more is refused before any is read. */
export const MAX_SAMPLE_BYTES = 2 ** 29;
