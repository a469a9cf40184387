/**
 * Memory of a backend, and what lies in it.
 *
 * @module
 */
import type { DType } from "../numbers/dtype.ts";

/** Memory of a backend. Only the backend that made it looks inside. */
export interface DeviceBuffer {
  /** Bytes that the contents take. */
  readonly byteLength: number;
}

/** A buffer and how to read it. */
export interface Operand {
  /** Where the elements are. */
  readonly buffer: DeviceBuffer;
  /** How they are laid out. */
  readonly dtype: DType;
  /** The sizes of the dimensions. */
  readonly shape: readonly number[];
}
