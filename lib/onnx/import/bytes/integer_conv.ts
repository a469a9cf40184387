/**
 * Convolutions of bytes, exact in int32.
 *
 * @module
 */
import type { ConvWeight, PackedConvArgs } from "../../../backend/backend.ts";
import type { DType } from "../../../numbers/dtype.ts";
import { formatShape } from "../../../numbers/shape.ts";
import { checkAccumulator } from "../../../quantization/tensors/quantized_tensor.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { windowPlaces } from "../../../tensor/window.ts";

/** A weight of bytes in the order in which its device reads it. */
export class IntegerConvWeight implements Disposable {
  private readonly facts: Omit<ConvWeight, "data" | "sums">;
  private readonly data: Tensor;
  private readonly sums: Tensor | null;

  /**
   * Orders a weight. Enqueued.
   *
   * @param weight int8 or uint8, (out, in / groups, …).
   * @param zeroPoint float32, one or one an output channel; or null for 0.
   */
  constructor(readonly weight: Tensor, readonly zeroPoint: Tensor | null, groups: number) {
    const { backend } = weight;
    const { data, sums, ...facts } = backend.convWeight(weight.operand, {
      groups,
      ...(zeroPoint && {
        zeroPoint: { buffer: zeroPoint.operand.buffer, count: zeroPoint.numel },
      }),
    });
    this.facts = facts;
    const owned = (buffer: ConvWeight["data"]) =>
      new Tensor(backend, buffer, [buffer.byteLength], weight.dtype).keep();
    this.data = owned(data);
    this.sums = sums && owned(sums);
  }

  /** Whether its memory was given back. */
  get disposed(): boolean {
    return this.data.disposed;
  }

  /** The weight, as backends take it. */
  get operand(): ConvWeight {
    const { facts, data, sums } = this;
    return { ...facts, data: data.operand.buffer, sums: sums && sums.operand.buffer };
  }

  /** Frees the memory. */
  [Symbol.dispose](): void {
    this.data.dispose();
    this.sums?.dispose();
  }
}

/** Where the windows of a convolution lie. */
export interface ConvPlaces {
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: readonly (readonly [before: number, after: number])[];
}

/**
 * The convolution of bytes; what lies outside of the input is its zero point. Enqueued.
 *
 * @param xZeroPoint float32, one number, or null for 0; `zero` is what it is.
 * @param wParamCount how many scales, or multipliers, the result has.
 * @throws {RangeError} if shapes do not fit, or sums could leave int32.
 */
export function integerConv(
  x: Tensor,
  weight: IntegerConvWeight,
  { stride, dilation, padding }: ConvPlaces,
  xZeroPoint: Tensor | null,
  zero: number | undefined,
  wParamCount: number,
  result: PackedConvArgs["result"],
): Tensor {
  const where = "the integer convolution";
  const { operand: w, zeroPoint } = weight;
  if (x.ndim !== w.kernel.length + 2 || x.shape[1] !== w.channels) {
    throw new RangeError(
      `${where} of weights of shape ${formatShape(weight.weight.shape)} takes inputs of ` +
        `${w.channels} channels, got shape ${formatShape(x.shape)}`,
    );
  }
  const taps = w.kernel.reduce((product, size) => product * size, w.channels / w.groups);
  checkAccumulator(
    where,
    taps,
    rangeOf(x.dtype, zero),
    rangeOf(w.dtype, zeroPoint ? undefined : 0),
  );
  const pairs = padding.map(([before, after]) => [before, after] as const);
  const places = windowPlaces(where, x.shape.slice(2), w.kernel, {
    stride,
    dilation,
    padding: pairs,
  });
  const y = x.backend.packedConv(x.channelsLast, w, {
    ...places,
    xZeroPoint: xZeroPoint && xZeroPoint.operand.buffer,
    wZeroPoint: zeroPoint && zeroPoint.operand.buffer,
    wParamCount,
    result,
  });
  const shape = [x.shape[0], w.outChannels, ...places.output];
  return Tensor.channelsLast(x.backend, y, shape, result.dtype);
}

/** The range of a type whose zero point is known or not, as the check of sums takes it. */
function rangeOf({ min, max }: DType, zero: number | undefined) {
  const zeroPoints = zero === undefined ? undefined : [zero, zero] as const;
  return { quantMin: min, quantMax: max, zeroPoints };
}
