/**
 * Convolutions, tap by tap.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { emptyArray, type TypedArray } from "../../numbers/encoding.ts";
import { numelOf } from "../../numbers/shape.ts";
import type { Operand } from "../backend.ts";
import { type ChannelsLast, rowStride } from "../channels_last.ts";
import type { Clip, ConvArgs, ConvWeight } from "../convolution.ts";
import { valuesOf } from "./buffer.ts";

/** The coordinates of each place of a shape, in order. */
export function* placesOf(shape: readonly number[]): Generator<number[]> {
  for (let i = 0, count = numelOf(shape); i < count; i++) {
    const at = new Array<number>(shape.length);
    for (let d = shape.length - 1, rest = i; d >= 0; d--) {
      at[d] = rest % shape[d];
      rest = Math.floor(rest / shape[d]);
    }
    yield at;
  }
}

/** The number of a place in a shape, or −1 if it lies outside. */
export function placeIn(shape: readonly number[], at: readonly number[]): number {
  let place = 0;
  for (let d = 0; d < shape.length; d++) {
    if (!(at[d] >= 0 && at[d] < shape[d] && Number.isInteger(at[d]))) return -1;
    place = place * shape[d] + at[d];
  }
  return place;
}

/**
 * The input pixels that each output pixel reads: for each tap the number of a pixel within an image, or
 * −1 outside of it.
 */
export function pixelsRead(
  input: readonly number[],
  kernel: readonly number[],
  transposed: boolean,
  { output, stride, before, dilation }: Pick<ConvArgs, "output" | "stride" | "before" | "dilation">,
): number[][] {
  const taps = [...placesOf(kernel)];
  return [...placesOf(output)].map((at) =>
    taps.map((tap) =>
      placeIn(
        input,
        at.map((o, d) =>
          transposed
            ? (o + before[d] - tap[d] * dilation[d]) / stride[d]
            : o * stride[d] - before[d] + tap[d] * dilation[d]
        ),
      )
    )
  );
}

/** `x` with its ends cut off; a NaN stays one. */
export function clipped(x: number, clip: Clip | undefined): number {
  if (!clip || Number.isNaN(x)) return x;
  return Math.min(Math.max(x, clip.min), clip.max);
}

/** The numbers that a convolution multiplies, and where what becomes of its sums goes. */
export interface ConvValues {
  /** The input, in rows of channels. */
  readonly xs: ArrayLike<number>;
  /** What is taken off each of them; 0 for floats. */
  readonly zx: number;
  /** The weight. */
  readonly ws: ArrayLike<number>;
  /** What is taken off those of an output channel. */
  readonly zw: (o: number) => number;
  /** What is stored of a sum of an output channel. */
  readonly finish: (sum: number, o: number) => number;
  /** The output's dtype as it is stored. */
  readonly stored: DType;
}

/** Rows of channels, each sum in float64. */
export function convolvedRows(
  x: ChannelsLast,
  w: ConvWeight,
  args: ConvArgs,
  { xs, zx, ws, zw, finish, stored }: ConvValues,
): TypedArray {
  const { channels, outChannels, groups, kernel, transposed } = w;
  const [n, , ...input] = x.shape;
  const [inGroup, outGroup] = [channels / groups, outChannels / groups];
  const [xStride, yStride] = [rowStride(channels, x.dtype), rowStride(outChannels, stored)];
  const taps = numelOf(kernel);
  const pixels = pixelsRead(input, kernel, transposed, args);
  const y = emptyArray(stored, n * pixels.length * yStride);
  for (let image = 0; image < n; image++) {
    pixels.forEach((read, pixel) => {
      for (let o = 0; o < outChannels; o++) {
        const zeroPoint = zw(o);
        const group = Math.floor(o / outGroup);
        let sum = 0;
        for (let c = 0; c < inGroup; c++) {
          const channel = group * inGroup + c;
          const row = transposed ? channel * outGroup + o % outGroup : o * inGroup + c;
          for (let tap = 0; tap < taps; tap++) {
            if (read[tap] < 0) continue;
            const at = image * numelOf(input) + read[tap];
            sum += (xs[at * xStride + channel] - zx) * (ws[row * taps + tap] - zeroPoint);
          }
        }
        y[(image * pixels.length + pixel) * yStride + o] = finish(sum, o);
      }
    });
  }
  return y;
}

/** Rows of channels: sums, then bias and clip. */
export function conv(
  x: ChannelsLast,
  w: ConvWeight,
  bias: Operand | null,
  args: ConvArgs,
): TypedArray {
  const bs = bias && valuesOf(bias);
  return convolvedRows(x, w, args, {
    xs: valuesOf(x),
    zx: 0,
    ws: valuesOf({ buffer: w.data, dtype: w.dtype, shape: [] }),
    zw: () => 0,
    finish: (sum, o) => clipped(bs ? Math.fround(sum) + bs[o] : sum, args.clip),
    stored: w.dtype,
  });
}
