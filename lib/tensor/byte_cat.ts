/**
 * Tensors of bytes with scales of their own one after the other.
 *
 * @module
 */
import { checkOptions, given } from "../numbers/arguments.ts";
import { type ByteParams, checkBytes, checkParams } from "./byte_params.ts";
import { byteTable, lookup } from "./byte_table.ts";
import { cat } from "./movement.ts";
import type { Tensor } from "./tensor.ts";

/** Options of {@linkcode quantizedCat}. */
export interface QuantizedCatOptions {
  /** What the bytes of each tensor stand for. */
  xs: readonly ByteParams[];
  /** What those of the result stand for. */
  y: ByteParams;
  /** The dimension that grows; 0 by default. */
  dim?: number;
}

/**
 * The tables that bring bytes of several scales to those of one, null where nothing changes: for those who
 * put tensors together more than once. They are the caller's.
 *
 * @param like a tensor of the dtype and on the device of all.
 * @throws {RangeError} if a parameter is none.
 * @throws {TypeError} if the tensor holds no bytes.
 *
 * @example
 * ```ts
 * import { tablesToScale, tensor, uint8 } from "@staticquant/staticquant";
 * const q = tensor([1], { dtype: uint8 });
 * const tables = tablesToScale(q, [{ scale: 1 }, { scale: 0.5 }], { scale: 1 });
 * console.log(tables.map((table) => table?.numel)); // [ undefined, 256 ]
 * ```
 */
export function tablesToScale(
  like: Tensor,
  xs: readonly ByteParams[],
  y: ByteParams,
): (Tensor | null)[] {
  const where = "tablesToScale";
  checkBytes(where, like);
  const { dtype, device } = like;
  const to = checkParams(where, "y", y, dtype);
  const from = xs.map((x, n) => checkParams(where, `xs[${n}]`, x, dtype));
  return from.map((x) => {
    const same = x.scale === to.scale && x.zeroPoint === to.zeroPoint;
    return same ? null : byteTable((values) => values.clone(), { x, y: to, dtype, device });
  });
}

/**
 * Tensors of bytes one after the other along a dimension, brought to one scale: each byte becomes what
 * quantizing the number that it stands for gives, as in onnxruntime's QLinearConcat. Enqueued.
 *
 * @param tensors at least one, uint8 or int8, alike in all other sizes.
 * @throws {RangeError} if the shapes do not fit, a parameter is none, or there are too few.
 * @throws {TypeError} if they are no list of tensors of bytes.
 * @throws {Error} if they live on different devices.
 *
 * @example
 * ```ts
 * import { quantizedCat, tensor, uint8 } from "@staticquant/staticquant";
 * const a = tensor([2, 4], { dtype: uint8 });
 * const y = quantizedCat([a, a], { xs: [{ scale: 1 }, { scale: 0.5 }], y: { scale: 0.5 } });
 * console.log(await y.data()); // Uint8Array [ 4, 8, 2, 4 ]
 * ```
 */
export function quantizedCat(tensors: readonly Tensor[], options: QuantizedCatOptions): Tensor {
  const where = "quantizedCat";
  if (!Array.isArray(tensors)) {
    throw new TypeError(`${where}: expected an array of Tensors, got ${given(tensors)}`);
  }
  if (tensors.length === 0) {
    throw new RangeError(`${where}: there is nothing in the list of tensors`);
  }
  tensors.forEach((x) => checkBytes(where, x, tensors[0]));
  checkOptions(where, options ?? null, ["xs", "y", "dim"]);
  const { xs, y, dim = 0 } = options;
  if (!Array.isArray(xs) || xs.length !== tensors.length) {
    throw new RangeError(
      `${where}: options.xs must have parameters for each of ${tensors.length} tensors, got ${
        Array.isArray(xs) ? xs.length : given(xs)
      }`,
    );
  }
  const tables = tablesToScale(tensors[0], xs, y);
  const scaled = tensors.map((x, n) => tables[n] ? lookup(x, tables[n]) : x);
  try {
    return cat(scaled, dim);
  } finally {
    tables.forEach((table) => table?.dispose());
    scaled.forEach((x, n) => x === tensors[n] || x.dispose());
  }
}
