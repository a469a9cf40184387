/**
 * One call of the worker's.
 *
 * @module
 */
import type { Progress } from "./protocol.ts";

/** What a call may use while it works. */
export interface Turn {
  readonly signal: AbortSignal;
  onProgress(progress: Progress): void;
}
