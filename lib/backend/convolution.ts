/**
 * Convolutions as backends take them: sizes, and weights that were made ready.
 *
 * @module
 */
import type { DType } from "../numbers/dtype.ts";
import type { DeviceBuffer } from "./operand.ts";
import { rowStride } from "./channels_last.ts";

/** What becomes of outputs last: those beyond are brought to the ends, a NaN stays one. */
export interface Clip {
  /** The least output, or −∞. */
  readonly min: number;
  /** The greatest output, or ∞. */
  readonly max: number;
}

/** `max(x, 0)` as a clip. */
export const RELU_CLIP: Clip = { min: 0, max: Infinity };

/** Arguments of a convolution besides its operands; lists have one number a spatial dimension. */
export interface ConvArgs {
  /** Sizes of the output's spatial dimensions. */
  readonly output: readonly number[];
  /** How far apart neighbouring outputs read; of a transposed one, how far apart inputs write. */
  readonly stride: readonly number[];
  /** How many zeros stand before the input; of a transposed one, outputs cut off at the beginning. */
  readonly before: readonly number[];
  /** How far apart the taps of the kernel are. */
  readonly dilation: readonly number[];
  /** What becomes of outputs; nothing by default. */
  readonly clip?: Clip;
}

/** What a weight is: as PyTorch has it, (out, in / groups, …), or transposed (in, out / groups, …). */
export interface ConvWeightArgs {
  /** Parts that channels fall into, each convolved by itself. */
  readonly groups: number;
  /** Whether the convolution is a transposed one; false by default. */
  readonly transposed?: boolean;
}

/** A weight made ready by a backend, which alone looks inside of its buffer. */
export interface ConvWeight {
  /** The elements, in an order of the backend's. */
  readonly data: DeviceBuffer;
  /** Their dtype. */
  readonly dtype: DType;
  /** Channels of the input. */
  readonly channels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** Sizes of the kernel. */
  readonly kernel: readonly number[];
  /** Parts that channels fall into. */
  readonly groups: number;
  /** Whether it is of a transposed convolution. */
  readonly transposed: boolean;
}

/** The facts of a weight of this shape. */
export function convWeightFacts(
  shape: readonly number[],
  { groups, transposed = false }: ConvWeightArgs,
): Omit<ConvWeight, "data" | "dtype"> {
  const [first, second, ...kernel] = shape;
  const [channels, outChannels] = transposed ? [first, second * groups] : [second * groups, first];
  return { channels, outChannels, kernel, groups, transposed };
}

/** Whether each channel is convolved by itself into one of the output. */
export function isDepthwise(w: Pick<ConvWeight, "channels" | "outChannels" | "groups">): boolean {
  return w.groups > 1 && w.groups === w.channels && w.channels === w.outChannels;
}

/**
 * How many groups are taken together, with zeros for the weights between them, so that each has whole
 * 16-byte vectors of channels; all where no smaller number does it.
 */
export function groupsTogether(
  { channels, outChannels, groups, dtype }: Omit<ConvWeight, "data">,
): number {
  const fills = (size: number) => rowStride(size, dtype) === size;
  for (let together = 1; together < groups; together++) {
    if (groups % together > 0) continue;
    const share = together / groups;
    if (fills(channels * share) && fills(outChannels * share)) return together;
  }
  return groups;
}
