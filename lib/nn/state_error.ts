import { printableText } from "../numbers/printable.ts";

/** A state may have any number of names that are not its model's, each as long as it likes. */
const MAX_LENGTH = 4000;

/**
 * Thrown for a saved state that is not what it should be: damaged, of another model, or of other settings. What
 * was to take it over is as it was.
 *
 * @example
 * ```ts
 * import { Linear, StateError } from "@staticquant/staticquant";
 * try {
 *   new Linear(4, 2).loadStateDict({});
 * } catch (error) {
 *   console.log(error instanceof StateError); // true
 * }
 * ```
 */
export class StateError extends Error {
  /** The class's name, as it stands in printed errors. */
  override readonly name: string = "StateError";

  /**
   * Takes the message.
   *
   * @param message is made fit to stand on a terminal.
   * @param options the error behind it.
   */
  constructor(message: string, options?: ErrorOptions) {
    const whole = message.length > MAX_LENGTH ? `${message.slice(0, MAX_LENGTH)}…` : message;
    super(printableText(whole), options);
  }
}
