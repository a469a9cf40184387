/**
 * Inputs without a batch, as PyTorch's layers take them too.
 *
 * @module
 */
import { checkTensor, type Tensor } from "../tensor/tensor.ts";
import { checkDims } from "./layer_arguments.ts";

/** Runs `compute` with a batch around an input that has none, and takes it off the result. */
export function batched(
  where: string,
  x: Tensor,
  spatial: number,
  compute: (x: Tensor) => Tensor,
): Tensor {
  checkTensor(where, x);
  const sizes = ["L", "H, W", "D, H, W"][spatial - 1];
  checkDims(where, x, [spatial + 1, spatial + 2], `(N, C, ${sizes}) or (C, ${sizes})`);
  if (x.ndim === spatial + 2) return compute(x);
  using batch = x.reshape(1, ...x.shape);
  using y = compute(batch);
  return y.reshape(y.shape.slice(1));
}
