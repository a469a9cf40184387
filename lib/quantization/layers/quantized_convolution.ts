/**
 * What integer convolutions have in common, over however many dimensions, plain or transposed.
 *
 * @module
 */
import { batched } from "../../nn/batched.ts";
import type { PaddingMode } from "../../nn/convolution.ts";
import { python } from "../../nn/python_text.ts";
import type { DType } from "../../numbers/dtype.ts";
import { formatShape, numelOf } from "../../numbers/shape.ts";
import { PreparedConvWeight } from "../../tensor/conv.ts";
import { pad } from "../../tensor/movement.ts";
import { checkSameDevice } from "../../tensor/ops.ts";
import { checkTensor, Tensor } from "../../tensor/tensor.ts";
import { transposedPlaces, type WindowPlaces, windowPlaces } from "../../tensor/window.ts";
import type { AffineQuantizedTensor } from "../tensors/quantized_tensor.ts";
import { swapChannels } from "./output_first.ts";
import { type QuantizedLayerParts, quantizeObserved } from "./quantize_observed.ts";
import {
  registerStaticLayer,
  type StaticLayer,
  StaticQuantizedLayer,
} from "./static_quantized_layer.ts";
import type { ObservedLayer, WeightedLayer } from "./weighted_layer.ts";

/** The window of a convolution and its steps, as `Conv2d` and its like have them. */
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

/** The window of a transposed convolution and its steps, as `ConvTranspose2d` and its like have them. */
export interface ConvTransposeGeometry {
  /** Steps between windows in the output, one a dimension. */
  readonly stride: readonly number[];
  /** What is taken off both sides, one a dimension. */
  readonly padding: readonly number[];
  /** What is added to one side, one a dimension. */
  readonly outputPadding: readonly number[];
  /** Steps between weights, one a dimension. */
  readonly dilation: readonly number[];
  /** Parts that channels fall into. */
  readonly groups: number;
}

/** Whether windows are written instead of read. */
export function isTransposed(
  geometry: ConvGeometry | ConvTransposeGeometry,
): geometry is ConvTransposeGeometry {
  return "outputPadding" in geometry;
}

/** The geometry alone, of a layer that has it among other things. */
function geometryOf<G extends ConvGeometry | ConvTransposeGeometry>(layer: G): G {
  const { stride, padding, dilation, groups } = layer;
  const own = isTransposed(layer)
    ? { outputPadding: layer.outputPadding }
    : { paddingMode: layer.paddingMode };
  return { stride, padding, dilation, groups, ...own } as ConvGeometry | ConvTransposeGeometry as G;
}

/** Sizes that a window may have, in words. */
const SIZES = ["length", "height, width", "depth, height, width"];

/** Throws unless the integer convolution takes a weight, and says how many products a sum holds. */
function checkWeight(
  where: string,
  spatial: number,
  { shape, blockSize }: AffineQuantizedTensor,
): number {
  const whole = blockSize.every((size, d) => size === shape[d]);
  const rows = blockSize[0] === 1 && blockSize.every((size, d) => d === 0 || size === shape[d]);
  if (shape.length === spatial + 2 && (whole || rows)) return numelOf(shape.slice(1));
  throw new RangeError(
    `${where}: the integer convolution takes a weight (out, in / groups, ${
      SIZES[spatial - 1]
    }) with one ` +
      `scale for all or one an output channel, not ${formatShape(shape)} in blocks of ${
        formatShape(blockSize)
      }; ` +
      `observe it with PerTensor or PerAxis(0)`,
  );
}

/** A convolution in integers; {@linkcode QuantizedConv2d} and its like say over how many dimensions. */
export abstract class QuantizedConvolution<
  G extends ConvGeometry | ConvTransposeGeometry = ConvGeometry | ConvTransposeGeometry,
> extends StaticQuantizedLayer {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedConvolution";

  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** Sizes of the window. */
  readonly kernelSize: readonly number[];
  /** The window's steps, and what lies around the input, or is taken off or added around the output. */
  readonly geometry: G;
  private ready: PreparedConvWeight;

  /**
   * A layer of parts that are already quantized, over `spatial` dimensions.
   *
   * @throws {RangeError} if the parts do not fit together, or a window holds more products than an int32 accumulator
   * can take.
   */
  protected constructor(spatial: number, parts: QuantizedLayerParts, geometry: G) {
    const where = new.target.name;
    super(where, parts, () => checkWeight(where, spatial, parts.qweight));
    const [outChannels, second, ...kernel] = this.qweight.shape;
    this.outChannels = outChannels;
    this.inChannels = second * geometry.groups;
    this.kernelSize = kernel;
    this.geometry = geometryOf(geometry);
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
  static async fromObserved<G, Q>(
    this: new (parts: QuantizedLayerParts, geometry: G) => Q,
    observed: ObservedLayer & G,
    targetDtype: DType,
    weightDtype: DType = targetDtype,
  ): Promise<Q> {
    return new this(await quantizeObserved(observed, targetDtype, weightDtype), observed);
  }

  /** The weight in the order in which its device reads it. */
  private readied(): PreparedConvWeight {
    const { qweight, geometry, params: { wZeroPoint } } = this;
    const { groups } = geometry;
    using integers = qweight.intData();
    const options = { groups, transposed: isTransposed(geometry), zeroPoint: wZeroPoint };
    if (!options.transposed) return new PreparedConvWeight(integers, options);
    using turned = swapChannels(integers, groups);
    return new PreparedConvWeight(turned, options);
  }

  /**
   * Frees what was derived for the kernels too.
   *
   * @ignore
   */
  override freeDerived(): void {
    super.freeDerived();
    this.ready.dispose();
  }

  /** Derives what the kernels read anew. */
  protected override tensorsChanged(): void {
    super.tensorsChanged();
    this.ready.dispose();
    this.ready = this.readied();
  }

  /**
   * The layer's output: quantize, multiply integers, scale. Enqueued.
   *
   * @param x float, shape (N, inChannels, …), or without N.
   * @returns (N, outChannels, …), as of the float layer, in the dtype of `x`.
   * @throws {RangeError} if the shape does not fit.
   */
  override forward(x: Tensor): Tensor {
    const where = this.displayName;
    checkTensor(where, x);
    if (!x.dtype.isFloat) {
      throw new TypeError(`${where}: expected a float input, got ${x.dtype.name}`);
    }
    checkSameDevice(where, x, this.actScale);
    return batched(where, x, this.kernelSize.length, (x) => {
      if (x.shape[1] !== this.inChannels) {
        throw new RangeError(
          `${where}: expected an input of ${this.inChannels} channels, got one of shape ${
            formatShape(x.shape)
          }`,
        );
      }
      return this.compute(x);
    });
  }

  /** The output for a batch that fits; zeros or what else the padding is stand around it. */
  private compute(x: Tensor): Tensor {
    const { displayName, kernelSize, geometry } = this;
    const sizes = x.shape.slice(2);
    if (isTransposed(geometry)) {
      return this.convolve(x, transposedPlaces(displayName, sizes, kernelSize, geometry));
    }
    const places = windowPlaces(displayName, sizes, kernelSize, geometry);
    if (geometry.paddingMode === "zeros") return this.convolve(x, places);
    const { before, after } = places;
    const edges = before.map((size, d) => [size, after[d]]).reverse().flat();
    using wider = pad(x, edges, { mode: geometry.paddingMode });
    return this.convolve(wider, { ...places, before: before.map(() => 0) });
  }

  /** The operation itself, with zeros outside of the input. */
  private convolve(
    x: Tensor,
    { output, stride, before, dilation }: Omit<WindowPlaces, "after">,
  ): Tensor {
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
    const { geometry, kernelSize } = this;
    const { stride, padding, dilation, groups } = geometry;
    const parts = [
      `${this.inChannels}, ${this.outChannels}, kernel_size=${python(kernelSize)}`,
      `stride=${python(stride)}`,
    ];
    const some = (sizes: readonly number[], usual: number) => sizes.some((size) => size !== usual);
    if (typeof padding === "string") parts.push(`padding=${padding}`);
    else if (!isTransposed(geometry) || some(padding, 0)) parts.push(`padding=${python(padding)}`);
    if (some(dilation, 1)) parts.push(`dilation=${python(dilation)}`);
    if (isTransposed(geometry) && some(geometry.outputPadding, 0)) {
      parts.push(`output_padding=${python(geometry.outputPadding)}`);
    }
    if (groups !== 1) parts.push(`groups=${groups}`);
    return parts.join(", ") + this.outputRepr();
  }
}

/** Adds a convolution over `spatial` dimensions that can be observed and becomes an integer one. */
export function registerConvolution<
  F extends WeightedLayer & G,
  O extends F & ObservedLayer,
  G extends ConvGeometry | ConvTransposeGeometry,
  Q extends QuantizedConvolution<G>,
>(
  spatial: number,
  floatType: StaticLayer<F, O, Q>["floatType"],
  observedType: StaticLayer<F, O, Q>["observedType"],
  type: new (parts: QuantizedLayerParts, geometry: G) => Q,
): void {
  registerStaticLayer<F, O, Q>({
    floatType,
    observedType,
    type,
    channelDim: -spatial - 1,
    build: (parts, place) => {
      if (place instanceof type) return new type(parts, place.geometry);
      if (place instanceof floatType) return new type(parts, place);
      throw new TypeError(
        `a ${type.name} takes the place of a ${floatType.name}, not of a ${place.constructor.name}`,
      );
    },
  });
}
