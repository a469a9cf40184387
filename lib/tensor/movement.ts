/**
 * Elements in another order, in part, in several copies or with others beside them, with PyTorch's names.
 * What can share the memory of its input does; all else is enqueued. Dimensions may be counted from the
 * end by negative numbers. Every dtype is moved as it is.
 *
 * @module
 */
import { MOST_INPUTS } from "../backend/backend.ts";
import { contiguousStrides } from "../backend/strides.ts";
import { checkChoice, checkOptions, given } from "../numbers/arguments.ts";
import { bool, type DType, int32 } from "../numbers/dtype.ts";
import { encode } from "../numbers/encoding.ts";
import { formatShape, numelOf, sameShape } from "../numbers/shape.ts";
import { checkInteger, dimOf, dimsOf } from "./dims.ts";
import { Formula, resultType } from "./formula.ts";
import { checkSameDevice } from "./ops.ts";
import { imageOperands } from "./pixels.ts";
import { onBytes, sameBytes } from "./quantized_bytes.ts";
import { strided, stridesOf } from "./strided.ts";
import { checkTensor, Tensor } from "./tensor.ts";

/**
 * The dimensions of `x` in another order, as `torch.permute`.
 *
 * @param x any dtype.
 * @param dims each dimension of `x` once, in the order that they are to have.
 * @throws {RangeError} if `dims` is no such list.
 *
 * @example
 * ```ts
 * import { permute, zeros } from "@staticquant/staticquant";
 * console.log(permute(zeros([2, 3, 4]), [2, 0, 1]).shape); // [ 4, 2, 3 ]
 * ```
 */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  checkTensor("permute", x);
  if (x.isQuantized) return onBytes(x, (x) => permute(x, dims));
  const listed = Array.isArray(dims) ? dimsOf("permute", dims, x.shape) : [];
  if (!Array.isArray(dims) || listed.length !== x.ndim) {
    throw new RangeError(
      `permute: the dimensions must be those of shape ${
        formatShape(x.shape)
      } in another order, got ` +
        `${Array.isArray(dims) ? `[${dims}]` : given(dims)}`,
    );
  }
  const order = dims.map((dim) => dimOf("permute", dim, x.shape));
  const strides = stridesOf(x);
  return strided(x, order.map((dim) => x.shape[dim]), order.map((dim) => strides[dim]));
}

/**
 * `x` with two dimensions exchanged, as `torch.transpose`.
 *
 * @throws {RangeError} if there is no such dimension.
 *
 * @example
 * ```ts
 * import { tensor, transpose } from "@staticquant/staticquant";
 * console.log(await transpose(tensor([[1, 2], [3, 4]]), 0, 1).data()); // 1, 3, 2, 4
 * ```
 */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  checkTensor("transpose", x);
  const [a, b] = [dimOf("transpose", dim0, x.shape), dimOf("transpose", dim1, x.shape)];
  const order = x.shape.map((_, d) => d === a ? b : d === b ? a : d);
  return permute(x, order);
}

/**
 * `x` repeated along dimensions of size 1, and along new ones at the front, as `Tensor.expand` of
 * PyTorch. The repeated elements take memory.
 *
 * @param shape −1 stands for the size that the dimension has.
 * @throws {RangeError} if a size that is not 1 would change.
 *
 * @example
 * ```ts
 * import { expand, tensor } from "@staticquant/staticquant";
 * console.log(await expand(tensor([[1], [2]]), [-1, 2]).data()); // 1, 1, 2, 2
 * ```
 */
export function expand(x: Tensor, shape: readonly number[]): Tensor {
  checkTensor("expand", x);
  if (x.isQuantized) return onBytes(x, (x) => expand(x, shape));
  const missing = shape.length - x.ndim;
  const sizes = shape.map((size, d) => size === -1 && d >= missing ? x.shape[d - missing] : size);
  const fits = missing >= 0 &&
    sizes.every((size, d) =>
      Number.isInteger(size) && size >= 0 &&
      (d < missing || x.shape[d - missing] === 1 || x.shape[d - missing] === size)
    );
  if (!fits) {
    throw new RangeError(
      `expand: shape ${formatShape(x.shape)} does not expand to ${
        formatShape(shape)
      }: only sizes of 1 ` +
        `change, and new dimensions stand at the front`,
    );
  }
  const own = stridesOf(x);
  const strides = sizes.map((_, d) =>
    d < missing || x.shape[d - missing] === 1 ? 0 : own[d - missing]
  );
  return strided(x, sizes, strides);
}

/**
 * `x` set beside itself, as `torch.tile`.
 *
 * @param repeats how often along each dimension; the last of it belongs to the last dimension.
 * @throws {RangeError} if one is no non-negative integer.
 *
 * @example
 * ```ts
 * import { tensor, tile } from "@staticquant/staticquant";
 * console.log(await tile(tensor([1, 2]), [2, 2]).data()); // 1, 2, 1, 2, 1, 2, 1, 2
 * ```
 */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
  checkTensor("tile", x);
  if (!repeats.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new RangeError(`tile: repeats are non-negative integers, got [${repeats}]`);
  }
  const rank = Math.max(repeats.length, x.ndim);
  const times = [...new Array(rank - repeats.length).fill(1), ...repeats];
  const sizes = [...new Array(rank - x.ndim).fill(1), ...x.shape];
  using plain = x.reshape(sizes);
  const own = stridesOf(plain);
  using all = strided(
    plain,
    sizes.flatMap((size, d) => [times[d], size]),
    sizes.flatMap((_, d) => [0, own[d]]),
  );
  return all.reshape(sizes.map((size, d) => size * times[d]));
}

/**
 * Tensors one after the other along a dimension, as `torch.cat`.
 *
 * @param tensors at least one, alike in all other sizes; their dtypes are promoted.
 * @param dim the dimension that grows.
 * @throws {TypeError} if they are no list of Tensors.
 * @throws {RangeError} if the list is empty or shapes do not fit.
 * @throws {Error} if they live on different devices.
 *
 * @example
 * ```ts
 * import { cat, tensor } from "@staticquant/staticquant";
 * const y = cat([tensor([[1], [2]]), tensor([[3], [4]])], 1);
 * console.log(await y.data()); // Float32Array [ 1, 3, 2, 4 ]
 * ```
 */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  if (!Array.isArray(tensors)) {
    throw new TypeError(`cat: expected an array of Tensors, got ${given(tensors)}`);
  }
  if (tensors.length === 0) throw new RangeError("cat: there is nothing in the list of tensors");
  tensors.forEach((x) => checkTensor("cat", x));
  checkSameDevice("cat", tensors[0], ...tensors.slice(1));
  const [{ backend, shape }]: readonly Tensor[] = tensors;
  const at = dimOf("cat", dim, shape);
  for (const x of tensors as readonly Tensor[]) {
    const fits = x.ndim === shape.length && x.ndim > 0 &&
      x.shape.every((size, d) => d === at || size === shape[d]);
    if (fits) continue;
    throw new RangeError(
      `cat: shapes ${formatShape(shape)} and ${
        formatShape(x.shape)
      } do not fit along dimension ${dim}; ` +
        `all other sizes must be equal`,
    );
  }
  if (tensors.every((x) => sameBytes(x, tensors[0]))) return catOfBytes(tensors, at);
  const dtype = resultType(...tensors);
  const cast = tensors.map((x) => x.to(dtype));
  try {
    const size = tensors.reduce((sum, x) => sum + x.shape[at], 0);
    const whole = shape.with(at, size);
    const pixels = imageOperands(cast);
    if (pixels) return Tensor.channelsLast(backend, backend.cat(pixels, at), whole, dtype);
    return new Tensor(backend, backend.cat(cast.map((x) => x.operand), at), whole, dtype);
  } finally {
    cast.forEach((x, n) => x === tensors[n] || x.dispose());
  }
}

/** Quantized tensors of one scale, one after the other. */
function catOfBytes(tensors: readonly Tensor[], dim: number): Tensor {
  const bytes = tensors.map((x) => x.intRepr());
  try {
    using y = cat(bytes, dim);
    const params = tensors.map((x) => x.qParams());
    const quantMin = Math.min(...params.map(({ quantMin }) => quantMin));
    const quantMax = Math.max(...params.map(({ quantMax }) => quantMax));
    return Tensor.fromBytes(y, { ...params[0], quantMin, quantMax, dtype: tensors[0].dtype });
  } finally {
    bytes.forEach((x) => x.dispose());
  }
}

/**
 * Tensors of one shape along a new dimension, as `torch.stack`.
 *
 * @throws {RangeError} if the list is empty or shapes differ.
 *
 * @example
 * ```ts
 * import { stack, tensor } from "@staticquant/staticquant";
 * console.log(stack([tensor([1, 2]), tensor([3, 4])], 1).shape); // [ 2, 2 ]
 * ```
 */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  if (!Array.isArray(tensors)) {
    throw new TypeError(`stack: expected an array of Tensors, got ${given(tensors)}`);
  }
  tensors.forEach((x) => checkTensor("stack", x));
  const odd = tensors.find((x) => !sameShape(x.shape, tensors[0].shape));
  if (odd) {
    throw new RangeError(
      `stack: shapes ${formatShape(tensors[0].shape)} and ${formatShape(odd.shape)} differ`,
    );
  }
  const views = tensors.map((x) => unsqueeze(x, dim));
  try {
    return cat(views, dim < 0 ? dim + (views[0]?.ndim ?? 0) : dim);
  } finally {
    views.forEach((view) => view.dispose());
  }
}

/**
 * Part of `x`: along a dimension the elements from `start` on, before `end`, as `x[start:end:step]` in
 * Python.
 *
 * @param x any dtype.
 * @param dim the dimension that is cut.
 * @param start the first index; negative ones count from the end; what lies outside is cut off. By
 * default where the dimension begins, or for a negative step where it ends.
 * @param end the index before which it ends; by default all of the dimension.
 * @param step how far indices are apart; a negative one goes backwards, with `start` behind `end`.
 * @throws {RangeError} if the step is 0.
 *
 * @example
 * ```ts
 * import { slice, tensor } from "@staticquant/staticquant";
 * const x = tensor([0, 1, 2, 3, 4]);
 * console.log(await slice(x, 0, 1, -1).data()); // Float32Array [ 1, 2, 3 ]
 * console.log(await slice(x, 0, 4, -6, -2).data()); // Float32Array [ 4, 2, 0 ]
 * ```
 */
export function slice(
  x: Tensor,
  dim: number,
  start?: number,
  end?: number,
  step = 1,
): Tensor {
  checkTensor("slice", x);
  if (x.isQuantized) return onBytes(x, (x) => slice(x, dim, start, end, step));
  const at = dimOf("slice", dim, x.shape);
  for (
    const [name, value] of [["start", start ?? 0], ["end", end ?? 0], ["step", step]] as const
  ) {
    if (value !== Infinity && value !== -Infinity) checkInteger("slice", name, value);
  }
  if (step === 0 || x.ndim === 0) {
    throw new RangeError(
      `slice: ${step === 0 ? "the step is 0" : "a tensor without dimensions cannot be cut"}`,
    );
  }
  const size = x.shape[at];
  const [least, most] = step > 0 ? [0, size] : [-1, size - 1];
  const inside = (index: number) =>
    Math.min(Math.max(index < 0 ? index + size : index, least), most);
  const first = start === undefined ? (step > 0 ? 0 : size - 1) : inside(start);
  const last = end === undefined ? (step > 0 ? size : -1) : inside(end);
  const count = Math.max(0, Math.ceil((last - first) / step));
  const strides = stridesOf(x);
  const offset = count === 0 ? 0 : first * strides[at];
  const apart = count > 1 ? step * strides[at] : strides[at];
  return strided(x, x.shape.with(at, count), strides.with(at, apart), offset);
}

/**
 * `x` in pieces along a dimension, as `torch.split`.
 *
 * @param sizes the size of every piece, of which the last may be smaller, or a list of the sizes.
 * @throws {RangeError} if a list does not add up to the dimension, or a size is not positive.
 *
 * @example
 * ```ts
 * import { split, zeros } from "@staticquant/staticquant";
 * console.log(split(zeros([5, 2]), 2).map((x) => x.shape)); // [ [ 2, 2 ], [ 2, 2 ], [ 1, 2 ] ]
 * console.log(split(zeros([5, 2]), [1, 4]).map((x) => x.shape)); // [ [ 1, 2 ], [ 4, 2 ] ]
 * ```
 */
export function split(x: Tensor, sizes: number | readonly number[], dim = 0): Tensor[] {
  checkTensor("split", x);
  const at = dimOf("split", dim, x.shape);
  const size = x.shape[at] ?? 0;
  const list = typeof sizes === "number" ? evenSizes(size, sizes) : sizes;
  const whole = list.every((part) => Number.isInteger(part) && part >= 0);
  if (!whole || list.reduce((sum, part) => sum + part, 0) !== size) {
    throw new RangeError(
      `split: sizes ${
        typeof sizes === "number" ? sizes : `[${sizes}]`
      } do not cut dimension ${dim} of shape ${formatShape(x.shape)} into pieces`,
    );
  }
  const parts: Tensor[] = [];
  let start = 0;
  for (const part of list) parts.push(slice(x, at, start, start += part));
  return parts;
}

/** Pieces of `part`, and what is left; no pieces where `part` is no size. */
function evenSizes(size: number, part: number): number[] {
  if (!(part >= 1)) return [NaN];
  const count = Math.max(1, Math.ceil(size / part));
  return Array.from({ length: count }, (_, n) => Math.min(part, size - n * part));
}

/**
 * `x` turned round along dimensions, as `torch.flip`.
 *
 * @param dims one or several.
 *
 * @example
 * ```ts
 * import { flip, tensor } from "@staticquant/staticquant";
 * console.log(await flip(tensor([1, 2, 3]), 0).data()); // Float32Array [ 3, 2, 1 ]
 * ```
 */
export function flip(x: Tensor, dims: number | readonly number[]): Tensor {
  checkTensor("flip", x);
  const turned = new Set(dimsOf("flip", dims, x.shape).filter((dim) => x.shape[dim] > 1));
  const strides = stridesOf(x);
  const offset = x.numel === 0
    ? 0
    : [...turned].reduce((sum, dim) => sum + (x.shape[dim] - 1) * strides[dim], 0);
  return strided(x, x.shape, strides.map((stride, d) => turned.has(d) ? -stride : stride), offset);
}

/** Options of {@linkcode pad}. */
export interface PadOptions {
  /**
   * What stands outside: a constant (default), the input mirrored about its edge without repeating the
   * edge, the edge repeated, or the input anew from its other end.
   */
  mode?: "constant" | "reflect" | "replicate" | "circular";
  /** The constant; 0 by default. */
  value?: number;
}

const PAD_MODES = {
  constant: "constant",
  reflect: "reflect",
  replicate: "edge",
  circular: "wrap",
} as const;

/**
 * `x` with a border, as `torch.nn.functional.pad`.
 *
 * @param x any dtype.
 * @param padding how much before and after the last dimension, then before and after the one before it,
 * and so on; negative where it is cut off.
 * @throws {RangeError} if the padding has an odd length or belongs to more dimensions than there are, or
 * nothing would be left; if a mode other than constant has nothing to take from, or mirrors more than
 * there is.
 *
 * @example
 * ```ts
 * import { pad, tensor } from "@staticquant/staticquant";
 * const x = tensor([1, 2, 3]);
 * console.log(await pad(x, [1, 2]).data()); // Float32Array [ 0, 1, 2, 3, 0, 0 ]
 * console.log(await pad(x, [2, 1], { mode: "reflect" }).data()); // Float32Array [ 3, 2, 1, 2, 3, 2 ]
 * ```
 */
export function pad(x: Tensor, padding: readonly number[], options: PadOptions = {}): Tensor {
  checkTensor("pad", x);
  checkOptions("pad", options, ["mode", "value"]);
  const { mode = "constant", value = 0 } = options;
  checkChoice("pad", "mode", mode, Object.keys(PAD_MODES) as (keyof typeof PAD_MODES)[]);
  const dims = padding.length / 2;
  if (!Number.isInteger(dims) || dims > x.ndim || !padding.every(Number.isInteger)) {
    throw new RangeError(
      `pad: the padding [${padding}] must be integers, a pair for each of at most ${x.ndim} dimensions, ` +
        `the last one first`,
    );
  }
  const pairs = x.shape.map((_, d) => {
    const from = 2 * (x.ndim - 1 - d);
    return [padding[from] ?? 0, padding[from + 1] ?? 0];
  });
  const shape = x.shape.map((size, d) => size + pairs[d][0] + pairs[d][1]);
  pairs.forEach(([before, after], d) => {
    const size = x.shape[d];
    const most = mode === "reflect" ? size - 1 : mode === "circular" ? size : Infinity;
    const reach = Math.max(before, after);
    if (shape[d] >= 0 && (mode === "constant" || reach <= 0 || (size > 0 && reach <= most))) return;
    throw new RangeError(
      `pad: [${before}, ${after}] does not fit dimension ${d} of shape ${
        formatShape(x.shape)
      } in mode ` +
        `"${mode}"`,
    );
  });
  if (sameShape(shape, x.shape) && pairs.every(([before]) => before === 0)) {
    return x.reshape(x.shape);
  }
  const bits = bitsOf(value, x.dtype);
  const args = { shape, before: pairs.map(([before]) => before), mode: PAD_MODES[mode], bits };
  return new Tensor(x.backend, x.backend.pad(x.operand, args), shape, x.dtype);
}

/** The bits of an element. */
function bitsOf(value: number, dtype: DType): number {
  const bytes = encode([value], dtype);
  return bytes.reduce((bits, byte, i) => bits + byte * 2 ** (8 * i), 0);
}

/** Throws a TypeError unless `index` is a Tensor of integers. */
function checkIndex(where: string, index: Tensor): void {
  checkTensor(`${where}: index`, index);
  if (!index.dtype.isFloat && index.dtype !== bool) return;
  throw new TypeError(
    `${where}: the index must be a tensor of integers, such as int32, got ${index.dtype.name}`,
  );
}

/** Throws a RangeError if there are indices but nothing to point at. */
function checkTarget(where: string, x: Tensor, dim: number, count: number): void {
  if (x.ndim > 0 && (x.shape[dim] > 0 || count === 0)) return;
  throw new RangeError(
    `${where}: dimension ${dim} of shape ${formatShape(x.shape)} has no elements to point at`,
  );
}

/**
 * Along a dimension the elements that indices point at, each place having an index of its own, as
 * `torch.gather`: `y[i][j] = x[index[i][j]][j]` for `dim` 0 of two.
 *
 * @param x any dtype.
 * @param dim the dimension along which the indices count; negative ones from its end.
 * @param index of an integer dtype, as many dimensions as `x`, and but for `dim` at most its sizes.
 * @returns the shape of the index.
 * @throws {RangeError} if the shapes do not fit. An index that points outside throws on the CPU; on
 * WebGPU, which does not wait, the nearest element is taken.
 * @throws {TypeError} if the index is no tensor of integers.
 *
 * @example
 * ```ts
 * import { gather, int32, tensor } from "@staticquant/staticquant";
 * const index = tensor([[1], [0]], { dtype: int32 });
 * console.log(await gather(tensor([[1, 2], [3, 4]]), 1, index).data()); // Float32Array [ 2, 3 ]
 * ```
 */
export function gather(x: Tensor, dim: number, index: Tensor): Tensor {
  checkTensor("gather", x);
  checkIndex("gather", index);
  checkSameDevice("gather", x, index);
  const at = dimOf("gather", dim, x.shape);
  const fits = index.ndim === x.ndim &&
    index.shape.every((size, d) => d === at || size <= x.shape[d]);
  if (!fits) {
    throw new RangeError(
      `gather: an index of shape ${formatShape(index.shape)} does not fit an input of shape ${
        formatShape(x.shape)
      } along dimension ${dim}: it has as many dimensions, and but for that one no greater sizes`,
    );
  }
  checkTarget("gather", x, at, index.numel);
  const strides = contiguousStrides(x.shape);
  const buffer = x.backend.gather(x.operand, index.operand, {
    shape: index.shape,
    strides: strides.with(at, 0),
    indexStrides: contiguousStrides(index.shape),
    size: x.shape[at],
    stride: strides[at],
  });
  return new Tensor(x.backend, buffer, index.shape, x.dtype);
}

/**
 * Slices of `x` along a dimension, those that indices point at: `torch.index_select`, and for an index
 * of any rank what ONNX's Gather and embeddings do.
 *
 * @param x any dtype.
 * @param dim the dimension along which the indices count; negative ones from its end.
 * @param index of an integer dtype and any shape.
 * @returns the shape of `x` with that of the index in place of `dim`.
 * @throws {RangeError} as {@linkcode gather} does.
 * @throws {TypeError} if the index is no tensor of integers.
 *
 * @example
 * ```ts
 * import { indexSelect, int32, tensor } from "@staticquant/staticquant";
 * const rows = indexSelect(tensor([[1, 2], [3, 4]]), 0, tensor([1, 1, 0], { dtype: int32 }));
 * console.log(await rows.data()); // Float32Array [ 3, 4, 3, 4, 1, 2 ]
 * ```
 */
export function indexSelect(x: Tensor, dim: number, index: Tensor): Tensor {
  checkTensor("indexSelect", x);
  checkIndex("indexSelect", index);
  checkSameDevice("indexSelect", x, index);
  const at = dimOf("indexSelect", dim, x.shape);
  checkTarget("indexSelect", x, at, index.numel);
  const own = contiguousStrides(x.shape);
  const [before, after] = [own.slice(0, at), own.slice(at + 1)];
  const shape = [...x.shape.slice(0, at), ...index.shape, ...x.shape.slice(at + 1)];
  const zeros = (of: readonly number[]) => of.map(() => 0);
  const buffer = x.backend.gather(x.operand, index.operand, {
    shape,
    strides: [...before, ...zeros(index.shape), ...after],
    indexStrides: [...zeros(before), ...contiguousStrides(index.shape), ...zeros(after)],
    size: x.shape[at],
    stride: own[at],
  });
  return new Tensor(x.backend, buffer, shape, x.dtype);
}

/**
 * Slices of `x` that tuples of indices point at, as ONNX's GatherND: `y[i] = x[index[i][0]][index[i][1]]…`
 *
 * @param x any dtype, shape (batch…, sizes…).
 * @param index of an integer dtype, shape (batch…, …, k): each row of k counts along the first k of the
 * sizes; negative ones from the end.
 * @param batchDims how many leading dimensions both have in common; 0 by default.
 * @returns shape (batch…, …, the sizes after the first k).
 * @throws {RangeError} if the shapes do not fit; for an index that points outside see {@linkcode gather}.
 * @throws {TypeError} if the index is no tensor of integers.
 *
 * @example
 * ```ts
 * import { gatherNd, int32, tensor } from "@staticquant/staticquant";
 * const index = tensor([[0, 1], [1, 0]], { dtype: int32 });
 * console.log(await gatherNd(tensor([[1, 2], [3, 4]]), index).data()); // Float32Array [ 2, 3 ]
 * ```
 */
export function gatherNd(x: Tensor, index: Tensor, batchDims = 0): Tensor {
  checkTensor("gatherNd", x);
  checkIndex("gatherNd", index);
  checkSameDevice("gatherNd", x, index);
  const k = index.shape.at(-1) ?? 0;
  const batch = x.shape.slice(0, batchDims);
  const fits = k > 0 && k < MOST_INPUTS && batchDims + k <= x.ndim && batchDims < index.ndim &&
    sameShape(batch, index.shape.slice(0, batchDims));
  if (!fits) {
    throw new RangeError(
      `gatherNd: an index of shape ${formatShape(index.shape)} does not fit an input of shape ${
        formatShape(x.shape)
      } with ${batchDims} dimensions in common; its last dimension counts along those after them`,
    );
  }
  const sizes = x.shape.slice(batchDims, batchDims + k);
  const rest = x.shape.slice(batchDims + k);
  const batches = numelOf(batch);
  const middle = index.shape.slice(batchDims, -1);
  using rows = index.reshape(batches, numelOf(middle), k);
  const columns = sizes.map((_, n) => slice(rows, 2, n, n + 1));
  using starts = batchStarts(x, batches, numelOf(sizes));
  using places = placesOf(columns, sizes, starts);
  columns.forEach((column) => column.dispose());
  using table = x.reshape(batches * numelOf(sizes), ...rest);
  using flat = places.reshape(batches * numelOf(middle));
  using found = indexSelect(table, 0, flat);
  return found.reshape([...batch, ...middle, ...rest]);
}

/** Where each batch's part of a table begins, shape (batches, 1, 1). */
function batchStarts(x: Tensor, batches: number, size: number): Tensor {
  const starts = Int32Array.from({ length: batches }, (_, n) => n * size);
  const bytes = new Uint8Array(starts.buffer);
  return new Tensor(x.backend, x.backend.upload(bytes), [batches, 1, 1], int32);
}

/** Columns of indices as places in a table whose rows they count, each brought inside. */
function placesOf(columns: readonly Tensor[], sizes: readonly number[], starts: Tensor): Tensor {
  const strides = contiguousStrides(sizes);
  const formula = new Formula("gatherNd");
  let place = formula.read(starts, "int");
  columns.forEach((column, n) => {
    const index = formula.read(column, "int");
    const size = formula.read(sizes[n], "int");
    const zero = formula.read(0, "int");
    const fromEnd = formula.apply("add", index, size);
    const negative = formula.apply("lt", index, zero);
    const counted = formula.apply("select", negative, fromEnd, index);
    const most = formula.read(Math.max(sizes[n] - 1, 0), "int");
    const inside = formula.apply("minimum", formula.apply("maximum", counted, zero), most);
    const stride = formula.read(strides[n], "int");
    place = formula.apply("add", place, formula.apply("mul", inside, stride));
  });
  return formula.result(int32);
}

/**
 * A view of `x` without its dimensions of size 1, or without those given if they are of size 1.
 *
 * @example
 * ```ts
 * import { squeeze, zeros } from "@staticquant/staticquant";
 * console.log(squeeze(zeros([1, 3, 1])).shape, squeeze(zeros([1, 3, 1]), 0).shape); // [ 3 ] [ 3, 1 ]
 * ```
 */
export function squeeze(x: Tensor, dims?: number | readonly number[]): Tensor {
  checkTensor("squeeze", x);
  const chosen = new Set(dimsOf("squeeze", dims, x.shape));
  return x.reshape(x.shape.filter((size, d) => size !== 1 || !chosen.has(d)));
}

/**
 * A view of `x` with one more dimension, of size 1.
 *
 * @param dim where it stands in the result.
 * @throws {RangeError} if there is no such place.
 *
 * @example
 * ```ts
 * import { unsqueeze, zeros } from "@staticquant/staticquant";
 * console.log(unsqueeze(zeros([2, 3]), -1).shape); // [ 2, 3, 1 ]
 * ```
 */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  checkTensor("unsqueeze", x);
  const at = dimOf("unsqueeze", dim, [...x.shape, 1]);
  return x.reshape(x.shape.toSpliced(at, 0, 1));
}

/**
 * A view of `x` with the dimensions from `startDim` to `endDim` as one, as `torch.flatten`.
 *
 * @throws {RangeError} if `startDim` lies behind `endDim`.
 *
 * @example
 * ```ts
 * import { flatten, zeros } from "@staticquant/staticquant";
 * console.log(flatten(zeros([2, 3, 4]), 1).shape); // [ 2, 12 ]
 * ```
 */
export function flatten(x: Tensor, startDim = 0, endDim = -1): Tensor {
  checkTensor("flatten", x);
  const [from, to] = [startDim, endDim].map((dim) => dimOf("flatten", dim, x.shape));
  if (from > to) {
    throw new RangeError(
      `flatten: dimension ${startDim} lies behind ${endDim} in shape ${formatShape(x.shape)}`,
    );
  }
  const size = numelOf(x.shape.slice(from, to + 1));
  return x.reshape(x.shape.toSpliced(from, to - from + 1, size));
}

/**
 * A view of `x` with a dimension as several, as `torch.unflatten`.
 *
 * @param sizes their sizes; one may be −1, to be found out.
 * @throws {RangeError} if they do not make up the dimension.
 *
 * @example
 * ```ts
 * import { unflatten, zeros } from "@staticquant/staticquant";
 * console.log(unflatten(zeros([2, 12]), 1, [3, -1]).shape); // [ 2, 3, 4 ]
 * ```
 */
export function unflatten(x: Tensor, dim: number, sizes: readonly number[]): Tensor {
  checkTensor("unflatten", x);
  const at = dimOf("unflatten", dim, x.shape);
  return x.reshape(x.shape.toSpliced(at, 1, ...sizes));
}
