/**
 * Between contiguous tensors and rows of channels.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { emptyArray, encode } from "../../numbers/encoding.ts";
import { numelOf } from "../../numbers/shape.ts";
import type { Operand } from "../backend.ts";
import { byteOffset, type ChannelsLast, pixelsOf, rowStride } from "../channels_last.ts";
import { valuesOf } from "./buffer.ts";

/** Calls `each` with the place of every element in both layouts. */
function places(
  { shape, dtype }: Operand,
  each: (contiguous: number, inRows: number) => void,
): void {
  const [n, channels, ...spatial] = shape;
  const pixels = numelOf(spatial);
  const stride = rowStride(channels, dtype);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < channels; c++) {
      const plane = (i * channels + c) * pixels;
      for (let p = 0; p < pixels; p++) each(plane + p, (i * pixels + p) * stride + c);
    }
  }
}

/** The rows of a contiguous tensor. */
export function toChannelsLast(x: Operand): Uint8Array {
  const values = valuesOf(x);
  const offset = byteOffset(x.dtype);
  const rows = emptyArray(x.dtype, pixelsOf(x.shape) * rowStride(x.shape[1], x.dtype));
  places(x, (from, to) => rows[to] = values[from] - offset);
  return encode(rows, x.dtype);
}

/** The rows of what `quantize` makes of floats in either layout. */
export function bytesInRows(
  x: Operand | ChannelsLast,
  dtype: DType,
  quantize: (value: number) => number,
): Uint8Array {
  const values = valuesOf(x);
  const offset = byteOffset(dtype);
  const last = "layout" in x;
  const stride = rowStride(x.shape[1], dtype);
  const rows = new Int8Array(pixelsOf(x.shape) * stride);
  const own = rowStride(x.shape[1], x.dtype);
  places({ ...x, dtype }, (plain, inRows) => {
    const inOwn = Math.floor(inRows / stride) * own + inRows % stride;
    rows[inRows] = quantize(values[last ? inOwn : plain]) - offset;
  });
  return new Uint8Array(rows.buffer);
}

/** The contiguous tensor of rows. */
export function toContiguous(x: ChannelsLast): Uint8Array {
  const rows = valuesOf(x);
  const offset = byteOffset(x.dtype);
  const values = emptyArray(x.dtype, numelOf(x.shape));
  places(x, (to, from) => values[to] = rows[from] + offset);
  return encode(values, x.dtype);
}
