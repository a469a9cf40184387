/**
 * Convolutions as dispatches: which kernel, over which buffers.
 *
 * @module
 */
import { numelOf } from "../../numbers/shape.ts";
import type { DeviceBuffer, Operand } from "../backend.ts";
import { type DType, int32 } from "../../numbers/dtype.ts";
import { type ChannelsLast, channelsLastBytes, rowStride } from "../channels_last.ts";
import {
  type ConvArgs,
  type ConvWeight,
  type ConvWeightArgs,
  convWeightFacts,
  groupsTogether,
  isDepthwise,
} from "../convolution.ts";
import { transposeToRows } from "./channels_last.ts";
import { type DispatchTarget, elementwiseStep, gpu } from "./dispatch_target.ts";
import type { ConvOperation } from "./fusion.ts";
import { convKernel } from "./kernels/conv.ts";
import { convParams, type ConvPlaces, type ConvSizes, gridOf } from "./kernels/conv_taps.ts";
import { convWeightKernel } from "./kernels/conv_weight.ts";
import {
  depthwiseKernel,
  type DepthwisePlaces,
  depthwiseWorkgroups,
  type Pair,
} from "./kernels/depthwise.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { groupSumsKernel } from "./kernels/pack_nibbles.ts";
import { elementsPerVector } from "./kernels/transpose.ts";
import { dispatchProduct, type Untiled } from "./products.ts";

/** Loads that the block of a depthwise kernel may have, unless one row of it has more. */
const MOST_LOADS = 64;
/** Taps of a depthwise kernel whose invocations may make sixteen channels of bytes, which is four times the text. */
const MOST_TAPS_OF_VECTORS = 9;
/** Depthwise kernels of more taps than this, whose text would be too long, are left to the product. */
const MOST_TAPS = 49;

/** What is known of a weight before it is made ready. */
type WeightFacts = Omit<ConvWeight, "data" | "sums">;

/** Whether a kernel of its own convolves channel by channel. */
export function hasOwnKernel(w: WeightFacts): boolean {
  return isDepthwise(w) && !w.transposed && w.kernel.length <= 2 && numelOf(w.kernel) <= MOST_TAPS;
}

/** Whether pixels of bytes have so few channels that a word holds them, which is a step of the product. */
export function hasFewChannels(w: WeightFacts): boolean {
  const { dtype, channels, groups, transposed, kernel } = w;
  return dtype.itemSize === 1 && channels <= 4 && groups === 1 && !transposed &&
    (kernel.at(-1) ?? 1) > 1;
}

/** Elements that a row of a weight made ready has at a tap, for the product over taps. */
function tapElements(w: WeightFacts): number {
  const { channels, groups, dtype } = w;
  return hasFewChannels(w) ? 4 : rowStride(channels / groups * groupsTogether(w), dtype);
}

/** A weight in the order in which its kernel reads it. */
export function readyWeight(w: Operand, args: ConvWeightArgs, target: DispatchTarget): ConvWeight {
  const facts = { ...convWeightFacts(w.shape, args), dtype: w.dtype };
  const { channels, outChannels, kernel, groups, transposed, dtype } = facts;
  const { pool } = target.sink;
  const taps = numelOf(kernel);
  if (hasOwnKernel(facts)) {
    const data = pool.acquire(taps * rowStride(channels, dtype) * dtype.itemSize, "weight");
    const matrix = { count: 1, rows: channels, columns: taps };
    transposeToRows(target, w.buffer, dtype, matrix, data, { signed: true });
    return { ...facts, data, sums: null };
  }
  const width = tapElements(facts);
  const numel = outChannels * taps * width;
  const together = groupsTogether(facts);
  const zeroPoint = together > 1 ? args.zeroPoint : undefined; // between groups
  const zeroPoints = zeroPoint ? zeroPoint.count > 1 ? "row" : "one" : "none";
  const kernelOf = convWeightKernel(dtype, { transposed, zeroPoints });
  const inputs = [w.buffer, ...zeroPoint ? [zeroPoint.buffer] : []];
  const rows = pool.acquire(numel * dtype.itemSize, "weight");
  const params = [width, taps, channels / groups, outChannels / groups, together];
  elementwiseStep(target, kernelOf, inputs, rows, numel, dtype, params);
  const sums = dtype.itemSize === 1 && !transposed
    ? rowSums(rows, outChannels, taps * width, target)
    : null;
  if (!hasFewChannels(facts)) return { ...facts, data: rows, sums };
  // Tap by tap, the words of neighbouring channels, which are loaded together.
  const data = pool.acquire(taps * rowStride(outChannels, int32) * int32.itemSize, "weight");
  const matrix = { count: 1, rows: outChannels, columns: taps };
  transposeToRows(target, rows, int32, matrix, data);
  pool.release(rows);
  return { ...facts, data, sums };
}

/** The sums of rows of bytes. */
function rowSums(
  data: DeviceBuffer,
  rows: number,
  bytes: number,
  target: DispatchTarget,
): DeviceBuffer {
  const sums = target.sink.pool.acquire(rows * int32.itemSize, "weight");
  const words = bytes / 4;
  elementwiseStep(target, groupSumsKernel(8), [data], sums, rows, int32, [words, 1, words]);
  return sums;
}

/** Whether each output pixel reads the input pixel at its place alone. */
function isPointwise(sizes: ConvSizes): boolean {
  const { input, output, kernel, stride, before } = sizes;
  return kernel.every((size, d) =>
    size === 1 && stride[d] === 1 && before[d] === 0 && input[d] === output[d]
  );
}

/** How a convolution of so many groups goes through its places. */
function placesOf(w: ConvWeight, { dilation }: ConvSizes, groups: number): ConvPlaces {
  const { transposed, kernel } = w;
  const alone = groups === 1 && dilation.at(-1) === 1 && kernel.at(-1)! > 1;
  return {
    rank: kernel.length,
    transposed,
    merged: alone && !transposed || hasFewChannels(w),
  };
}

/** A convolution as products. */
export interface ConvProducts {
  /** Nothing for one plain product. */
  readonly places: ConvPlaces | undefined;
  /** Sizes of a product. */
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Vectors of a row of the weight. */
  readonly steps: number;
  readonly batch: Untiled["batch"];
  /** What is computed, in words. */
  readonly key: string;
}

/** Cuts a convolution into products. */
export function productsOf(x: ChannelsLast, w: ConvWeight, args: ConvArgs): ConvProducts {
  const { dtype, groups, outChannels, channels, transposed, kernel } = w;
  const sizes = { input: x.shape.slice(2), kernel, ...args };
  const products = groups / groupsTogether(w);
  const plain = products === 1 && !transposed && !hasFewChannels(w) && isPointwise(sizes);
  const places = plain ? undefined : placesOf(w, sizes, products);
  const { grid, phases } = gridOf(sizes, transposed);
  const n = outChannels / products;
  const vector = hasFewChannels(w) ? 4 : elementsPerVector(dtype);
  const tapSteps = tapElements(w) / vector;
  const runSteps = tapSteps * (places?.merged ? kernel.at(-1)! : 1);
  const rowSteps = rowStride(channels, dtype) / vector;
  const { input, output, stride, before, dilation } = sizes;
  return {
    places,
    m: x.shape[0] * numelOf(grid),
    n,
    k: numelOf(kernel) * channels / products,
    steps: numelOf(kernel) * tapSteps,
    batch: places && {
      products: products * phases,
      params: convParams(sizes, transposed, n, runSteps, rowSteps),
    },
    key: [x.shape, outChannels, groups, input, output, kernel, stride, before, dilation].join(" "),
  };
}

/** The convolution into rows. */
export function convProduct(operation: ConvOperation, target: DispatchTarget): void {
  const { x, w, bias, args, y } = operation;
  if (hasOwnKernel(w)) return depthwise(operation, target);
  const { dtype, outChannels } = w;
  const { places, m, n, k, steps, batch, key } = productsOf(x, w, args);
  const spec = { dtype, bias: bias?.dtype, clip: args.clip, places };
  dispatchProduct(target, {
    key: `conv ${dtype.name} ${key}`,
    kernel: (tile) => convKernel(spec, tile),
    buffers: [x.buffer, w.data, bias?.buffer, y],
    params: [m, n, k, steps, rowStride(outChannels, dtype) * dtype.itemSize / 4],
    batch,
    shape: { m, n },
    width: rowStride(n, dtype),
    exact: false,
  });
}

/** Numbers of one or two dimensions as down and across. */
function pair(numbers: readonly number[], missing: number): Pair {
  const [down, across] = numbers.length === 2 ? numbers : [missing, numbers[0]];
  return { down, across };
}

/** Each channel of floats by itself. */
function depthwise({ x, w, bias, args, y }: ConvOperation, target: DispatchTarget): void {
  const { dtype } = w;
  dispatchDepthwise(
    target,
    x,
    w,
    args,
    dtype,
    [x.buffer, w.data, bias?.buffer, y],
    (places) => depthwiseKernel({ dtype, bias: bias?.dtype, clip: args.clip, ...places }),
  );
}

/** Dispatches a kernel that convolves channels by themselves into rows of `output`. */
export function dispatchDepthwise(
  { sink, subgroupSize }: DispatchTarget,
  x: ChannelsLast,
  w: ConvWeight,
  args: ConvArgs,
  output: DType,
  buffers: readonly (DeviceBuffer | null | undefined | false)[],
  kernel: (places: DepthwisePlaces) => Kernel,
): void {
  const [images, channels, ...input] = x.shape;
  const [from, out, before] = [pair(input, 1), pair(args.output, 1), pair(args.before, 0)];
  const steps = {
    kernel: pair(w.kernel, 1),
    stride: pair(args.stride, 1),
    dilation: pair(args.dilation, 1),
  };
  const vectors = subgroupSize === 8 && x.dtype.itemSize === 1 &&
    numelOf(w.kernel) <= MOST_TAPS_OF_VECTORS;
  const fours = vectors ? 4 : 1;
  const places = {
    ...steps,
    fours,
    block: depthwiseBlock(out, steps, subgroupSize),
  } as const;
  const [inFours, outFours] = [x.dtype, output].map((dtype) => rowStride(channels, dtype) / 4);
  sink.dispatch(
    kernel(places),
    buffers.filter((buffer) => !!buffer).map((buffer) => gpu(buffer as DeviceBuffer)),
    [
      ...[images, channels, inFours, outFours, from.down, from.across, out.down, out.across],
      ...[before.down, before.across],
    ],
    depthwiseWorkgroups(images, inFours, out, places),
  );
}

/**
 * The block of outputs that an invocation makes. The larger it is, the fewer inputs are read twice, but
 * the longer the text; and devices with many lanes must have something to do for all of them.
 */
function depthwiseBlock(
  out: Pair,
  { kernel, stride, dilation }: Pick<DepthwisePlaces, "kernel" | "stride" | "dilation">,
  subgroupSize: number,
): Pair {
  const span = (side: keyof Pair, outputs: number) =>
    (outputs - 1) * stride[side] + (kernel[side] - 1) * dilation[side] + 1;
  const across = Math.min(4, out.across);
  const downs = subgroupSize === 8 ? [8, 4, 2, 1] : [1];
  const fits = (down: number) => span("down", down) * span("across", across) <= MOST_LOADS;
  return { down: downs.find((down) => down <= out.down && fits(down)) ?? 1, across };
}

/** The bytes of a convolution's result. */
export function convBytes(x: Operand, w: ConvWeight, args: ConvArgs, dtype: DType): number {
  return channelsLastBytes([x.shape[0], w.outChannels, ...args.output], dtype);
}
