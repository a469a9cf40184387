/**
 * Maxima and means of windows that slide over signals and images.
 *
 * @module
 */
import type { PoolArgs, PoolRescaling } from "../backend/backend.ts";
import { checkOptions } from "../numbers/arguments.ts";
import { formatShape } from "../numbers/shape.ts";
import { onBytes } from "./quantized_bytes.ts";
import { checkTensor, Tensor } from "./tensor.ts";
import { type Padding, perDimension, type Sizes, windowPlaces } from "./window.ts";

/** Options of pooling by maxima. */
export interface MaxPoolOptions {
  /** How far apart windows are; their size by default. */
  stride?: Sizes;
  /** What stands around the input and is never taken, at most half a window; 0 by default. */
  padding?: Exclude<Padding, string>;
  /** How far apart the places of a window are; 1 by default. */
  dilation?: Sizes;
  /** Whether a last window that reaches beyond the input is taken too; false by default. */
  ceilMode?: boolean;
}

/** Options of pooling by means. */
export interface AvgPoolOptions {
  /** How far apart windows are; their size by default. */
  stride?: Sizes;
  /** Zeros around the input, at most half a window; 0 by default. */
  padding?: Exclude<Padding, string>;
  /** Whether a last window that reaches beyond the input is taken too; false by default. */
  ceilMode?: boolean;
  /** Whether those zeros count; true by default. */
  countIncludePad?: boolean;
  /** What sums are divided by, if not by how many numbers there are. */
  divisorOverride?: number;
}

const MAX_OPTIONS = ["stride", "padding", "dilation", "ceilMode"];
const AVG_OPTIONS = ["stride", "padding", "ceilMode", "countIncludePad", "divisorOverride"];

/**
 * The greatest of each window of a signal, as `torch.nn.functional.max_pool1d`.
 *
 * @param x float, int8 or uint8, shape (N, C, L) or (C, L).
 * @param kernelSize the size of a window.
 * @param options stride, padding, dilation and ceilMode.
 * @returns shape (N, C, L'), the dtype of `x`. Enqueued.
 * @throws {RangeError} if sizes do not fit.
 *
 * @example
 * ```ts
 * import { maxPool1d, tensor } from "@staticquant/staticquant";
 * console.log(await maxPool1d(tensor([[[1, 5, 2, 3]]]), 2).data()); // Float32Array [ 5, 3 ]
 * ```
 */
export function maxPool1d(x: Tensor, kernelSize: Sizes, options: MaxPoolOptions = {}): Tensor {
  checkOptions("maxPool1d", options, MAX_OPTIONS);
  return windowed("maxPool1d", 1, "max", x, kernelSize, options);
}

/**
 * The greatest of each window of an image, as `torch.nn.functional.max_pool2d`.
 *
 * @param x float, int8 or uint8, shape (N, C, H, W) or (C, H, W).
 * @param kernelSize the size of a window: one number, or (height, width).
 * @param options stride, padding, dilation and ceilMode.
 * @returns shape (N, C, H', W'), the dtype of `x`. Enqueued.
 * @throws {RangeError} if sizes do not fit.
 *
 * @example
 * ```ts
 * import { maxPool2d, randn } from "@staticquant/staticquant";
 * const y = maxPool2d(randn([1, 8, 32, 32]), 3, { stride: 2, padding: 1 });
 * console.log(y.shape); // [ 1, 8, 16, 16 ]
 * ```
 */
export function maxPool2d(x: Tensor, kernelSize: Sizes, options: MaxPoolOptions = {}): Tensor {
  checkOptions("maxPool2d", options, MAX_OPTIONS);
  return windowed("maxPool2d", 2, "max", x, kernelSize, options);
}

/**
 * The mean of each window of a signal, as `torch.nn.functional.avg_pool1d`.
 *
 * @param x float, shape (N, C, L) or (C, L).
 * @param kernelSize the size of a window.
 * @param options stride, padding, ceilMode, countIncludePad and divisorOverride.
 * @returns shape (N, C, L'), the dtype of `x`. Enqueued.
 * @throws {RangeError} if sizes do not fit.
 *
 * @example
 * ```ts
 * import { avgPool1d, tensor } from "@staticquant/staticquant";
 * console.log(await avgPool1d(tensor([[[1, 5, 2, 4]]]), 2).data()); // Float32Array [ 3, 3 ]
 * ```
 */
export function avgPool1d(x: Tensor, kernelSize: Sizes, options: AvgPoolOptions = {}): Tensor {
  checkOptions("avgPool1d", options, AVG_OPTIONS);
  return windowed("avgPool1d", 1, "average", x, kernelSize, options);
}

/**
 * The mean of each window of an image, as `torch.nn.functional.avg_pool2d`.
 *
 * @param x float, shape (N, C, H, W) or (C, H, W).
 * @param kernelSize the size of a window: one number, or (height, width).
 * @param options stride, padding, ceilMode, countIncludePad and divisorOverride.
 * @returns shape (N, C, H', W'), the dtype of `x`. Enqueued.
 * @throws {RangeError} if sizes do not fit.
 *
 * @example
 * ```ts
 * import { avgPool2d, randn } from "@staticquant/staticquant";
 * console.log(avgPool2d(randn([1, 8, 32, 32]), 2).shape); // [ 1, 8, 16, 16 ]
 * ```
 */
export function avgPool2d(x: Tensor, kernelSize: Sizes, options: AvgPoolOptions = {}): Tensor {
  checkOptions("avgPool2d", options, AVG_OPTIONS);
  return windowed("avgPool2d", 2, "average", x, kernelSize, options);
}

/**
 * The greatest of each part of a signal that is divided evenly, as `torch.nn.functional.adaptive_max_pool1d`.
 *
 * @param x float, int8 or uint8, shape (N, C, L) or (C, L).
 * @param outputSize how many parts.
 * @returns shape (N, C, outputSize), the dtype of `x`. Enqueued.
 *
 * @example
 * ```ts
 * import { adaptiveMaxPool1d, tensor } from "@staticquant/staticquant";
 * console.log(await adaptiveMaxPool1d(tensor([[[1, 5, 2]]]), 2).data()); // Float32Array [ 5, 5 ]
 * ```
 */
export function adaptiveMaxPool1d(x: Tensor, outputSize: Sizes): Tensor {
  return adaptive("adaptiveMaxPool1d", 1, "max", x, outputSize);
}

/**
 * The greatest of each part of an image that is divided evenly, as `torch.nn.functional.adaptive_max_pool2d`.
 *
 * @param x float, int8 or uint8, shape (N, C, H, W) or (C, H, W).
 * @param outputSize how many parts: one number, or (down, across); null keeps a size.
 * @returns shape (N, C, down, across), the dtype of `x`. Enqueued.
 *
 * @example
 * ```ts
 * import { adaptiveMaxPool2d, randn } from "@staticquant/staticquant";
 * console.log(adaptiveMaxPool2d(randn([1, 8, 7, 9]), 1).shape); // [ 1, 8, 1, 1 ]
 * ```
 */
export function adaptiveMaxPool2d(
  x: Tensor,
  outputSize: number | null | readonly (number | null)[],
): Tensor {
  return adaptive("adaptiveMaxPool2d", 2, "max", x, outputSize);
}

/**
 * The mean of each part of a signal that is divided evenly, as `torch.nn.functional.adaptive_avg_pool1d`.
 *
 * @param x float, shape (N, C, L) or (C, L).
 * @param outputSize how many parts.
 * @returns shape (N, C, outputSize), the dtype of `x`. Enqueued.
 *
 * @example
 * ```ts
 * import { adaptiveAvgPool1d, tensor } from "@staticquant/staticquant";
 * console.log(await adaptiveAvgPool1d(tensor([[[1, 5, 3]]]), 1).data()); // Float32Array [ 3 ]
 * ```
 */
export function adaptiveAvgPool1d(x: Tensor, outputSize: Sizes): Tensor {
  return adaptive("adaptiveAvgPool1d", 1, "average", x, outputSize);
}

/**
 * The mean of each part of an image that is divided evenly, as `torch.nn.functional.adaptive_avg_pool2d`; of
 * the whole image for one part.
 *
 * @param x float, shape (N, C, H, W) or (C, H, W).
 * @param outputSize how many parts: one number, or (down, across); null keeps a size.
 * @returns shape (N, C, down, across), the dtype of `x`. Enqueued.
 *
 * @example
 * ```ts
 * import { adaptiveAvgPool2d, randn } from "@staticquant/staticquant";
 * console.log(adaptiveAvgPool2d(randn([1, 8, 7, 9]), 1).shape); // [ 1, 8, 1, 1 ]
 * ```
 */
export function adaptiveAvgPool2d(
  x: Tensor,
  outputSize: number | null | readonly (number | null)[],
): Tensor {
  return adaptive("adaptiveAvgPool2d", 2, "average", x, outputSize);
}

/** The windows of a mean of bytes: of one size, or as many as the result is to have. */
export type MeanOfBytes =
  | AvgPoolOptions & { readonly kernelSize: Sizes }
  | { readonly outputSize: number | null | readonly (number | null)[] };

/**
 * The means of bytes over one or two dimensions as bytes of another scale: sums are exact, and each mean is
 * rounded once. For layers, which have made ready what backends take. Enqueued.
 *
 * @param x int8 or uint8, (N, C, …) or (C, …).
 * @param rescale what the bytes of the input and of the result stand for.
 * @throws {RangeError} if sizes do not fit.
 */
export function meanOfBytes(
  x: Tensor,
  dims: 1 | 2,
  windows: MeanOfBytes,
  rescale: PoolRescaling,
): Tensor {
  const where = "meanOfBytes";
  if ("outputSize" in windows) {
    return adaptive(where, dims, "average", x, windows.outputSize, rescale);
  }
  const { kernelSize, ...options } = windows;
  return windowed(where, dims, "average", x, kernelSize, options, rescale);
}

/** Throws unless `x` can be pooled over so many dimensions. */
function checkPooled(where: string, rank: number, kind: PoolArgs["kind"], x: Tensor): void {
  checkTensor(where, x);
  const bytes = x.dtype.name === "int8" || x.dtype.name === "uint8";
  if (!(x.dtype.isFloat && x.dtype.itemSize > 1) && !(bytes && kind === "max")) {
    throw new TypeError(
      `${where}: expected a float tensor${
        kind === "max" ? ", int8 or uint8" : ""
      }, got ${x.dtype.name}; ` +
        `convert it with .to(float32)`,
    );
  }
  const sizes = rank === 1 ? "L" : "H, W";
  if (x.ndim === rank + 2) return;
  throw new RangeError(
    `${where}: expected an input (N, C, ${sizes}) or (C, ${sizes}), got ${formatShape(x.shape)}`,
  );
}

/** With a first dimension of one where there is none, and without it again. */
function batched(rank: number, x: Tensor, run: (x: Tensor) => Tensor): Tensor {
  if (!(x instanceof Tensor) || x.ndim !== rank + 1) return run(x);
  using batch = x.reshape(1, ...x.shape);
  using y = run(batch);
  return y.reshape(y.shape.slice(1));
}

function pooled(x: Tensor, args: PoolArgs): Tensor {
  if (args.kind === "max" && x.isQuantized) return onBytes(x, (x) => pooled(x, args));
  const { backend, shape, dtype } = x;
  const y = backend.pool(x.channelsLast, args);
  return Tensor.channelsLast(backend, y, [shape[0], shape[1], ...args.output], dtype);
}

function windowed(
  where: string,
  rank: number,
  kind: PoolArgs["kind"],
  x: Tensor,
  kernelSize: Sizes,
  options: MaxPoolOptions & AvgPoolOptions,
  rescale?: PoolRescaling,
): Tensor {
  return batched(rank, x, (x) => {
    checkPooled(where, rank, rescale ? "max" : kind, x);
    const kernel = perDimension(where, "kernelSize", kernelSize, rank, 1);
    const { stride = kernel, padding, dilation, ceilMode = false } = options;
    const { countIncludePad = true, divisorOverride } = options;
    const input = x.shape.slice(2);
    const places = windowPlaces(where, input, kernel, { stride, padding, dilation, ceilMode });
    const { output, ...windows } = places;
    const wide = kernel.findIndex((size, d) =>
      Math.max(windows.before[d], windows.after[d]) > size / 2
    );
    if (wide >= 0) {
      throw new RangeError(
        `${where}: the padding must be at most half of the kernel's size, ${kernel[wide]}, got ${
          windows.before[wide]
        }`,
      );
    }
    if (
      divisorOverride !== undefined && (!Number.isInteger(divisorOverride) || divisorOverride < 1)
    ) {
      throw new RangeError(
        `${where}: divisorOverride must be a positive integer, got ${divisorOverride}`,
      );
    }
    return pooled(x, {
      kind,
      output,
      windows: { kernel, ...windows },
      countPadding: countIncludePad,
      divisor: divisorOverride,
      rescale,
    });
  });
}

function adaptive(
  where: string,
  rank: number,
  kind: PoolArgs["kind"],
  x: Tensor,
  outputSize: number | null | readonly (number | null)[],
  rescale?: PoolRescaling,
): Tensor {
  return batched(rank, x, (x) => {
    checkPooled(where, rank, rescale ? "max" : kind, x);
    const sizes = Array.isArray(outputSize) ? outputSize : new Array(rank).fill(outputSize);
    const whole = sizes.map((size, d) => size === null ? x.shape[d + 2] : size);
    const output = perDimension(where, "outputSize", whole, rank, 1);
    if (x.shape.slice(2).some((size) => size === 0)) {
      throw new RangeError(`${where}: an image of ${formatShape(x.shape.slice(2))} has no pixels`);
    }
    return pooled(x, { kind, output, windows: null, rescale });
  });
}
