/**
 * Convolutions, tap by tap.
 *
 * @module
 */
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

/** Rows of channels: sums in float64, then bias and clip. */
export function conv(
  x: ChannelsLast,
  w: ConvWeight,
  bias: Operand | null,
  args: ConvArgs,
): Float32Array {
  const { channels, outChannels, groups, kernel, transposed, dtype } = w;
  const [n, , ...input] = x.shape;
  const [xs, ws, bs] = [
    valuesOf(x),
    valuesOf({ buffer: w.data, dtype, shape: [] }),
    bias && valuesOf(bias),
  ];
  const [inGroup, outGroup] = [channels / groups, outChannels / groups];
  const [xStride, yStride] = [rowStride(channels, dtype), rowStride(outChannels, dtype)];
  const taps = numelOf(kernel);
  const pixels = pixelsRead(input, kernel, transposed, args);
  const y = new Float32Array(n * pixels.length * yStride);
  for (let image = 0; image < n; image++) {
    pixels.forEach((read, pixel) => {
      for (let o = 0; o < outChannels; o++) {
        const group = Math.floor(o / outGroup);
        let sum = 0;
        for (let c = 0; c < inGroup; c++) {
          const channel = group * inGroup + c;
          const row = transposed ? channel * outGroup + o % outGroup : o * inGroup + c;
          for (let tap = 0; tap < taps; tap++) {
            if (read[tap] < 0) continue;
            const at = image * numelOf(input) + read[tap];
            sum += xs[at * xStride + channel] * ws[row * taps + tap];
          }
        }
        const shifted = bs ? Math.fround(sum) + bs[o] : sum;
        y[(image * pixels.length + pixel) * yStride + o] = clipped(shifted, args.clip);
      }
    });
  }
  return y;
}
