/**
 * Expressions as dispatches.
 *
 * @module
 */
import { numelOf } from "../../numbers/shape.ts";
import { byteOffset, rowStride } from "../channels_last.ts";
import { constantBits } from "../expression.ts";
import { expressionWalk, isShifted } from "../pixel_walk.ts";
import { type DispatchTarget, gpu } from "./dispatch_target.ts";
import type { PointwiseOperation } from "./fusion.ts";
import { pointwiseKernel, pointwiseWorkgroups, walkParams } from "./kernels/pointwise.ts";

/** Dispatches the kernel of an expression. */
export function pointwiseStep(operation: PointwiseOperation, { sink }: DispatchTarget): void {
  const { expression, inputs, shape, dtype, layout, y } = operation;
  const walk = expressionWalk(operation);
  const last = layout === "channels last";
  const [channels, width] = last ? [shape[1], rowStride(shape[1], dtype)] : [0, 0];
  const numel = last ? numelOf(shape) / channels * width : numelOf(shape);
  const kernel = pointwiseKernel(expression, inputs.map((x) => x.dtype), walk, dtype, {
    shifted: [...inputs.map(isShifted), last && byteOffset(dtype) > 0],
    filledUp: channels !== width,
  });
  const row = channels === width ? [] : [width, channels];
  const params = [Math.ceil(numel / 4), ...row, ...constantBits(expression), ...walkParams(walk)];
  const buffers = [...inputs.map((x) => x.buffer), y].map(gpu);
  sink.dispatch(kernel, buffers, params, pointwiseWorkgroups(numel));
}
