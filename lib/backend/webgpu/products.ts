/**
 * Products as dispatches: which kernel, which tile, over which buffers.
 *
 * @module
 */
import { type DType, float32 } from "../../numbers/dtype.ts";
import { numelOf } from "../../numbers/shape.ts";
import {
  type DeviceBuffer,
  type Operand,
  packedGroups,
  packedRowBytes,
  type PackedRows,
  type WeightOnlyLinearArgs,
} from "../backend.ts";
import { RELU_CLIP } from "../convolution.ts";
import { type DispatchTarget, elementwiseStep } from "./dispatch_target.ts";
import type { LinearOperation, PackedLinearOperation, RowQuantization } from "./fusion.ts";
import { castKernel } from "./kernels/cast.ts";
import type { Kernel } from "./kernels/kernel.ts";
import { linearKernel, linearSteps } from "./kernels/linear.ts";
import { MATMUL_FIELDS } from "./kernels/product.ts";
import { nibbleLinearKernel } from "./kernels/nibble_linear.ts";
import {
  boundSums,
  packedLinearKernel,
  type PackedLinearSpec,
  type Quantization,
} from "./kernels/packed_linear.ts";
import { padRowsKernel } from "./kernels/pad_rows.ts";
import {
  candidateTiles,
  chooseTile,
  matmulWorkgroups,
  type Product,
  type Tile,
} from "./kernels/tile.ts";
import { weightOnlyKernel } from "./kernels/weight_only.ts";
import type { PooledBuffer } from "./pool.ts";
import type { Retile } from "./steps.ts";

/** A product before its tile is chosen. */
export interface Untiled {
  /** What is computed, for tiles that are measured. */
  readonly key: string;
  readonly kernel: (tile: Tile) => Kernel;
  /** Those that are null are not bound. */
  readonly buffers: readonly (DeviceBuffer | null | undefined | false)[];
  /** The first of {@linkcode MATMUL_FIELDS}; the rest are 0. */
  readonly params: readonly number[];
  readonly shape: Omit<Product, "subgroup">;
  /** How many such products there are, and the parameters that tell them apart. */
  readonly batch?: { readonly products: number; readonly params: readonly number[] };
  /** Columns of outputs that are written, if not `n`. */
  readonly width?: number;
  /** Whether sums are the same in any order. */
  readonly exact: boolean;
}

/** Dispatches a product with the tile by rule; where it is kept, another may be chosen. */
export function dispatchProduct(
  { sink, subgroupSize }: DispatchTarget,
  untiled: Untiled,
): void {
  const { key, kernel, params, exact, batch } = untiled;
  const product: Product = { ...untiled.shape, subgroup: subgroupSize };
  const { m, n } = product;
  const { width = n } = untiled;
  const build = (tile: Tile) => ({
    kernel: kernel(tile),
    workgroups: matmulWorkgroups(m, width, tile) * (batch?.products ?? 1),
  });
  const built = build(chooseTile(product));
  const retile: Retile | undefined = sink.repeated
    ? { key, candidates: candidateTiles(product, exact), build }
    : undefined;
  const buffers = untiled.buffers.filter((buffer) => !!buffer) as PooledBuffer[];
  const unused = new Array(MATMUL_FIELDS.length - params.length).fill(0);
  const all = [...params, ...unused, ...batch?.params ?? []];
  sink.dispatch(built.kernel, buffers, all, built.workgroups, retile);
}

/**
 * Runs a product into the m × n buffer `y`. Two 16-bit outputs share a word, so an odd `n`, where a
 * word would straddle rows, goes through float32.
 */
export function storing(
  target: DispatchTarget,
  y: DeviceBuffer,
  dtype: DType,
  m: number,
  n: number,
  run: (output: DType, y: DeviceBuffer) => void,
): void {
  if (dtype.itemSize !== 2 || n % 2 === 0) return run(dtype, y);
  const { pool } = target.sink;
  const wide = pool.acquire(m * n * float32.itemSize, "linear");
  try {
    run(float32, wide);
    elementwiseStep(target, castKernel(float32, dtype), [wide], y, m * n, dtype);
  } finally {
    pool.release(wide);
  }
}

/** The product of floats. */
export function linearProduct(operation: LinearOperation, target: DispatchTarget): void {
  const { x, w, bias, relu } = operation;
  const [m, k] = x.shape;
  const n = w.shape[0];
  storing(target, operation.y, x.dtype, m, n, (output, y) => {
    const spec = { dtype: x.dtype, k, bias: bias?.dtype, output, relu };
    dispatchProduct(target, {
      key: `${x.dtype.name} ${m} ${n} ${k}`,
      kernel: (tile) => linearKernel(spec, tile),
      buffers: [x.buffer, w.buffer, bias?.buffer, y],
      params: [m, n, k, linearSteps(spec)],
      shape: { m, n },
      exact: false,
    });
  });
}

/** The product of packed integers, quantized before or after if it says so. */
export function packedProduct(operation: PackedLinearOperation, target: DispatchTarget): void {
  const { x, w, args: { outputDtype }, requantize, y } = operation;
  if (requantize) return byteProduct(operation, target, outputDtype, y);
  const product = w.bits === 8 ? byteProduct : nibbleProduct;
  storing(
    target,
    y,
    outputDtype,
    x.rows,
    w.rows,
    (output, y) => product(operation, target, output, y),
  );
}

/** How floats become bytes, as kernels are told. */
export function quantization(args: RowQuantization): Quantization {
  const { productDtype, quantMin, quantMax, offset } = args;
  return { productDtype, quantMin, quantMax, offset };
}

function packedSpec({ x, w, args, relu }: PackedLinearOperation, output: DType): PackedLinearSpec {
  return {
    xOffset: x.offset,
    wOffset: w.offset,
    xPerRow: (args.xParamCount ?? 1) > 1,
    wParams: packedGroups(w) > 1 ? "group" : args.wParamCount > 1 ? "row" : "one",
    xZeroPoint: args.xZeroPoint !== null,
    wZeroPoint: args.wZeroPoint !== null,
    bias: args.bias?.dtype,
    output,
    xSums: x.sums !== null,
    clip: relu ? RELU_CLIP : undefined,
  };
}

/** By bytes of `w`. */
function byteProduct(
  operation: PackedLinearOperation,
  target: DispatchTarget,
  output: DType,
  y: DeviceBuffer,
): void {
  const { x, w, args, quantize, requantize } = operation;
  const { rows: m, k } = x;
  const { rows: n } = w;
  const spec: PackedLinearSpec = {
    ...packedSpec(operation, output),
    requantize: requantize && quantization(requantize),
    quantize: quantize && { dtype: quantize.x.dtype, ...quantization(quantize.args) },
  };
  const { xSums, wSums } = boundSums(spec);
  const { xZeroPoint, wZeroPoint, xScale, wScale, bias } = args;
  // From how many rows on a large tile is worth compiling: sooner if it is kept.
  const many = target.sink.repeated ? 32 : 128;
  dispatchProduct(target, {
    key: `int8 ${m} ${n} ${k}${requantize ? " requantized" : ""}`,
    kernel: (tile) => packedLinearKernel(spec, tile),
    buffers: [
      ...[quantize ? quantize.x.buffer : x.data, w.data, xSums && x.sums, wSums && w.sums],
      ...[xZeroPoint, wZeroPoint],
      ...(output.isFloat ? [xScale, wScale, bias?.buffer] : []),
      ...(quantize ? [quantize.args.inverseScale, quantize.args.zeroPoint] : []),
      ...(requantize ? [requantize.inverseScale, requantize.zeroPoint] : []),
      y,
    ],
    params: [m, n, k, packedRowBytes(k) / 16, requantize ? packedRowBytes(n) / 4 : 0],
    shape: { m, n, packed: requantize !== undefined, large: m >= many, bytes: true },
    width: requantize && packedRowBytes(n),
    exact: true,
  });
}

/** By nibbles of `w`. */
function nibbleProduct(
  operation: PackedLinearOperation,
  target: DispatchTarget,
  output: DType,
  y: DeviceBuffer,
): void {
  const { x, w, args } = operation;
  const { k, rows: m } = x;
  const { rows: n } = w;
  const groups = packedGroups(w);
  const xSteps = packedRowBytes(k) / 16;
  const spec = packedSpec(operation, output);
  const { wSums } = boundSums(spec);
  const { xZeroPoint, wZeroPoint, xScale, wScale, bias } = args;
  dispatchProduct(target, {
    key: `nibbles ${m} ${n} ${k} ${groups}`,
    kernel: (tile) => nibbleLinearKernel(spec, tile, xSteps % 2 === 1),
    buffers: [
      ...[x.data, w.data, wSums && w.sums, xZeroPoint, wZeroPoint],
      ...(output.isFloat ? [xScale, wScale, bias?.buffer] : []),
      y,
    ],
    params: [m, n, k, packedRowBytes(k, 4) / 16 / groups, 0, xSteps, groups],
    shape: { m, n, grouped: groups > 1, unpacked: true },
    exact: groups === 1,
  });
}

/** The product of floats and packed integers into `y`. */
export function weightOnlyProduct(
  x: Operand,
  w: PackedRows,
  { wScale, wZeroPoint, bias }: WeightOnlyLinearArgs,
  y: DeviceBuffer,
  target: DispatchTarget,
): void {
  const [m, k] = x.shape;
  const n = w.rows;
  const groups = packedGroups(w);
  const vectors = packedRowBytes(k, w.bits) / 16;
  const width = vectors * 128 / w.bits;
  const product = (wide: DeviceBuffer) =>
    storing(target, y, x.dtype, m, n, (output, y) => {
      const spec = {
        bits: w.bits,
        float8: w.float8,
        offset: w.offset,
        params: groups > 1 ? "group" : numelOf(wScale.shape) > 1 ? "row" : "one",
        scale: wScale.dtype,
        zeroPoint: wZeroPoint?.dtype,
        bias: bias?.dtype,
        output,
      } as const;
      dispatchProduct(target, {
        key: `float32 by ${w.float8 ?? `int${w.bits}`} ${m} ${n} ${k} ${groups}`,
        kernel: (tile) => weightOnlyKernel(spec, tile),
        buffers: [wide, w.data, wScale.buffer, wZeroPoint?.buffer, bias?.buffer, y],
        params: [m, n, k, vectors / groups, 0, width / 4, groups],
        shape: { m, n, grouped: groups > 1, unpacked: true },
        exact: false,
      });
    });
  // The kernel reads whole vectors of float32; anything else is brought into that form first.
  if (x.dtype === float32 && width === k) return product(x.buffer);
  const { pool } = target.sink;
  const wide = pool.acquire(m * width * float32.itemSize, "linear");
  try {
    const pad = padRowsKernel(x.dtype);
    elementwiseStep(target, pad, [x.buffer], wide, m * width, float32, [k, width]);
    product(wide);
  } finally {
    pool.release(wide);
  }
}
