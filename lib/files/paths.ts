/**
 * Names of files.
 *
 * @module
 */
import { builtin } from "./builtins.ts";

/** The functions that take names apart and put them together, as the system spells them. */
export interface Paths {
  basename(path: string): string;
  dirname(path: string): string;
  extname(path: string): string;
  isAbsolute(path: string): boolean;
  join(...parts: string[]): string;
  relative(from: string, to: string): string;
  readonly sep: string;
}

/**
 * The functions for this system's names.
 *
 * @throws {HostError} in a browser.
 */
export function paths(): Paths {
  return builtin("node:path");
}

/** The name of a file that is given by it or by a `file:` URL. */
export function pathOf(path: string | URL): string {
  if (typeof path === "string") return path;
  if (path.protocol === "file:") return builtin("node:url").fileURLToPath(path);
  throw new TypeError(`${path} is not a file; fetch it and give its bytes`);
}
