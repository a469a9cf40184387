/**
 * Moving elements without looking at them.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import type { GatherArgs, Operand, PadArgs, StridedArgs } from "../backend.ts";
import type { ChannelsLast } from "../channels_last.ts";
import { sideBySide } from "../side_by_side.ts";
import { contiguousStrides, offsetsOf } from "../strides.ts";
import { bytesOf, valuesOf } from "./buffer.ts";

type Words = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

const ARRAYS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array };

/** A copy of the elements, as the bits that they are. */
function wordsOf({ buffer, dtype }: Operand): Words {
  return new ARRAYS[dtype.itemSize](bytesOf(buffer).slice().buffer);
}

function emptyWords(dtype: DType, length: number): Words {
  return new ARRAYS[dtype.itemSize](length);
}

const bytesIn = ({ buffer }: Words) => new Uint8Array(buffer);

/** See `Backend.strided`. */
export function strided(x: Operand, { shape, strides, offset }: StridedArgs): Uint8Array {
  const from = wordsOf(x);
  const y = emptyWords(x.dtype, numelOf(shape));
  offsetsOf(shape, strides, offset).forEach((place, i) => y[i] = from[place]);
  return bytesIn(y);
}

/** See `Backend.cat`. */
export function cat(xs: readonly (Operand | ChannelsLast)[], dim: number): Uint8Array {
  const { count, width, parts } = sideBySide(xs, dim);
  const y = emptyWords(xs[0].dtype, count * width);
  let at = 0;
  xs.forEach((x, n) => {
    const { length, stride } = parts[n];
    const from = wordsOf(x);
    for (let o = 0; o < count; o++) {
      y.set(from.subarray(o * stride, o * stride + length), o * width + at);
    }
    at += length;
  });
  return bytesIn(y);
}

/** The coordinate that padding takes for one that may lie outside; −1 for the constant. */
export function paddedFrom(c: number, size: number, mode: PadArgs["mode"]): number {
  if (c >= 0 && c < size) return c;
  switch (mode) {
    case "constant":
      return -1;
    case "edge":
      return Math.min(Math.max(c, 0), size - 1);
    case "wrap":
      return ((c % size) + size) % size;
    case "reflect": {
      const period = Math.max(2 * (size - 1), 1);
      const within = ((c % period) + period) % period;
      return within < size ? within : period - within;
    }
  }
}

/** See `Backend.pad`. */
export function pad(x: Operand, { shape, before, mode, bits }: PadArgs): Uint8Array {
  const from = wordsOf(x);
  const strides = contiguousStrides(x.shape);
  const y = emptyWords(x.dtype, numelOf(shape)).fill(bits);
  let places = Float64Array.of(0);
  shape.forEach((size, d) => {
    const sources = Array.from(
      { length: size },
      (_, c) => paddedFrom(c - before[d], x.shape[d], mode),
    );
    const next = new Float64Array(places.length * size);
    for (let i = 0, k = 0; i < places.length; i++) {
      for (const c of sources) next[k++] = c < 0 ? NaN : places[i] + c * strides[d];
    }
    places = next;
  });
  places.forEach((place, i) => {
    if (place === place) y[i] = from[place];
  });
  return bytesIn(y);
}

/** See `Backend.gather`. @throws {RangeError} if an index points outside. */
export function gather(x: Operand, index: Operand, args: GatherArgs): Uint8Array {
  const { shape, strides, indexStrides, size, stride } = args;
  const from = wordsOf(x);
  const indices = valuesOf(index);
  const y = emptyWords(x.dtype, numelOf(shape));
  const places = offsetsOf(shape, strides);
  offsetsOf(shape, indexStrides).forEach((at, i) => {
    const given = indices[at];
    if (given < -size || given >= size) {
      throw new RangeError(
        `index ${given} points outside of a dimension of size ${size}; indices run from ${-size} to ` +
          `${size - 1}`,
      );
    }
    y[i] = from[places[i] + (given < 0 ? given + size : given) * stride];
  });
  return bytesIn(y);
}
