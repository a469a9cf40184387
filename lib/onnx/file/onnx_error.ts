import { printableText, quote } from "../../numbers/printable.ts";

/**
 * Thrown for what is wrong with an ONNX file or model: it's not one, it's damaged, or it says something
 * about itself that isn't so.
 *
 * @example
 * ```ts
 * import { loadOnnx, OnnxError } from "@staticquant/staticquant";
 * try {
 *   await loadOnnx(new TextEncoder().encode("{}"));
 * } catch (error) {
 *   console.log(error instanceof OnnxError, (error as Error).message); // true … looks like JSON …
 * }
 * ```
 */
export class OnnxError extends Error {
  /** The class's name, as it stands in printed errors. */
  override readonly name: string = "OnnxError";

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

/** Throws an {@linkcode OnnxError}. */
export function fail(message: string, cause?: unknown): never {
  throw new OnnxError(message, { cause });
}

/** A name for a message: quoted, and short however long it is. */
export function show(name: string): string {
  return quote(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}
