/**
 * The layout that convolutions read: shape (N, C, …spatial) with each pixel's channels side by side, in a
 * row that zeros fill up to whole 16-byte vectors. Bytes are signed, as in `PackedRows`: of unsigned
 * dtypes 128 is subtracted.
 *
 * @module
 */
import { type DType, int8 } from "../numbers/dtype.ts";
import { numelOf } from "../numbers/shape.ts";
import type { Operand } from "./operand.ts";

/** A tensor of rank 2 or more in this layout; the shape is (N, C, …spatial) as ever. */
export interface ChannelsLast extends Operand {
  /** Tells it from an operand that is contiguous. */
  readonly layout: "channels last";
}

/** Elements from one pixel's row to the next. */
export function rowStride(channels: number, { itemSize }: DType): number {
  return Math.ceil(channels * itemSize / 16) * 16 / itemSize;
}

/** How many pixels a shape has. */
export function pixelsOf([n, , ...spatial]: readonly number[]): number {
  return n * numelOf(spatial);
}

/** The bytes of a shape in this layout. */
export function channelsLastBytes(shape: readonly number[], dtype: DType): number {
  return pixelsOf(shape) * rowStride(shape[1], dtype) * dtype.itemSize;
}

/** What is subtracted from the elements of a dtype. */
export function byteOffset(dtype: DType): 0 | 128 {
  return dtype.itemSize === 1 && dtype.min === 0 ? 128 : 0;
}

/** The dtype of the elements as they are stored. */
export function storedDtype(dtype: DType): DType {
  return byteOffset(dtype) === 0 ? dtype : int8;
}

/** Whether rows are not filled up with zeros. */
export function fillsRows(channels: number, dtype: DType): boolean {
  return rowStride(channels, dtype) === channels;
}

/** Whether the contiguous layout of a shape has the same bytes as this one. */
export function sameInBoth(shape: readonly number[], dtype: DType): boolean {
  const [, channels, ...spatial] = shape;
  const inOrder = channels === 1 || numelOf(spatial) === 1;
  return inOrder && fillsRows(channels, dtype) && byteOffset(dtype) === 0;
}
