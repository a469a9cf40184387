/**
 * Convolutions of bytes, exact in int32.
 *
 * @module
 */
import type { PackedConvArgs } from "../../../backend/backend.ts";
import { formatShape } from "../../../numbers/shape.ts";
import { checkAccumulator } from "../../../quantization/tensors/quantized_tensor.ts";
import type { PreparedConvWeight } from "../../../tensor/conv.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { transposedPlaces, windowPlaces } from "../../../tensor/window.ts";
import { rangeOf } from "./byte_type.ts";

/** Where the windows of a convolution lie. */
export interface ConvPlaces {
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: readonly (readonly [before: number, after: number])[];
  /** What a transposed convolution is longer by at its end. */
  readonly outputPadding?: readonly number[];
}

/** What is taken from bytes before they are multiplied. */
export interface ConvZeroPoints {
  /** That of the input: float32, one number, or null for 0. */
  readonly x: Tensor | null;
  /** What that is, if it is known. */
  readonly xValue: number | undefined;
  /** Those of the weight: float32, one or one an output channel, or null for 0. */
  readonly w: Tensor | null;
}

/**
 * The convolution of bytes; what lies outside of the input is its zero point. Enqueued.
 *
 * @param wParamCount how many scales, or multipliers, the result has.
 * @throws {RangeError} if shapes do not fit, or sums could leave int32.
 */
export function integerConv(
  x: Tensor,
  weight: PreparedConvWeight,
  { stride, dilation, padding, outputPadding }: ConvPlaces,
  zeroPoints: ConvZeroPoints,
  wParamCount: number,
  result: PackedConvArgs["result"],
): Tensor {
  const where = "the integer convolution";
  const w = weight.operand;
  if (x.ndim !== w.kernel.length + 2 || x.shape[1] !== w.channels) {
    throw new RangeError(
      `${where} of weights of shape ${formatShape(weight.shape)} takes inputs of ` +
        `${w.channels} channels, got shape ${formatShape(x.shape)}`,
    );
  }
  const taps = w.kernel.reduce((product, size) => product * size, w.channels / w.groups);
  checkAccumulator(
    where,
    taps,
    rangeOf(x.dtype, zeroPoints.xValue),
    rangeOf(w.dtype, zeroPoints.w ? undefined : 0),
  );
  const pairs = padding.map(([before, after]) => [before, after] as const);
  const options = { stride, dilation, padding: pairs };
  const sizes = x.shape.slice(2);
  const places = w.transposed
    ? transposedPlaces(where, sizes, w.kernel, { ...options, outputPadding })
    : windowPlaces(where, sizes, w.kernel, options);
  const y = x.backend.packedConv(x.channelsLast, w, {
    ...places,
    xZeroPoint: zeroPoints.x && zeroPoints.x.operand.buffer,
    wZeroPoint: zeroPoints.w && zeroPoints.w.operand.buffer,
    wParamCount,
    result,
  });
  const shape = [x.shape[0], w.outChannels, ...places.output];
  return Tensor.channelsLast(x.backend, y, shape, result.dtype);
}
