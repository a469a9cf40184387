/**
 * Tensors one after the other along a dimension, as runs of elements that are put side by side: the same
 * for those that are contiguous and those that have their channels last.
 *
 * @module
 */
import { numelOf } from "../numbers/shape.ts";
import { type ChannelsLast, pixelsOf, rowStride } from "./channels_last.ts";
import type { Operand } from "./operand.ts";
import { isChannelsLast, pixelOrder } from "./pixel_walk.ts";

/** Runs of elements: how long they are, and how far from one to the next. */
export interface Runs {
  readonly length: number;
  readonly stride: number;
}

/** A result of `count` rows, each made of a run of every part, and of zeros up to its width. */
export interface SideBySide {
  readonly count: number;
  readonly width: number;
  readonly parts: readonly Runs[];
}

/** How tensors that are alike but for their size along `dim`, and all of one layout, lie side by side. */
export function sideBySide(xs: readonly (Operand | ChannelsLast)[], dim: number): SideBySide {
  const [{ shape, dtype }] = xs;
  if (!isChannelsLast(xs[0])) return wholeRuns(xs.map((x) => x.shape), dim);
  if (dim !== 1) {
    const rows = xs.map((x) => pixelOrder(x.shape).with(-1, rowStride(shape[1], dtype)));
    return wholeRuns(rows, dim === 0 ? 0 : dim - 1);
  }
  const channels = xs.map((x) => x.shape[1]);
  const all = channels.reduce((sum, size) => sum + size, 0);
  return {
    count: pixelsOf(shape),
    width: rowStride(all, dtype),
    parts: channels.map((length) => ({ length, stride: rowStride(length, dtype) })),
  };
}

/** Runs without anything between them. */
function wholeRuns(shapes: readonly (readonly number[])[], dim: number): SideBySide {
  const lengths = shapes.map((shape) => numelOf(shape.slice(dim)));
  return {
    count: numelOf(shapes[0].slice(0, dim)),
    width: lengths.reduce((sum, length) => sum + length, 0),
    parts: lengths.map((length) => ({ length, stride: length })),
  };
}
