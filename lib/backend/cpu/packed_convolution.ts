/**
 * Convolutions of bytes, tap by tap: exact sums, and what becomes of them.
 *
 * @module
 */
import { emptyArray, type TypedArray } from "../../numbers/encoding.ts";
import { roundHalfEven } from "../../numbers/rounding.ts";
import { numelOf } from "../../numbers/shape.ts";
import { byteOffset, type ChannelsLast, rowStride, storedDtype } from "../channels_last.ts";
import type { ConvWeight, PackedConvArgs } from "../convolution.ts";
import { floatsOf, valuesOf } from "./buffer.ts";
import { clipped, pixelsRead } from "./convolution.ts";

/** Rows of channels, in the dtype that the result is stored in. */
export function packedConv(x: ChannelsLast, w: ConvWeight, args: PackedConvArgs): TypedArray {
  const { channels, outChannels, groups, kernel, transposed } = w;
  const [n, , ...input] = x.shape;
  const finish = finisher(args);
  const xs = valuesOf({ ...x, dtype: storedDtype(x.dtype) });
  const ws = valuesOf({ buffer: w.data, dtype: w.dtype, shape: [] });
  const zx = (args.xZeroPoint ? floatsOf(args.xZeroPoint)[0] : 0) - byteOffset(x.dtype);
  const zws = args.wZeroPoint && floatsOf(args.wZeroPoint);
  const [inGroup, outGroup] = [channels / groups, outChannels / groups];
  const stored = storedDtype(args.result.dtype);
  const [xStride, yStride] = [rowStride(channels, x.dtype), rowStride(outChannels, stored)];
  const taps = numelOf(kernel);
  const pixels = pixelsRead(input, kernel, transposed, args);
  const y = emptyArray(stored, n * pixels.length * yStride);
  for (let image = 0; image < n; image++) {
    pixels.forEach((read, pixel) => {
      for (let o = 0; o < outChannels; o++) {
        const zw = zws?.[args.wParamCount > 1 ? o : 0] ?? 0;
        const group = Math.floor(o / outGroup);
        let sum = 0;
        for (let c = 0; c < inGroup; c++) {
          const channel = group * inGroup + c;
          const row = transposed ? channel * outGroup + o % outGroup : o * inGroup + c;
          for (let tap = 0; tap < taps; tap++) {
            if (read[tap] < 0) continue;
            const at = image * numelOf(input) + read[tap];
            sum += (xs[at * xStride + channel] - zx) * (ws[row * taps + tap] - zw);
          }
        }
        y[(image * pixels.length + pixel) * yStride + o] = finish(sum, o);
      }
    });
  }
  return y;
}

/** What becomes of a sum of an output channel. */
function finisher(
  { result, wParamCount, clip }: PackedConvArgs,
): (sum: number, o: number) => number {
  const bias = result.bias && valuesOf(result.bias);
  const param = (o: number) => wParamCount > 1 ? o : 0;
  if (result.kind === "bytes") {
    const multiplier = floatsOf(result.multiplier);
    const [zeroPoint] = floatsOf(result.zeroPoint);
    const { quantMin, quantMax, dtype } = result;
    return (sum, o) => {
      const shifted = Math.fround(sum + (bias?.[o] ?? 0));
      const steps = roundHalfEven(Math.fround(shifted * multiplier[param(o)])) + zeroPoint;
      return Math.min(Math.max(steps, quantMin), quantMax) - byteOffset(dtype);
    };
  }
  if (!result.dtype.isFloat) return (sum) => sum;
  const [xScale] = floatsOf(result.xScale);
  const wScale = floatsOf(result.wScale);
  return (sum, o) => {
    const product = Math.fround(Math.fround(sum) * Math.fround(xScale * wScale[param(o)]));
    return clipped(bias ? product + bias[o] : product, clip);
  };
}
