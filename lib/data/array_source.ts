/**
 * Arrays in files.
 *
 * @module
 */
import type { ByteSource } from "./byte_source.ts";
import type { ElementType } from "./element_type.ts";

/** An array in a file, of which nothing but the description has been read. */
export interface ArraySource {
  /** What errors call it: the file, and its name inside. */
  readonly where: string;
  /** Its name in the file; empty if the file holds one array without a name. */
  readonly name: string;
  /** Its elements. */
  readonly type: ElementType;
  /** Its sizes, the slowest first. */
  readonly shape: readonly number[];
  /** Its elements, little-endian and row by row. */
  readonly bytes: ByteSource;
}
