/**
 * Operations as dispatches.
 *
 * @module
 */
import { numelOf } from "../../numbers/shape.ts";
import { convProduct } from "./convolution.ts";
import { type DispatchTarget, elementwiseStep, rowsStep } from "./dispatch_target.ts";
import type { Operation, QuantizeRowsOperation, ReluOperation } from "./fusion.ts";
import { quantizeRowsKernel } from "./kernels/pack_rows.ts";
import { reluKernel } from "./kernels/relu.ts";
import { pointwiseStep } from "./pointwise.ts";
import { packedConvProduct, quantizePixels } from "./packed_convolution.ts";
import { linearProduct, packedProduct } from "./products.ts";

/** Dispatches what an operation consists of. */
export function lower(operation: Operation, target: DispatchTarget): void {
  switch (operation.op) {
    case "linear":
      return linearProduct(operation, target);
    case "packed linear":
      return packedProduct(operation, target);
    case "conv":
      return convProduct(operation, target);
    case "packed conv":
      return packedConvProduct(operation, target);
    case "quantize pixels":
      return quantizePixels(operation, target);
    case "relu":
      return relu(operation, target);
    case "pointwise":
      return pointwiseStep(operation, target);
    case "quantize rows":
      return quantizeRows(operation, target);
  }
}

function relu({ x, y }: ReluOperation, target: DispatchTarget): void {
  elementwiseStep(target, reluKernel(x.dtype), [x.buffer], y, numelOf(x.shape), x.dtype);
}

function quantizeRows({ x, args, y }: QuantizeRowsOperation, target: DispatchTarget): void {
  const { productDtype: product, quantMin, quantMax, offset, inverseScale, zeroPoint } = args;
  const spec = { x: x.dtype, product, quantMin, quantMax };
  rowsStep(
    target,
    (team, whole) => quantizeRowsKernel(spec, offset, team, whole),
    [x.buffer, inverseScale, zeroPoint],
    y,
  );
}
