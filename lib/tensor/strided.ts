/**
 * What moves elements: walking a tensor by strides.
 *
 * @module
 */
import { byteOffset, fillsRows } from "../backend/channels_last.ts";
import { pixelOrder } from "../backend/pixel_walk.ts";
import { contiguousStrides } from "../backend/strides.ts";
import { numelOf } from "../numbers/shape.ts";
import { liesInPixels, pixelRows } from "./pixel_rows.ts";
import { Tensor } from "./tensor.ts";

/** Whether a tensor is read where it lies pixel by pixel. */
function readInPixels(x: Tensor): boolean {
  return liesInPixels(x) && byteOffset(x.dtype) === 0;
}

/** How far apart in memory neighbours along each dimension of a tensor lie. */
export function stridesOf(x: Tensor): number[] {
  if (!readInPixels(x)) return contiguousStrides(x.shape);
  const { operand, at } = pixelRows(x);
  const own = contiguousStrides(operand.shape);
  return x.shape.map((_, d) => own[at(d)]);
}

/** Whether strides walk all elements one after the other. */
function inOrder(shape: readonly number[], strides: readonly number[]): boolean {
  const own = contiguousStrides(shape);
  return shape.every((size, d) => size === 1 || strides[d] === own[d]);
}

/**
 * The elements at strides, counted as {@linkcode stridesOf} does: a view where they lie one after the other
 * as they are, be it in order or pixel by pixel. What has neighbouring channels side by side keeps them so.
 */
export function strided(
  x: Tensor,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): Tensor {
  const { backend, dtype } = x;
  const pixels = readInPixels(x);
  const from = pixels ? "channels last" : "contiguous";
  const whole = offset === 0 && numelOf(shape) === x.numel &&
    (!pixels || fillsRows(x.shape[1], dtype));
  if (whole && inOrder(shape, strides)) return Tensor.view(x, [from, "contiguous"], shape);
  const rows = shape.length > 2 && strides[1] === 1 && shape[1] > 1 && fillsRows(shape[1], dtype) &&
    byteOffset(dtype) === 0;
  const operand = pixels ? pixelRows(x).operand : x.operand;
  if (!rows) {
    const y = backend.strided(operand, { shape, strides, offset });
    return new Tensor(backend, y, shape, dtype);
  }
  const walked = { shape: pixelOrder(shape), strides: pixelOrder(strides), offset };
  if (whole && inOrder(walked.shape, walked.strides)) {
    return Tensor.view(x, [from, "channels last"], shape);
  }
  return Tensor.channelsLast(backend, backend.strided(operand, walked), shape, dtype);
}
