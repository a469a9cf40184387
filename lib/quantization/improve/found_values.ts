/**
 * What recipes have of remedies, which may come from anywhere.
 *
 * @module
 */

/** Whether something is a list of channels, at least one, each once. */
export function areChannels(found: unknown): found is number[] {
  return Array.isArray(found) && found.length > 0 && new Set(found).size === found.length &&
    found.every((c) => Number.isInteger(c) && c >= 0);
}

/** Whether something is a number from 0 to 1. */
export function isShare(found: unknown): found is number {
  return typeof found === "number" && found >= 0 && found <= 1;
}

/** Whether something is the least and the greatest number of a range that holds 0. */
export function areEnds(found: unknown): found is { readonly min: number; readonly max: number } {
  const { min, max } = (found ?? {}) as { min?: unknown; max?: unknown };
  return typeof min === "number" && typeof max === "number" && -Infinity < min && min <= 0 &&
    0 <= max && max < Infinity;
}
