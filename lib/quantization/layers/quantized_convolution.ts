/**
 * What integer convolutions have in common.
 *
 * @module
 */
import { batched } from "../../nn/batched.ts";
import { formatShape, numelOf } from "../../numbers/shape.ts";
import { PreparedConvWeight } from "../../tensor/conv.ts";
import { checkSameDevice } from "../../tensor/ops.ts";
import { checkTensor, Tensor } from "../../tensor/tensor.ts";
import type { WindowPlaces } from "../../tensor/window.ts";
import type { AffineQuantizedTensor } from "../tensors/quantized_tensor.ts";
import { swapChannels } from "./output_first.ts";
import type { QuantizedLayerParts } from "./quantize_observed.ts";
import { StaticQuantizedLayer } from "./static_quantized_layer.ts";

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

/** A convolution of images in integers; {@linkcode QuantizedConv2d} and its like say where windows lie. */
export abstract class QuantizedConvolution extends StaticQuantizedLayer {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "QuantizedConvolution";

  /** Channels of the input. */
  readonly inChannels: number;
  /** Channels of the output. */
  readonly outChannels: number;
  /** Sizes of the window. */
  readonly kernelSize: readonly number[];
  private readonly form: { readonly groups: number; readonly transposed: boolean };
  private ready: PreparedConvWeight;

  /**
   * A layer of parts that are already quantized.
   *
   * @param where opens messages.
   * @param parts weight, bias and fixed input range.
   * @param form the parts that channels fall into, and whether windows are written instead of read.
   */
  protected constructor(
    where: string,
    parts: QuantizedLayerParts,
    form: { readonly groups: number; readonly transposed: boolean },
  ) {
    super(where, parts, () => checkWeight(where, parts.qweight));
    const [outChannels, second, ...kernel] = this.qweight.shape;
    this.outChannels = outChannels;
    this.inChannels = second * form.groups;
    this.kernelSize = kernel;
    this.form = form;
    this.ready = this.readied();
  }

  /** The weight in the order in which its device reads it. */
  private readied(): PreparedConvWeight {
    const { qweight, form, params: { wZeroPoint } } = this;
    using integers = qweight.intData();
    const options = { ...form, zeroPoint: wZeroPoint };
    if (!form.transposed) return new PreparedConvWeight(integers, options);
    using turned = swapChannels(integers, form.groups);
    return new PreparedConvWeight(turned, options);
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
      return this.compute(x);
    });
  }

  /** The output for a batch that fits. */
  protected abstract compute(x: Tensor): Tensor;

  /**
   * The operation itself, with zeros outside of the input.
   *
   * @ignore
   */
  protected convolve(
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
}
