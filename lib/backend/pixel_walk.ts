/**
 * How expressions walk tensors where the result has its channels last: row by row of its pixels, each
 * filled up with zeros. Inputs may lie so too, with rows of another length, or be contiguous.
 *
 * @module
 */
import type { DType } from "../numbers/dtype.ts";
import { byteOffset, type ChannelsLast, rowStride } from "./channels_last.ts";
import { type Expression, tablesOf } from "./expression.ts";
import type { Operand } from "./operand.ts";
import { broadcastWalk, collapse, contiguousStrides, type Walk } from "./strides.ts";

/** Sizes, or strides, of (N, C, …spatial) with the channels at the end. */
export function pixelOrder([n, c, ...spatial]: readonly number[]): number[] {
  return [n, ...spatial, c];
}

/** Whether an operand has its channels last. */
export function isChannelsLast(x: Operand | ChannelsLast): x is ChannelsLast {
  return "layout" in x;
}

/** The strides of an operand that broadcasts to `rank` dimensions, in the order of pixels. */
function pixelStrides(x: Operand, rank: number): number[] {
  const whole = [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape];
  const sizes = pixelOrder(whole);
  const strides = isChannelsLast(x)
    ? contiguousStrides(sizes.with(-1, rowStride(whole[1], x.dtype)))
    : pixelOrder(contiguousStrides(whole));
  return strides.map((stride, d) => sizes[d] === 1 ? 0 : stride);
}

/** What is computed element by element, as far as it says where elements lie. */
export interface Walked {
  readonly expression: Expression;
  readonly inputs: readonly Operand[];
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly layout?: ChannelsLast["layout"];
}

/** The walk over a result; where its channels are last, the zeros at the ends of rows are included. */
export function expressionWalk({ expression, inputs, shape, dtype, layout }: Walked): Walk {
  const tables = tablesOf(expression);
  // A table stands still.
  const walked = inputs.map((x, n) => tables.has(n) ? { ...x, shape: [] } : x);
  if (!layout) return broadcastWalk(walked.map((x) => x.shape), shape);
  const sizes = pixelOrder(shape).with(-1, rowStride(shape[1], dtype));
  return collapse({ sizes, strides: walked.map((x) => pixelStrides(x, shape.length)) });
}

/** Whether an operand's bytes lie there less 128. */
export function isShifted(x: Operand): boolean {
  return isChannelsLast(x) && byteOffset(x.dtype) > 0;
}
