/**
 * Convolutions as backends take them: sizes, and weights that were made ready.
 *
 * @module
 */
import type { DType } from "../numbers/dtype.ts";
import type { DeviceBuffer, Operand } from "./operand.ts";
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
  /** Zero points of bytes, float32: one, or one an output channel. None if they are 0. */
  readonly zeroPoint?: { readonly buffer: DeviceBuffer; readonly count: number };
}

/** A weight made ready by a backend, which alone looks inside of its buffer. */
export interface ConvWeight {
  /** The elements, in an order of the backend's. */
  readonly data: DeviceBuffer;
  /** Of bytes, what the backend needs to take zero points out. */
  readonly sums: DeviceBuffer | null;
  /** Their dtype: that of the inputs, or int8 or uint8. */
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

/** Sums of bytes as floats: `f32(sum)·(xScale·wScale[n]) + bias[n]`, clipped. */
export interface ConvFloats {
  /** Tells it from the other. */
  readonly kind: "floats";
  /** One scale, float32. */
  readonly xScale: DeviceBuffer;
  /** Scales, float32: one, or one an output channel. */
  readonly wScale: DeviceBuffer;
  /** One number an output channel, or null. */
  readonly bias: Operand | null;
  /** A float dtype, or int32 for the sums themselves (no scales, no bias, no clip). */
  readonly dtype: DType;
}

/**
 * Sums of bytes as bytes, as onnxruntime's CPU kernels of QLinearConv and QGemm have it:
 * `clamp(roundHalfEven(f32(sum + bias[n])·multiplier[n]) + zeroPoint)`, with
 * `multiplier = (xScale·wScale[n]) / yScale`, each step rounded in float32.
 */
export interface ConvBytes {
  /** Tells it from the other. */
  readonly kind: "bytes";
  /** Float32: one, or one an output channel. */
  readonly multiplier: DeviceBuffer;
  /** int32, one number an output channel, or null. */
  readonly bias: Operand | null;
  /** One zero point of the result, float32. */
  readonly zeroPoint: DeviceBuffer;
  /** The least integer to give. */
  readonly quantMin: number;
  /** The greatest integer to give. */
  readonly quantMax: number;
  /** int8 or uint8. */
  readonly dtype: DType;
}

/**
 * Arguments of a convolution of bytes. Zero points are float32 and those of the integers as quantized;
 * what lies outside of the input is its zero point.
 */
export interface PackedConvArgs extends ConvArgs {
  /** One zero point of the input; null if it is 0. */
  readonly xZeroPoint: DeviceBuffer | null;
  /** As many zero points of the weight as it has scales; null if they are 0. */
  readonly wZeroPoint: DeviceBuffer | null;
  /** How many scales, or multipliers, the weight has: one, or one an output channel. */
  readonly wParamCount: number;
  /** What becomes of the exact int32 sums. */
  readonly result: ConvFloats | ConvBytes;
}

/** The facts of a weight of this shape. */
export function convWeightFacts(
  shape: readonly number[],
  { groups, transposed = false }: ConvWeightArgs,
): Omit<ConvWeight, "data" | "sums" | "dtype"> {
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
  { channels, outChannels, groups, dtype }: Omit<ConvWeight, "data" | "sums">,
): number {
  const fills = (size: number) => rowStride(size, dtype) === size;
  for (let together = 1; together < groups; together++) {
    if (groups % together > 0) continue;
    const share = together / groups;
    if (fills(channels * share) && fills(outChannels * share)) return together;
  }
  return groups;
}
