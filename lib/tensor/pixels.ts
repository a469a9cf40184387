/**
 * Tensors of images that are walked pixel by pixel, the way those lie in memory that have their channels
 * last: what is computed element by element need not bring them into another order first.
 *
 * @module
 */
import type { Operand } from "../backend/backend.ts";
import { byteOffset, fillsRows } from "../backend/channels_last.ts";
import type { DType } from "../numbers/dtype.ts";
import { numelOf } from "../numbers/shape.ts";
import type { Tensor } from "./tensor.ts";

/** Shape (N, C, …spatial) with the channels at the end. */
export function pixelShape([n, c, ...spatial]: readonly number[]): number[] {
  return [n, ...spatial, c];
}

/** Whether a dtype's elements lie there without gaps, and as they are. */
function isDense(channels: number, dtype: DType): boolean {
  return byteOffset(dtype) === 0 && fillsRows(channels, dtype);
}

/** A tensor that broadcasts to `rank` dimensions, pixel by pixel; undefined where its order differs. */
function pixelsOf(t: Tensor, rank: number): Operand | undefined {
  const whole = [...new Array<number>(rank - t.ndim).fill(1), ...t.shape];
  const [, channels, ...spatial] = whole;
  const shape = pixelShape(whole);
  // With one channel or one pixel the order is the same.
  if (channels === 1 || numelOf(spatial) === 1) return { ...t.operand, shape };
  if (t.ndim !== rank || !isDense(channels, t.dtype)) return undefined;
  return { buffer: t.channelsLast.buffer, dtype: t.dtype, shape };
}

/**
 * Tensors that broadcast to `shape` as operands that do so pixel by pixel.
 *
 * @returns undefined unless one of them has its channels last, and all can be read so.
 */
export function pixelOperands(
  tensors: readonly Tensor[],
  shape: readonly number[],
  dtype: DType,
): Operand[] | undefined {
  if (shape.length < 3 || !isDense(shape[1], dtype)) return undefined;
  if (!tensors.some((t) => t.ndim === shape.length && t.isChannelsLast)) return undefined;
  const operands: Operand[] = [];
  for (const t of tensors) {
    const operand = pixelsOf(t, shape.length);
    if (!operand) return undefined;
    operands.push(operand);
  }
  return operands;
}
