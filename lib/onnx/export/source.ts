/**
 * What a run of a model reads.
 *
 * @module
 */
import type { DeviceBuffer } from "../../backend/backend.ts";
import type { DType } from "../../numbers/dtype.ts";

/** Numbers that a model computes with, as they are read in one place. */
export interface Source {
  /** The number of the value that they are; undefined for constants. Inputs come first, then what calls make. */
  readonly id: number | undefined;
  /** Where they lie. */
  readonly buffer: DeviceBuffer;
  readonly shape: readonly number[];
  readonly dtype: DType;
}
