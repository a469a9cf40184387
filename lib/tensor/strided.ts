/**
 * What moves elements: walking a tensor by strides.
 *
 * @module
 */
import { contiguousStrides } from "../backend/strides.ts";
import { numelOf } from "../numbers/shape.ts";
import { Tensor } from "./tensor.ts";

/** The elements at strides: a view where they lie one after the other as they are. */
export function strided(
  x: Tensor,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): Tensor {
  const own = contiguousStrides(shape);
  const inPlace = offset === 0 && numelOf(shape) === x.numel &&
    shape.every((size, d) => size === 1 || strides[d] === own[d]);
  const result = inPlace ? x : x.backend.strided(x.operand, { shape, strides, offset });
  return new Tensor(x.backend, result, shape, x.dtype);
}
