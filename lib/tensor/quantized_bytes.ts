/**
 * What can be done to a quantized tensor by its bytes alone, so that no floats are made of them: moving them,
 * choosing among them, cutting them off.
 *
 * @module
 */
import { Tensor } from "./tensor.ts";

/**
 * What moves elements, or chooses among them by their order, does so with the bytes of a quantized tensor; their
 * scale stays. Any other tensor is moved as it is.
 */
export function onBytes(x: Tensor, move: (x: Tensor) => Tensor): Tensor {
  if (!x.isQuantized) return move(x);
  using bytes = x.intRepr();
  using moved = move(bytes);
  return likeQuantized(x, moved);
}

/** Bytes that stand for what those of `x` do. */
export function likeQuantized(x: Tensor, bytes: Tensor): Tensor {
  return Tensor.fromBytes(bytes, { ...x.qParams(), dtype: x.dtype });
}

/** Whether bytes of two tensors stand for the same. */
export function sameBytes(x: Tensor, y: Tensor): boolean {
  return x.isQuantized && y.isQuantized && x.dtype === y.dtype && x.qDtype() === y.qDtype() &&
    x.qScale() === y.qScale() && x.qZeroPoint() === y.qZeroPoint();
}

/** `max(x, 0)` of a quantized tensor: no byte stays below the one that stands for 0. Enqueued. */
export function reluOfBytes(x: Tensor): Tensor {
  const { backend, shape } = x;
  using bytes = x.intRepr();
  const { zeroPoint, quantMin } = x.qParams();
  if (zeroPoint <= quantMin) return x.reshape(shape);
  const expression = { steps: [["maximum", "x0", "i0"] as const], constants: [zeroPoint] };
  const last = bytes.isChannelsLast && shape.length > 2;
  using y = last
    ? Tensor.channelsLast(
      backend,
      backend.pointwise(expression, [bytes.channelsLast], shape, bytes.dtype, "channels last"),
      ...[shape, bytes.dtype] as const,
    )
    : new Tensor(
      backend,
      backend.pointwise(expression, [bytes.operand], shape, bytes.dtype),
      shape,
      bytes.dtype,
    );
  return Tensor.fromBytes(y, { ...x.qParams(), quantMin: zeroPoint, dtype: x.dtype });
}
