/**
 * Expressions as dispatches.
 *
 * @module
 */
import { numelOf } from "../../numbers/shape.ts";
import { constantBits } from "../expression.ts";
import { broadcastWalk } from "../strides.ts";
import { type DispatchTarget, gpu } from "./dispatch_target.ts";
import type { PointwiseOperation } from "./fusion.ts";
import { pointwiseKernel, pointwiseWorkgroups, walkParams } from "./kernels/pointwise.ts";

/** Dispatches the kernel of an expression. */
export function pointwiseStep(
  { expression, inputs, shape, dtype, y }: PointwiseOperation,
  { sink }: DispatchTarget,
): void {
  const numel = numelOf(shape);
  const walk = broadcastWalk(inputs.map((x) => x.shape), shape);
  const kernel = pointwiseKernel(expression, inputs.map((x) => x.dtype), walk, dtype);
  const params = [Math.ceil(numel / 4), ...constantBits(expression), ...walkParams(walk)];
  const buffers = [...inputs.map((x) => x.buffer), y].map(gpu);
  sink.dispatch(kernel, buffers, params, pointwiseWorkgroups(numel));
}
