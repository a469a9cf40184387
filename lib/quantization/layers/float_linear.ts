/**
 * Linear layers that are not quantized yet.
 *
 * @module
 */
import { Linear } from "../../nn/linear.ts";
import type { Module } from "../../nn/module.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** A `Linear` whose weight is a plain float tensor. */
export type FloatLinear = Linear & { weight: Tensor };

/** Whether a module is a `Linear` with a plain float weight. */
export function isFloatLinear(module: Module | undefined): module is FloatLinear {
  return module instanceof Linear && module.weight instanceof Tensor;
}
