/**
 * What tensors come to along dimensions, with PyTorch's names. Floats are added up in float32 and rounded
 * once to their dtype; integers in int32. Everything is enqueued and returns at once.
 *
 * @module
 */
import type { ReduceKind, Rows } from "../backend/backend.ts";
import { byteOffset, fillsRows } from "../backend/channels_last.ts";
import { checkOptions } from "../numbers/arguments.ts";
import { type DType, int32 } from "../numbers/dtype.ts";
import { formatShape, numelOf } from "../numbers/shape.ts";
import { dimOf, dimsOf } from "./dims.ts";
import { permute } from "./movement.ts";
import { liesInPixels, pixelRows } from "./pixel_rows.ts";
import { checkTensor, Tensor } from "./tensor.ts";

/** Options of functions that reduce. */
export interface ReduceOptions {
  /** Whether the dimensions stay, with size 1; false by default. */
  keepdim?: boolean;
}

/** Dimensions that are taken together: one, several, or all if none are given. */
export type Dims = number | readonly number[];

/** A tensor as it is walked along the dimension number `dim`. */
export function rowsOf(shape: readonly number[], dim: number): Rows {
  return {
    outer: numelOf(shape.slice(0, dim)),
    n: shape[dim] ?? 1,
    inner: numelOf(shape.slice(dim + 1)),
  };
}

/** How a tensor with its channels last is walked where all of its pixels, or all channels of each, become one. */
function pixelsReduced(x: Tensor, dims: readonly number[]): Rows | undefined {
  const [n, channels, ...spatial] = x.shape;
  if (!fillsRows(channels, x.dtype)) return undefined;
  const pixels = numelOf(spatial);
  if (dims.length === 1 && dims[0] === 1) return { outer: n * pixels, n: channels, inner: 1 };
  const all = dims.length === spatial.length && dims.every((dim, i) => dim === i + 2);
  return all ? { outer: n, n: pixels, inner: channels } : undefined;
}

/** What a reduction finds in `x` along `dims`, which are in order. */
function found(
  x: Tensor,
  kind: ReduceKind,
  dims: readonly number[],
  keepdim: boolean,
  dtype: DType,
): Tensor {
  const reduced = new Set(dims);
  const kept = x.shape.flatMap((_, d) => reduced.has(d) ? [] : [d]);
  const shape = keepdim
    ? x.shape.map((size, d) => reduced.has(d) ? 1 : size)
    : kept.map((d) => x.shape[d]);
  if (liesInPixels(x) && byteOffset(x.dtype) === 0) {
    const rows = pixelsReduced(x, dims);
    if (rows) {
      const buffer = x.backend.reduce(pixelRows(x).operand, { kind, ...rows, dtype });
      return new Tensor(x.backend, buffer, shape, dtype);
    }
  }
  // Dimensions that are neighbours, but for those of size 1, are walked as one.
  const wide = dims.filter((d) => x.shape[d] !== 1);
  const [first, end] = wide.length > 0 ? [wide[0], wide.at(-1)! + 1] : [0, 0];
  const together = kept.every((d) => d < first || d >= end || x.shape[d] === 1);
  using moved = together ? x.reshape(x.shape) : permute(x, [...kept, ...dims]);
  const n = numelOf(dims.map((d) => x.shape[d]));
  const rows = together
    ? { outer: numelOf(x.shape.slice(0, first)), n, inner: numelOf(x.shape.slice(end)) }
    : { outer: numelOf(kept.map((d) => x.shape[d])), n, inner: 1 };
  const buffer = x.backend.reduce(moved.operand, { kind, ...rows, dtype });
  return new Tensor(x.backend, buffer, shape, dtype);
}

/** A reduction over any dimensions. */
function reduce(
  kind: ReduceKind,
  x: Tensor,
  dim: Dims | undefined,
  options: ReduceOptions,
): Tensor {
  checkTensor(kind, x);
  checkOptions(kind, options, ["keepdim"]);
  const dims = dimsOf(kind, dim, x.shape);
  const added = kind === "sum" || kind === "prod";
  if (kind === "mean" && !x.dtype.isFloat) {
    throw new TypeError(
      `mean: expected a float tensor, got ${x.dtype.name}; convert it with .to(float32)`,
    );
  }
  if (!added && kind !== "mean") checkElements(kind, x, dims);
  const dtype = added && !x.dtype.isFloat ? int32 : x.dtype;
  return found(x, kind, dims, options.keepdim ?? false, dtype);
}

/** Throws a RangeError where there is nothing to choose from. */
function checkElements(where: string, x: Tensor, dims: readonly number[]): void {
  const empty = dims.some((d) => x.shape[d] === 0);
  if (!empty) return;
  throw new RangeError(
    `${where}: a tensor of shape ${
      formatShape(x.shape)
    } has no elements along dimensions [${dims}]`,
  );
}

/** The place of what is found along one dimension, or in all elements in order. */
function place(
  kind: "argmax" | "argmin",
  x: Tensor,
  dim: number | undefined,
  options: ReduceOptions,
): Tensor {
  checkTensor(kind, x);
  checkOptions(kind, options, ["keepdim"]);
  const dims = dim === undefined ? dimsOf(kind, undefined, x.shape) : [dimOf(kind, dim, x.shape)];
  checkElements(kind, x, dims);
  const within = dims.filter((d) => d < x.ndim);
  return found(x, kind, within, options.keepdim ?? false, int32);
}

/**
 * The sum of the elements. Integers and bool give int32.
 *
 * @param dim the dimensions that are added up; all by default.
 * @throws {RangeError} if there is no such dimension.
 *
 * @example
 * ```ts
 * import { sum, tensor } from "@staticquant/staticquant";
 * const x = tensor([[1, 2], [3, 4]]);
 * console.log(await sum(x).item(), await sum(x, 0).data()); // 10 Float32Array [ 4, 6 ]
 * ```
 */
export function sum(x: Tensor, dim?: Dims, options: ReduceOptions = {}): Tensor {
  return reduce("sum", x, dim, options);
}

/**
 * The mean of the elements; NaN of none.
 *
 * @param x float.
 * @param dim the dimensions that are taken together; all by default.
 * @throws {TypeError} if `x` is not float.
 * @throws {RangeError} if there is no such dimension.
 *
 * @example
 * ```ts
 * import { mean, tensor } from "@staticquant/staticquant";
 * console.log(mean(tensor([[1, 2], [3, 4]]), 1, { keepdim: true }).shape); // [ 2, 1 ]
 * ```
 */
export function mean(x: Tensor, dim?: Dims, options: ReduceOptions = {}): Tensor {
  return reduce("mean", x, dim, options);
}

/**
 * The product of the elements. Integers and bool give int32, which wraps around.
 *
 * @param dim the dimensions that are taken together; all by default.
 * @throws {RangeError} if there is no such dimension.
 *
 * @example
 * ```ts
 * import { prod, tensor } from "@staticquant/staticquant";
 * console.log(await prod(tensor([2, 3, 4])).item()); // 24
 * ```
 */
export function prod(x: Tensor, dim?: Dims, options: ReduceOptions = {}): Tensor {
  return reduce("prod", x, dim, options);
}

/**
 * The greatest element; NaN where there is one.
 *
 * @param dim the dimensions that are taken together; all by default.
 * @throws {RangeError} if there is no such dimension, or no element.
 *
 * @example
 * ```ts
 * import { amax, tensor } from "@staticquant/staticquant";
 * console.log(await amax(tensor([[1, 2], [4, 3]]), 1).data()); // Float32Array [ 2, 4 ]
 * ```
 */
export function amax(x: Tensor, dim?: Dims, options: ReduceOptions = {}): Tensor {
  return reduce("amax", x, dim, options);
}

/**
 * The least element; NaN where there is one.
 *
 * @param dim the dimensions that are taken together; all by default.
 * @throws {RangeError} if there is no such dimension, or no element.
 *
 * @example
 * ```ts
 * import { amin, tensor } from "@staticquant/staticquant";
 * console.log(await amin(tensor([[1, 2], [4, 3]]), 1).data()); // Float32Array [ 1, 3 ]
 * ```
 */
export function amin(x: Tensor, dim?: Dims, options: ReduceOptions = {}): Tensor {
  return reduce("amin", x, dim, options);
}

/**
 * The index of the greatest element, the first of several, as int32; that of a NaN where there is one.
 *
 * @param dim the dimension along which it counts; by default all elements are numbered in order.
 * @throws {RangeError} if there is no such dimension, or no element.
 *
 * @example
 * ```ts
 * import { argmax, tensor } from "@staticquant/staticquant";
 * console.log(await argmax(tensor([[1, 2], [4, 3]]), 1).data()); // Int32Array [ 1, 0 ]
 * ```
 */
export function argmax(x: Tensor, dim?: number, options: ReduceOptions = {}): Tensor {
  return place("argmax", x, dim, options);
}

/**
 * The index of the least element, the first of several, as int32; that of a NaN where there is one.
 *
 * @param dim the dimension along which it counts; by default all elements are numbered in order.
 * @throws {RangeError} if there is no such dimension, or no element.
 *
 * @example
 * ```ts
 * import { argmin, tensor } from "@staticquant/staticquant";
 * console.log(await argmin(tensor([[1, 2], [4, 3]]), 1).data()); // Int32Array [ 0, 1 ]
 * ```
 */
export function argmin(x: Tensor, dim?: number, options: ReduceOptions = {}): Tensor {
  return place("argmin", x, dim, options);
}

/** Options of {@linkcode cumsum}. */
export interface CumSumOptions {
  /** Whether an element's own value is left out of its sum; false by default. */
  exclusive?: boolean;
  /** Whether sums run from the end; false by default. */
  reverse?: boolean;
}

/**
 * Running sums along a dimension, as `torch.cumsum`, and with its options ONNX's CumSum. Integers and
 * bool give int32.
 *
 * @throws {RangeError} if there is no such dimension.
 *
 * @example
 * ```ts
 * import { cumsum, tensor } from "@staticquant/staticquant";
 * console.log(await cumsum(tensor([1, 2, 3]), 0).data()); // Float32Array [ 1, 3, 6 ]
 * ```
 */
export function cumsum(x: Tensor, dim: number, options: CumSumOptions = {}): Tensor {
  checkTensor("cumsum", x);
  checkOptions("cumsum", options, ["exclusive", "reverse"]);
  const { exclusive = false, reverse = false } = options;
  const rows = rowsOf(x.shape, dimOf("cumsum", dim, x.shape));
  const dtype = x.dtype.isFloat ? x.dtype : int32;
  const buffer = x.backend.cumsum(x.operand, { ...rows, exclusive, reverse, dtype });
  return new Tensor(x.backend, buffer, x.shape, dtype);
}
