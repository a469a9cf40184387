/**
 * Maxima and means of windows.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { emptyArray, type TypedArray } from "../../numbers/encoding.ts";
import { roundHalfEven } from "../../numbers/rounding.ts";
import { numelOf } from "../../numbers/shape.ts";
import { byteOffset, type ChannelsLast, rowStride, storedDtype } from "../channels_last.ts";
import { type PoolArgs, type PoolRescaling, reachOf } from "../pooling.ts";
import { floatsOf, valuesOf } from "./buffer.ts";
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
  const mean = args.rescale ? rescaled(args.rescale, x.dtype) : undefined;
  const y = emptyArray(dtype, n * windows.length * stride);
  const of = (values: number[], counted: number) => {
    if (args.kind === "max") {
      return values.reduce((most, v) => v > most || Number.isNaN(v) ? v : most, least(x));
    }
    const sum = values.reduce((sum, v) => sum + v, 0);
    const divisor = args.divisor ?? counted;
    return mean ? mean(sum, values.length, divisor) : sum / divisor;
  };
  for (let image = 0; image < n; image++) {
    windows.forEach(({ pixels, counted }, o) => {
      for (let c = 0; c < channels; c++) {
        const values = pixels.map((pixel) => xs[(image * numelOf(input) + pixel) * stride + c]);
        y[(image * windows.length + o) * stride + c] = of(values, counted);
      }
    });
  }
  return y;
}

/** The byte that a sum of so many stored bytes becomes, as it is stored. */
function rescaled(args: PoolRescaling, dtype: DType) {
  const [xScale, xZeroPoint, yScale, yZeroPoint] = [
    args.xScale,
    args.xZeroPoint,
    args.yScale,
    args.yZeroPoint,
  ].map((b) => floatsOf(b)[0]);
  const offset = byteOffset(dtype);
  return (sum: number, count: number, divisor: number): number => {
    const multiplier = Math.fround(xScale / Math.fround(yScale * divisor));
    const total = Math.fround(sum - count * (xZeroPoint - offset));
    const steps = roundHalfEven(Math.fround(total * multiplier)) + yZeroPoint;
    return Math.min(Math.max(steps, args.quantMin), args.quantMax) - offset;
  };
}

function least({ dtype }: ChannelsLast): number {
  return dtype.isFloat ? -Infinity : -128; // bytes are signed in rows
}
