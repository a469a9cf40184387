/**
 * The integer convolution.
 *
 * @module
 */
import { Conv2d } from "../../nn/conv2d.ts";
import type { PaddingMode } from "../../nn/convolution.ts";
import { batched } from "../../nn/batched.ts";
import { python } from "../../nn/python_text.ts";
import type { DType } from "../../numbers/dtype.ts";
import { formatShape, numelOf } from "../../numbers/shape.ts";
import { PreparedConvWeight } from "../../tensor/conv.ts";
import { pad } from "../../tensor/movement.ts";
import { checkSameDevice } from "../../tensor/ops.ts";
import { checkTensor, Tensor } from "../../tensor/tensor.ts";
import { type Padding, type WindowPlaces, windowPlaces } from "../../tensor/window.ts";
import type { AffineQuantizedTensor } from "../tensors/quantized_tensor.ts";
import { registerLayerFamily } from "./layer_family.ts";
import { registerLayerKind } from "./layer_kind.ts";
import { ObservedConv2d } from "./observed_conv2d.ts";
import { type QuantizedLayerParts, quantizeObserved } from "./quantize_observed.ts";
import { partsOfLayer, partsOfSaved, StaticQuantizedLayer } from "./static_quantized_layer.ts";

/** The window of a convolution and its steps, as `Conv2d` has them. */
export interface ConvGeometry {
  /** Steps between outputs, one a dimension. */
  readonly stride: readonly number[];
  /** What is added on both sides, one a dimension, or "same" or "valid". */
  readonly padding: readonly number[] | "same" | "valid";
  /** Steps between weights, one a dimension. */
  readonly dilation: readonly number[];
  /** Parts that channels fall into. */
  readonly groups: number;
  /** What is read outside of the input. */
  readonly paddingMode: PaddingMode;
}

/** The geometry of a float convolution. */
function geometryOf({ stride, padding, dilation, groups, paddingMode }: Conv2d): ConvGeometry {
  return { stride, padding, dilation, groups, paddingMode };
}

/** Throws unless the integer convolution takes a weight, and says how many products a sum holds. */
function checkWeight(where: string, { shape, blockSize }: AffineQuantizedTensor): number {
  const whole = blockSize.every((size, d) => size === shape[d]);
  const rows = blockSize[0] === 1 && blockSize.every((size, d) => d === 0 || size === shape[d]);
  if (shape.length === 4 && (whole || rows)) return numelOf(shape.slice(1));
  throw new RangeError(
    `${where}: the integer convolution takes a weight (out, in / groups, height, width) with one scale ` +
      `for all or one an output channel, not ${formatShape(shape)} in blocks of ${
        formatShape(blockSize)
      }; ` +
      `observe it with PerTensor or PerAxis(0)`,
  );
}

/**
 * A convolution that multiplies integers: it quantizes its input with a fixed scale, adds up products of
 * bytes in an exact int32 accumulator, and scales the result. With `qx` and `qw` the integers that lie under a
 * window:
 *
 * `y[n] = sx·sw[n]·Σ (qx − zx)·(qw[n] − zw[n]) + b[n]`
 *
 * What lies outside of the input is 0, so its zero point. The accumulator has the same bits on every device.
 * Made by {@linkcode QuantizedConv2d.fromObserved}, usually through `quantize_`.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, Conv2d, type Granularity, insertObservers_, isObserved, MappingType,
 *   PerAxis, PerTensor, quantize_, randn, ReLU, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 * const m = new Sequential({ conv: new Conv2d(3, 8, 3, { padding: 1 }), relu: new ReLU() });
 * const observer = (granularity: Granularity) =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
 * insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0)));
 * m.forward(randn([1, 3, 16, 16]));
 * await quantize_(m, new StaticQuantConfig(uint8), isObserved);
 * console.log(String(m)); // Sequential( (conv): QuantizedConv2d(3, 8, …) (relu): ReLU() )
 * ```
 */
export class QuantizedConv2d extends StaticQuantizedLayer {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedConv2d";

  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** Sizes of the window. */
  readonly kernelSize: readonly number[];
  /** The window's steps, and what lies around the input. */
  readonly geometry: ConvGeometry;
  private ready: PreparedConvWeight;

  /**
   * A layer of parts that are already quantized.
   *
   * @param parts weight, bias and fixed input range.
   * @param geometry the window's steps, and what lies around the input.
   * @throws {RangeError} if the parts do not fit together, or a window holds more products than an int32
   * accumulator can take.
   */
  constructor(parts: QuantizedLayerParts, geometry: ConvGeometry) {
    const where = "QuantizedConv2d";
    super(where, parts, () => checkWeight(where, parts.qweight));
    const [outChannels, second, ...kernel] = this.qweight.shape;
    this.outChannels = outChannels;
    this.inChannels = second * geometry.groups;
    this.kernelSize = kernel;
    this.geometry = geometry;
    this.ready = this.readied();
  }

  /** The weight in the order in which its device reads it. */
  private readied(): PreparedConvWeight {
    const { qweight, geometry: { groups }, params: { wZeroPoint } } = this;
    using integers = qweight.intData();
    return new PreparedConvWeight(integers, { groups, zeroPoint: wZeroPoint });
  }

  /** Derives what the kernels read anew. */
  protected override tensorsChanged(): void {
    super.tensorsChanged();
    this.ready.dispose();
    this.ready = this.readied();
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
    observed: ObservedConv2d,
    targetDtype: DType,
    weightDtype: DType = targetDtype,
  ): Promise<QuantizedConv2d> {
    const parts = await quantizeObserved(observed, targetDtype, weightDtype);
    return new QuantizedConv2d(parts, geometryOf(observed));
  }

  /**
   * The layer's output: quantize, multiply integers, scale. Enqueued.
   *
   * @param x float, shape (N, inChannels, H, W), or without N.
   * @returns (N, outChannels, H', W'), as of the float layer, in the dtype of `x`.
   * @throws {RangeError} if the shape does not fit.
   */
  override forward(x: Tensor): Tensor {
    const where = this.displayName;
    checkTensor(where, x);
    if (!x.dtype.isFloat) {
      throw new TypeError(`${where}: expected a float input, got ${x.dtype.name}`);
    }
    checkSameDevice(where, x, this.actScale);
    return batched(where, x, 2, (x) => {
      if (x.shape[1] !== this.inChannels) {
        throw new RangeError(
          `${where}: expected an input of ${this.inChannels} channels, got one of shape ${
            formatShape(x.shape)
          }`,
        );
      }
      const { padding, paddingMode } = this.geometry;
      if (paddingMode === "zeros") return this.convolve(x, padding);
      const { before, after } = this.places(x, padding);
      const edges = before.map((size, d) => [size, after[d]]).reverse().flat();
      using wider = pad(x, edges, { mode: paddingMode });
      return this.convolve(wider, 0);
    });
  }

  /** Where the windows lie. */
  private places(x: Tensor, padding: Padding): WindowPlaces {
    const { stride, dilation } = this.geometry;
    const options = { stride, dilation, padding };
    return windowPlaces(this.displayName, x.shape.slice(2), this.kernelSize, options);
  }

  /** The operation itself, with zeros outside of the input. */
  private convolve(x: Tensor, padding: Padding): Tensor {
    const { output, stride, before, dilation } = this.places(x, padding);
    const { backend, shape, dtype } = x;
    const { xScale, xZeroPoint, wScale, wZeroPoint } = this.params;
    const { bias, ready, outChannels } = this;
    using bytes = this.takesBytes(x) ? x.intRepr() : this.quantized(x);
    const y = backend.packedConv(bytes.channelsLast, ready.operand, {
      ...{ output, stride, before, dilation },
      xZeroPoint: this.actSymmetric ? null : xZeroPoint.operand.buffer,
      wZeroPoint: wZeroPoint && wZeroPoint.operand.buffer,
      wParamCount: wScale.numel,
      result: {
        kind: "floats",
        xScale: xScale.operand.buffer,
        wScale: wScale.operand.buffer,
        bias: bias && bias.operand,
        dtype,
      },
    });
    return this.given(
      Tensor.channelsLast(backend, y, [shape[0], outChannels, ...output], dtype),
    );
  }

  /** The input's bytes. */
  private quantized(x: Tensor): Tensor {
    const { backend, shape } = x;
    const pixels = x.isChannelsLast ? x.channelsLast : x.operand;
    const buffer = backend.quantizePixels(pixels, this.inputArgs(x));
    return Tensor.channelsLast(backend, buffer, shape, this.targetDtype);
  }

  /** Outputs as the layer gives them: floats, or bytes. */
  private given(y: Tensor): Tensor {
    const { backend, dtype, shape } = y;
    const args = this.outputArgs(dtype);
    if (!args) return y;
    const buffer = backend.quantizePixels(y.channelsLast, args);
    y.dispose();
    using bytes = Tensor.channelsLast(backend, buffer, shape, args.outputDtype);
    return Tensor.fromBytes(bytes, { ...this.output!, dtype });
  }

  /** PyTorch's words for the settings. */
  override extraRepr(): string {
    const { stride, padding, groups } = this.geometry;
    const sizes = `kernel_size=${python(this.kernelSize)}, stride=${python(stride)}`;
    const around = typeof padding === "string" ? padding : python(padding);
    return `${this.inChannels}, ${this.outChannels}, ${sizes}, padding=${around}` +
      (groups === 1 ? "" : `, groups=${groups}`) + this.outputRepr();
  }
}

registerLayerKind({
  name: "QuantizedConv2d",
  type: QuantizedConv2d,
  input: "static",
  zeroPoint: true,
  weightName: "qweight",
  parts: partsOfLayer,
  build: (parts, float) => {
    const geometry = float instanceof QuantizedConv2d
      ? float.geometry
      : geometryOf(float as Conv2d);
    return new QuantizedConv2d(partsOfSaved(parts), geometry);
  },
});

registerLayerFamily({
  type: Conv2d,
  observedType: ObservedConv2d,
  channelDim: -3,
  observe: ObservedConv2d.fromFloat,
  quantize: (observed, parts) => new QuantizedConv2d(parts, geometryOf(observed)),
});
