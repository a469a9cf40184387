/**
 * Tensors of images that are walked pixel by pixel, the way those lie in memory that have their channels
 * last: what is computed element by element need not bring them into another order first.
 *
 * @module
 */
import type { ChannelsLast, Operand } from "../backend/backend.ts";
import { numelOf } from "../numbers/shape.ts";
import type { Tensor } from "./tensor.ts";

/**
 * A tensor that broadcasts to `rank` dimensions, for a walk pixel by pixel. One of full rank is read from
 * rows, unless it has so few elements or so few channels that its order hardly matters.
 */
function pixelsOf(t: Tensor, rank: number): Operand | ChannelsLast {
  const [, channels, ...spatial] = t.shape;
  const plain = t.ndim < rank || channels === 1 || numelOf(spatial) === 1;
  return plain ? t.operand : t.channelsLast;
}

/**
 * Tensors that broadcast to `shape` as operands of a result that has its channels last.
 *
 * @returns undefined unless one of them has.
 */
export function pixelOperands(
  tensors: readonly Tensor[],
  shape: readonly number[],
): (Operand | ChannelsLast)[] | undefined {
  // Of one channel the order is the same, and rows would be filled up with zeros.
  if (shape.length < 3 || shape[1] === 1 || numelOf(shape) === 0) return undefined;
  const lying = tensors.filter((t) => t.ndim === shape.length && t.isChannelsLast);
  // One pixel lies in order both ways, and says nothing of the others.
  const says = lying.some((t) => numelOf(t.shape.slice(2)) > 1 || numelOf(shape.slice(2)) === 1);
  return says ? tensors.map((t) => pixelsOf(t, shape.length)) : undefined;
}

/**
 * Tensors of the same number of dimensions, all with their channels last.
 *
 * @returns undefined unless one of them has.
 */
export function imageOperands(tensors: readonly Tensor[]): ChannelsLast[] | undefined {
  const says = tensors.some((t) => t.ndim > 2 && t.numel > 0 && t.isChannelsLast);
  return says ? tensors.map((t) => t.channelsLast) : undefined;
}
