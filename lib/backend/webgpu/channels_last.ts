/**
 * Layouts as dispatches: matrices transposed, channels brought last and back again.
 *
 * @module
 */
import type { DType } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import type { DeviceBuffer, Operand } from "../backend.ts";
import { type ChannelsLast, rowStride } from "../channels_last.ts";
import { type DispatchTarget, elementwiseStep, gpu } from "./dispatch_target.ts";
import {
  elementsPerVector,
  fromNarrowRowsKernel,
  fromRowsKernel,
  toRowsKernel,
  toRowsWorkgroups,
} from "./kernels/transpose.ts";

/** A batch of matrices. */
interface Matrices {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
}

/** Transposes matrices without gaps into `y`, rows of whole vectors. */
export function transposeToRows(
  { sink }: DispatchTarget,
  x: DeviceBuffer,
  dtype: DType,
  { count, rows, columns }: Matrices,
  y: DeviceBuffer,
  options?: { signed: boolean },
): void {
  const width = rowStride(rows, dtype) / elementsPerVector(dtype);
  const vectors = count * columns * width;
  sink.dispatch(
    toRowsKernel(dtype, options),
    [gpu(x), gpu(y)],
    [vectors, rows, columns, columns, width],
    toRowsWorkgroups(vectors),
  );
}

/** The channels of `x` last, into `y`. */
export function channelsLast(x: Operand, y: DeviceBuffer, target: DispatchTarget): void {
  const [count, rows, ...spatial] = x.shape;
  const matrices = { count, rows, columns: numelOf(spatial) };
  transposeToRows(target, x.buffer, x.dtype, matrices, y, { signed: true });
}

/** The contiguous tensor of rows, into `y`. */
export function contiguous(x: ChannelsLast, y: DeviceBuffer, target: DispatchTarget): void {
  const { dtype, shape, buffer } = x;
  const [n, channels, ...spatial] = shape;
  const pixels = numelOf(spatial);
  const stride = rowStride(channels, dtype);
  if (dtype.itemSize < 4) {
    const kernel = fromNarrowRowsKernel(dtype);
    const params = [pixels, channels, stride];
    return elementwiseStep(target, kernel, [buffer], y, numelOf(shape), dtype, params);
  }
  const vectors = n * pixels * stride / 4;
  const params = [vectors, pixels, channels, stride / 4];
  const workgroups = toRowsWorkgroups(vectors);
  target.sink.dispatch(fromRowsKernel(), [gpu(buffer), gpu(y)], params, workgroups);
}
