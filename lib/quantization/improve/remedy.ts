/**
 * What is done so that a quantized model loses less, whatever models are.
 *
 * @module
 */

/** A step of a recipe: which remedy, and all that it needs to do the same again. */
export interface RemedyStep {
  /** The remedy's name. */
  readonly remedy: string;
  /** What was found out when it was applied first; searched for if it is not there. */
  readonly found?: unknown;
}

/** What a remedy did. */
export interface RemediedOf<S> {
  /** The state after it. */
  readonly state: S;
  /** What to write into a recipe, as JSON has it. */
  readonly found: unknown;
  /** What was done, in a sentence with a number. */
  readonly summary: string;
}

/** A way to make a quantized model better: `S` is what it changes, `T` what it may ask for. */
export interface RemedyOf<S, T> {
  /** Its name in recipes. */
  readonly name: string;
  /** What it does, for people. */
  readonly purpose: string;
  /** Whether it rewrites the float model; then it comes before all that goes by the numbers in it. */
  readonly rewrites: boolean;
  /**
   * Applies it.
   *
   * @param found what a recipe has of it; it is searched for without.
   * @returns nothing if there is nothing in the model that it could be applied to.
   * @throws {Error} if what a recipe has does not fit the model.
   */
  apply(state: S, tools: T, found?: unknown): Promise<RemediedOf<S> | undefined>;
}
