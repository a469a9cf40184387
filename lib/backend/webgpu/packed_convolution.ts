/**
 * Convolutions of bytes, and pixels quantized for them, as dispatches.
 *
 * @module
 */
import { type DType, float32 } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import type { DeviceBuffer } from "../backend.ts";
import { byteOffset, rowStride } from "../channels_last.ts";
import { groupsTogether } from "../convolution.ts";
import { dispatchDepthwise, hasFewChannels, hasOwnKernel, productsOf } from "./convolution.ts";
import { type DispatchTarget, gpu } from "./dispatch_target.ts";
import type { PackedConvOperation, QuantizePixelsOperation } from "./fusion.ts";
import { packedConvKernel } from "./kernels/packed_conv.ts";
import { packedDepthwiseKernel } from "./kernels/packed_depthwise.ts";
import { boundSums, type PackedLinearSpec } from "./kernels/packed_linear.ts";
import { quantizePixelsKernel, quantizePixelsWorkgroups } from "./kernels/quantize_pixels.ts";
import { dispatchProduct, quantization } from "./products.ts";

/** The dtype of a convolution's result. */
export function packedConvOutput({ args, requantize }: PackedConvOperation): DType {
  return requantize ? requantize.outputDtype : args.result.dtype;
}

function specOf({ x, w, args, requantize, table }: PackedConvOperation): PackedLinearSpec {
  const { result, xZeroPoint, wZeroPoint, wParamCount, clip } = args;
  const bytes = result.kind === "bytes";
  return {
    xOffset: byteOffset(x.dtype),
    wOffset: byteOffset(w.dtype),
    xPerRow: false,
    wParams: wParamCount > 1 ? "row" : "one",
    xZeroPoint: xZeroPoint !== null,
    wZeroPoint: wZeroPoint !== null,
    bias: result.bias?.dtype,
    output: bytes ? float32 : result.dtype,
    xSums: false,
    partial: w.transposed,
    clip,
    rescale: bytes
      ? { quantMin: result.quantMin, quantMax: result.quantMax, offset: byteOffset(result.dtype) }
      : undefined,
    requantize: requantize && quantization(requantize),
    table: table && { dtype: table.of.dtype, offset: byteOffset(table.dtype) },
  };
}

/** The buffers besides operands and result, in the order in which kernels bind them. */
function parametersOf(
  { w, args, requantize, table }: PackedConvOperation,
  wSums: boolean,
): (DeviceBuffer | null | undefined | false)[] {
  const { result, xZeroPoint, wZeroPoint } = args;
  const scales = result.kind === "bytes"
    ? [result.multiplier, result.bias?.buffer]
    : result.dtype.isFloat
    ? [result.xScale, result.wScale, result.bias?.buffer]
    : [];
  return [
    ...[wSums && w.sums, xZeroPoint, wZeroPoint, ...scales],
    ...(result.kind === "bytes" ? [result.zeroPoint] : []),
    ...(requantize ? [requantize.inverseScale, requantize.zeroPoint] : []),
    table?.of.buffer,
  ];
}

/** The convolution of bytes into rows. */
export function packedConvProduct(operation: PackedConvOperation, target: DispatchTarget): void {
  const { x, w, args, requantize, y } = operation;
  const spec = specOf(operation);
  const output = packedConvOutput(operation);
  if (hasOwnKernel(w)) {
    const buffers = [x.buffer, w.data, ...parametersOf(operation, false), y];
    return dispatchDepthwise(
      target,
      x,
      w,
      args,
      output,
      buffers,
      (places) => packedDepthwiseKernel({ ...spec, ...places }),
    );
  }
  const { places, m, n, k, steps, batch, key } = productsOf(x, w, args);
  const { wSums } = boundSums(spec);
  const full = {
    ...spec,
    places,
    few: hasFewChannels(w) ? w.channels : undefined,
    lastBytes: batch && groupsTogether(w) === w.groups ? (w.channels - 1) % 16 + 1 : 16,
  };
  const packed = args.result.kind === "bytes" || requantize !== undefined;
  const many = target.sink.repeated ? 32 : 128;
  dispatchProduct(target, {
    key: `conv int8 ${key}${packed ? " requantized" : ""}`,
    kernel: (tile) => packedConvKernel(full, tile),
    buffers: [x.buffer, w.data, ...parametersOf(operation, wSums), y],
    params: [m, n, k, steps, rowStride(w.outChannels, output) * output.itemSize / 4],
    batch,
    shape: { m, n, packed, large: m >= many, bytes: true },
    width: rowStride(n, output),
    exact: true,
  });
}

/** Pixels as bytes. */
export function quantizePixels(
  { x, args, y }: QuantizePixelsOperation,
  { sink }: DispatchTarget,
): void {
  const [images, channels, ...spatial] = x.shape;
  const pixels = numelOf(spatial);
  const width = rowStride(channels, args.outputDtype) / 16;
  const vectors = images * pixels * width;
  const spec = { x: x.dtype, last: "layout" in x, ...quantizationOf(args) };
  sink.dispatch(
    quantizePixelsKernel(spec),
    [x.buffer, args.inverseScale, args.zeroPoint, y].map(gpu),
    [vectors, channels, pixels, rowStride(channels, x.dtype) / 4, width],
    quantizePixelsWorkgroups(vectors),
  );
}

function quantizationOf(args: QuantizePixelsOperation["args"]) {
  const { productDtype: product, quantMin, quantMax, offset } = args;
  return { product, quantMin, quantMax, offset };
}
