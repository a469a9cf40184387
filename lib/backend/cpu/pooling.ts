/**
 * Maxima and means of windows.
 *
 * @module
 */
import { emptyArray, type TypedArray } from "../../numbers/encoding.ts";
import { numelOf } from "../../numbers/shape.ts";
import { type ChannelsLast, rowStride, storedDtype } from "../channels_last.ts";
import { type PoolArgs, reachOf } from "../pooling.ts";
import { valuesOf } from "./buffer.ts";
import { placeIn, placesOf } from "./convolution.ts";

/** A window of an image: the pixels read, and how many count. */
interface Window {
  readonly pixels: number[];
  readonly counted: number;
}

/** The window of each output pixel. */
export function windowsOf(input: readonly number[], args: PoolArgs): Window[] {
  return [...placesOf(args.output)].map((at) => {
    const reaches = at.map((o, d) => reachOf(args, d, input[d], o));
    const shape = reaches.map(({ places }) => places.length);
    const pixels = [...placesOf(shape)].map((tap) =>
      placeIn(input, tap.map((t, d) => reaches[d].places[t]))
    );
    return { pixels, counted: reaches.reduce((product, { counted }) => product * counted, 1) };
  });
}

/** Rows of channels; sums in float64. */
export function pool(x: ChannelsLast, args: PoolArgs): TypedArray {
  const [n, channels, ...input] = x.shape;
  const dtype = storedDtype(x.dtype);
  const xs = valuesOf({ ...x, dtype });
  const stride = rowStride(channels, x.dtype);
  const windows = windowsOf(input, args);
  const y = emptyArray(dtype, n * windows.length * stride);
  for (let image = 0; image < n; image++) {
    windows.forEach(({ pixels, counted }, o) => {
      for (let c = 0; c < channels; c++) {
        const values = pixels.map((pixel) => xs[(image * numelOf(input) + pixel) * stride + c]);
        y[(image * windows.length + o) * stride + c] = args.kind === "max"
          ? values.reduce((most, v) => v > most || Number.isNaN(v) ? v : most, least(x))
          : values.reduce((sum, v) => sum + v, 0) / (args.divisor ?? counted);
      }
    });
  }
  return y;
}

function least({ dtype }: ChannelsLast): number {
  return dtype.isFloat ? -Infinity : -128; // bytes are signed in rows
}
