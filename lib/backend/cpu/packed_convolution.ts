/**
 * Convolutions of bytes, tap by tap: exact sums, and what becomes of them.
 *
 * @module
 */
import type { TypedArray } from "../../numbers/encoding.ts";
import { roundHalfEven } from "../../numbers/rounding.ts";
import { byteOffset, type ChannelsLast, storedDtype } from "../channels_last.ts";
import type { ConvWeight, PackedConvArgs } from "../convolution.ts";
import { floatsOf, valuesOf } from "./buffer.ts";
import { clipped, convolvedRows } from "./convolution.ts";

/** Rows of channels, in the dtype that the result is stored in. */
export function packedConv(x: ChannelsLast, w: ConvWeight, args: PackedConvArgs): TypedArray {
  const zws = args.wZeroPoint && floatsOf(args.wZeroPoint);
  return convolvedRows(x, w, args, {
    xs: valuesOf({ ...x, dtype: storedDtype(x.dtype) }),
    zx: (args.xZeroPoint ? floatsOf(args.xZeroPoint)[0] : 0) - byteOffset(x.dtype),
    ws: valuesOf({ buffer: w.data, dtype: w.dtype, shape: [] }),
    zw: (o) => zws?.[args.wParamCount > 1 ? o : 0] ?? 0,
    finish: finisher(args),
    stored: storedDtype(args.result.dtype),
  });
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
