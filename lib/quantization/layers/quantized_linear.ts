/**
 * The integer layer.
 *
 * @module
 */
import type { PackedRows } from "../../backend/backend.ts";
import { byteOffset } from "../../backend/channels_last.ts";
import { Linear } from "../../nn/linear.ts";
import type { DType } from "../../numbers/dtype.ts";
import { asRows, checkLinearShapes, checkSameDevice } from "../../tensor/ops.ts";
import { checkTensor, Tensor } from "../../tensor/tensor.ts";
import { ObservedLinear } from "./observed_linear.ts";
import { type QuantizedLayerParts, quantizeObserved } from "./quantize_observed.ts";
import { accumulated, checkIntegerWeight, releaseRows } from "../tensors/quantized_tensor.ts";
import { registerStaticLayer, StaticQuantizedLayer } from "./static_quantized_layer.ts";

/** What a {@linkcode QuantizedLinear} consists of. */
export type QuantizedLinearParts = QuantizedLayerParts;

/**
 * A linear layer that multiplies integers: it quantizes its input with a fixed scale, multiplies
 * bytes with an exact int32 accumulator, and scales the result:
 *
 * `y[m, n] = sx·sw[n]·(Σ qx·qw − zx·Σ qw[n] − zw[n]·Σ qx[m] + K·zx·zw[n]) + b[n]`
 *
 * The accumulator has the same bits on every device. A weight of at most 4 bits lies two elements a
 * byte and may have a scale and a zero point for each group `g` of its rows, whose sums are exact too:
 *
 * `y[m, n] = sx·Σ_g sw[n, g]·Σ (qx − zx)·(qw − zw[n, g]) + b[n]`
 *
 * Made by {@linkcode QuantizedLinear.fromObserved},
 * usually through `quantize_`.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, type Granularity, insertObservers_, isObservedLinear, Linear,
 *   MappingType, PerAxis, PerTensor, quantize_, randn, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ fc: new Linear(64, 32) });
 * const observer = (granularity: Granularity) =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
 * insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0)));
 * m.forward(randn([8, 64]));
 * await quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
 * console.log(String(m)); // Sequential( (fc): QuantizedLinear() )
 * ```
 */
export class QuantizedLinear extends StaticQuantizedLayer {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedLinear";

  /** Size of each input row. */
  readonly inFeatures: number;
  /** Size of each output row. */
  readonly outFeatures: number;

  /**
   * A layer of parts that are already quantized.
   *
   * @param parts weight, bias and fixed input range.
   * @throws {RangeError} if the parts do not fit together or inFeatures is beyond what an int32
   * accumulator can take.
   */
  constructor(parts: QuantizedLinearParts) {
    const where = "QuantizedLinear";
    super(where, parts, () => {
      checkIntegerWeight(where, parts.qweight);
      return accumulated(parts.qweight);
    });
    [this.outFeatures, this.inFeatures] = this.qweight.shape;
    this.qweight.packedRows({ sums: this.needsSums });
  }

  /** Derives the kernels' parameters anew. */
  protected override tensorsChanged(): void {
    super.tensorsChanged();
    this.qweight.packedRows({ sums: this.needsSums });
  }

  /**
   * The integer layer for what an observed one has seen. Waits for the observers.
   *
   * @param observed the calibrated layer.
   * @param targetDtype the 8-bit dtype of inputs; the one that their observer was made for.
   * @param weightDtype the 8-bit dtype of the weight, likewise; the same by default.
   * @throws {Error} if the observers saw nothing, or a NaN or an infinity.
   * @throws {TypeError} if the observers were made for another dtype.
   */
  static async fromObserved(
    observed: ObservedLinear,
    targetDtype: DType,
    weightDtype: DType = targetDtype,
  ): Promise<QuantizedLinear> {
    return new QuantizedLinear(await quantizeObserved(observed, targetDtype, weightDtype));
  }

  /**
   * The layer's output: quantize, multiply integers, scale.
   *
   * @param x float, shape (…, inFeatures).
   * @returns shape (…, outFeatures), the dtype of `x`; quantized if the output was observed. Enqueued.
   * @throws {RangeError} if the last dimension of `x` is not inFeatures.
   */
  override forward(x: Tensor): Tensor {
    const where = this.displayName;
    checkTensor(where, x);
    if (!x.dtype.isFloat) {
      throw new TypeError(`${where}: expected a float input, got ${x.dtype.name}`);
    }
    checkLinearShapes(where, x, this.qweight.shape, null);
    checkSameDevice(where, x, this.actScale);
    const { backend } = x;
    const { leading, rows } = asRows(x);
    using matrix = rows;
    using bytes = this.takesBytes(x) ? x.intRepr(matrix.shape) : null;
    const { xScale, xZeroPoint, wScale, wZeroPoint } = this.params;
    const packed = bytes ? rowsOf(bytes) : backend.quantizeRows(matrix.operand, this.inputArgs(x));
    try {
      const y = backend.packedLinear(packed, this.qweight.packedRows({ sums: this.needsSums }), {
        xScale: xScale.operand.buffer,
        xZeroPoint: this.actSymmetric ? null : xZeroPoint.operand.buffer,
        wScale: wScale.operand.buffer,
        wZeroPoint: wZeroPoint && wZeroPoint.operand.buffer,
        wParamCount: wScale.numel,
        bias: this.bias && this.bias.operand,
        outputDtype: x.dtype,
      });
      return this.given(
        new Tensor(backend, y, [matrix.shape[0], this.outFeatures], x.dtype),
        leading,
      );
    } finally {
      if (!bytes) releaseRows(backend, packed);
    }
  }

  /** What the bytes of the output stand for. */
  override extraRepr(): string {
    return this.outputRepr().slice(2);
  }

  /** Rows of outputs as the layer gives them: floats, or bytes. */
  private given(rows: Tensor, leading: readonly number[]): Tensor {
    using y = rows;
    const { backend, dtype } = y;
    const shape = [...leading, this.outFeatures];
    const args = this.outputArgs(dtype);
    if (!args) return y.reshape(shape);
    const { data, sums } = backend.quantizeRows(y.operand, args);
    if (sums) backend.release(sums);
    using bytes = Tensor.channelsLast(backend, data, y.shape, args.outputDtype);
    return Tensor.fromBytes(bytes, { ...this.output!, shape, dtype });
  }
}

/** Bytes of a matrix as the kernels read them. */
function rowsOf(bytes: Tensor): PackedRows {
  const [rows, k] = bytes.shape;
  const offset = byteOffset(bytes.dtype);
  const { buffer: data } = bytes.channelsLast;
  return { data, sums: null, rows, k, bits: 8, groupSize: k, offset };
}

registerStaticLayer({
  floatType: Linear,
  observedType: ObservedLinear,
  type: QuantizedLinear,
  channelDim: -1,
  build: (parts) => new QuantizedLinear(parts),
});
