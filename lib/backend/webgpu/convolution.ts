/**
 * Convolutions as dispatches: which kernel, over which buffers.
 *
 * @module
 */
import { numelOf } from "../../numbers/shape.ts";
import type { Operand } from "../backend.ts";
import { pixelsOf, rowStride } from "../channels_last.ts";
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
import { elementsPerVector } from "./kernels/transpose.ts";
import { dispatchProduct } from "./products.ts";

/** Loads that the block of a depthwise kernel may have, unless one row of it has more. */
const MOST_LOADS = 64;
/** Depthwise kernels of more taps than this, whose text would be too long, are left to the product. */
const MOST_TAPS = 49;

/** Whether a kernel of its own convolves channel by channel. */
function hasOwnKernel(w: Omit<ConvWeight, "data" | "dtype">): boolean {
  return isDepthwise(w) && !w.transposed && w.kernel.length <= 2 && numelOf(w.kernel) <= MOST_TAPS;
}

/** Elements of a weight made ready. */
function readyElements(facts: Omit<ConvWeight, "data">): number {
  const { channels, outChannels, kernel, groups, dtype } = facts;
  const taps = numelOf(kernel);
  if (hasOwnKernel(facts)) return taps * rowStride(channels, dtype);
  const together = groupsTogether(facts);
  return outChannels * taps * rowStride(channels / groups * together, dtype);
}

/** A weight in the order in which its kernel reads it. */
export function readyWeight(
  w: Operand,
  args: ConvWeightArgs,
  target: DispatchTarget,
): ConvWeight {
  const facts = { ...convWeightFacts(w.shape, args), dtype: w.dtype };
  const { channels, outChannels, kernel, groups, transposed, dtype } = facts;
  const numel = readyElements(facts);
  const taps = numelOf(kernel);
  const data = target.sink.pool.acquire(numel * dtype.itemSize, "weight");
  if (hasOwnKernel(facts)) {
    const matrix = { count: 1, rows: channels, columns: taps };
    transposeToRows(target, w.buffer, dtype, matrix, data, { signed: true });
  } else {
    const together = groupsTogether(facts);
    const inGroup = channels / groups;
    const width = rowStride(inGroup * together, dtype);
    const params = [width, taps, inGroup, outChannels / groups, together];
    elementwiseStep(
      target,
      convWeightKernel(dtype, transposed),
      [w.buffer],
      data,
      numel,
      dtype,
      params,
    );
  }
  return { ...facts, data };
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
  return { rank: kernel.length, transposed, merged: alone && !transposed };
}

function sizesOf({ x, w, args }: ConvOperation): ConvSizes {
  return { input: x.shape.slice(2), kernel: w.kernel, ...args };
}

/** The convolution into rows. */
export function convProduct(operation: ConvOperation, target: DispatchTarget): void {
  const { x, w, bias, args, y } = operation;
  if (hasOwnKernel(w)) return depthwise(operation, target);
  const { dtype, groups, outChannels, channels, transposed } = w;
  const sizes = sizesOf(operation);
  const together = groupsTogether(w);
  const products = groups / together;
  const plain = products === 1 && !transposed && isPointwise(sizes);
  const places = plain ? undefined : placesOf(w, sizes, products);
  const { grid, phases } = gridOf(sizes, transposed);
  const [m, n] = [x.shape[0] * numelOf(grid), outChannels / products];
  const vector = elementsPerVector(dtype);
  const tapSteps = rowStride(channels / products, dtype) / vector;
  const steps = numelOf(w.kernel) * tapSteps;
  const rowSteps = rowStride(channels, dtype) / vector;
  const runSteps = places?.merged ? tapSteps * w.kernel.at(-1)! : tapSteps;
  const spec = { dtype, bias: bias?.dtype, clip: args.clip, places };
  dispatchProduct(target, {
    key: `conv ${dtype.name} ${x.shape} ${outChannels} ${groups} ${Object.values(sizes).join(" ")}`,
    kernel: (tile) => convKernel(spec, tile),
    buffers: [x.buffer, w.data, bias?.buffer, y],
    params: [m, n, steps * vector, steps, rowStride(outChannels, dtype) * dtype.itemSize / 4],
    batch: places && {
      products: products * phases,
      params: convParams(sizes, transposed, n, runSteps, rowSteps),
    },
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

/** Each channel by itself. */
function depthwise(
  { x, w, bias, args, y }: ConvOperation,
  { sink, subgroupSize }: DispatchTarget,
): void {
  const { dtype, channels } = w;
  const [images, , ...input] = x.shape;
  const [from, out, before] = [pair(input, 1), pair(args.output, 1), pair(args.before, 0)];
  const places = {
    kernel: pair(w.kernel, 1),
    stride: pair(args.stride, 1),
    dilation: pair(args.dilation, 1),
  };
  const block = depthwiseBlock(out, places, subgroupSize);
  const spec = { dtype, bias: bias?.dtype, clip: args.clip, ...places, block };
  const fours = rowStride(channels, dtype) / 4;
  sink.dispatch(
    depthwiseKernel(spec),
    [x.buffer, w.data, ...bias ? [bias.buffer] : [], y].map(gpu),
    [
      ...[images, channels, fours, from.down, from.across, out.down, out.across],
      ...[before.down, before.across],
    ],
    depthwiseWorkgroups(images, fours, out, spec),
  );
}

/**
 * The block of outputs that an invocation makes. The larger it is, the fewer inputs are read twice, but
 * the longer the text; and devices with many lanes must have something to do for all of them.
 */
function depthwiseBlock(
  out: Pair,
  { kernel, stride, dilation }: Omit<DepthwisePlaces, "block">,
  subgroupSize: number,
): Pair {
  const span = (side: keyof Pair, outputs: number) =>
    (outputs - 1) * stride[side] + (kernel[side] - 1) * dilation[side] + 1;
  const across = Math.min(4, out.across);
  const downs = subgroupSize === 8 ? [4, 2, 1] : [1];
  const fits = (down: number) => span("down", down) * span("across", across) <= MOST_LOADS;
  return { down: downs.find((down) => down <= out.down && fits(down)) ?? 1, across };
}

/** The bytes of a convolution's result. */
export function convBytes(x: Operand, w: ConvWeight, args: ConvArgs): number {
  const shape = [x.shape[0], w.outChannels, ...args.output];
  return pixelsOf(shape) * rowStride(w.outChannels, w.dtype) * w.dtype.itemSize;
}
