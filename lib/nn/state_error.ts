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
}
