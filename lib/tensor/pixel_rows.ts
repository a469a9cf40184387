/**
 * Tensors that have their channels last, moved along dimensions as they lie: rows of channels go where they
 * belong, zeros at their ends included.
 *
 * @module
 */
import type { DeviceBuffer, Operand } from "../backend/backend.ts";
import { fillsRows, rowStride } from "../backend/channels_last.ts";
import type { DType } from "../numbers/dtype.ts";
import { Tensor } from "./tensor.ts";

/** A tensor's memory as it lies: a contiguous operand, and what becomes of dimensions and results. */
export interface Lying {
  readonly operand: Operand;
  /** The operand's dimension that is the tensor's dimension `d`. */
  readonly at: (d: number) => number;
  /** A tensor of memory that lies in the same order; of the same dtype unless one is given. */
  readonly tensor: (buffer: DeviceBuffer, shape: readonly number[], dtype?: DType) => Tensor;
}

/** Whether a tensor is an image, or the like, whose elements lie pixel by pixel. */
export function liesInPixels(x: Tensor): boolean {
  return x.ndim > 2 && x.isChannelsLast;
}

/**
 * A tensor with its channels last: its rows are the last dimension, up to the zeros at their ends. Unsigned
 * bytes are less by 128 there.
 */
export function pixelRows(x: Tensor): Lying {
  const { buffer, dtype } = x.channelsLast;
  const [n, channels, ...spatial] = x.shape;
  return {
    operand: { buffer, dtype, shape: [n, ...spatial, rowStride(channels, dtype)] },
    at: (d) => d === 0 ? 0 : d === 1 ? spatial.length + 1 : d - 1,
    tensor: (y, shape, type = dtype) => Tensor.channelsLast(x.backend, y, shape, type),
  };
}

/** A tensor with its elements in order. */
function inOrder(x: Tensor): Lying {
  const { backend, dtype, operand } = x;
  return {
    operand,
    at: (d) => d,
    tensor: (y, shape, type = dtype) => new Tensor(backend, y, shape, type),
  };
}

/** A tensor as it lies, to be walked along dimension `dim`: zeros at the ends of rows are no channels. */
export function lying(x: Tensor, dim: number): Lying {
  const whole = dim !== 1 || fillsRows(x.shape[1], x.dtype);
  return liesInPixels(x) && whole ? pixelRows(x) : inOrder(x);
}
