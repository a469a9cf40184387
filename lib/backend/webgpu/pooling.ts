/**
 * Pooling as dispatches.
 *
 * @module
 */
import { numelOf } from "../../numbers/shape.ts";
import type { DeviceBuffer } from "../backend.ts";
import { byteOffset, type ChannelsLast, pixelsOf, rowStride } from "../channels_last.ts";
import type { PoolArgs } from "../pooling.ts";
import { type DispatchTarget, gpu } from "./dispatch_target.ts";
import { poolKernel, poolWorkgroups } from "./kernels/pool.ts";

/** Windows of more pixels than this are taken by a workgroup each. */
const MOST_ALONE = 128;

/** The bytes of what is pooled. */
export function pooledBytes({ shape, dtype }: ChannelsLast, { output }: PoolArgs): number {
  return shape[0] * numelOf(output) * rowStride(shape[1], dtype) * dtype.itemSize;
}

/** Pools `x` into `y`. */
export function poolInto(
  x: ChannelsLast,
  args: PoolArgs,
  y: DeviceBuffer,
  { sink }: DispatchTarget,
): void {
  const { kind, output, windows, countPadding = false, divisor = 0, rescale } = args;
  const [images, channels, ...input] = x.shape;
  const window = windows
    ? numelOf(windows.kernel)
    : numelOf(input.map((size, d) => Math.ceil(size / output[d])));
  const spec = {
    dtype: x.dtype,
    kind,
    adaptive: windows === null,
    countPadding: countPadding && windows !== null,
    team: window > MOST_ALONE,
    rescale: rescale && {
      quantMin: rescale.quantMin,
      quantMax: rescale.quantMax,
      offset: byteOffset(x.dtype),
    },
  };
  const fours = rowStride(channels, x.dtype) / 4;
  // A signal is an image of one line.
  const line = input.length === 1 ? [[1, 1, 1, 1, 0, 0, 1]] : [];
  const sides = input.map((size, d) => {
    const w = windows;
    const [kernel, stride, before] = [w?.kernel[d] ?? 1, w?.stride[d] ?? 1, w?.before[d] ?? 0];
    return [size, output[d], kernel, stride, before, w?.after[d] ?? 0, w?.dilation[d] ?? 1];
  });
  const outputs = pixelsOf([images, channels, ...output]) * fours;
  sink.dispatch(
    poolKernel(spec),
    [
      x.buffer,
      ...rescale ? [rescale.xScale, rescale.xZeroPoint, rescale.yScale, rescale.yZeroPoint] : [],
      y,
    ].map(gpu),
    [images, channels, fours, divisor, ...line.flat(), ...sides.flat()],
    poolWorkgroups(outputs, spec),
  );
}
