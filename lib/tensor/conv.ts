/**
 * Convolutions, plain and transposed, over one, two or three dimensions.
 *
 * @module
 */
import type { Clip, ConvWeight } from "../backend/backend.ts";
import { convWeightFacts } from "../backend/convolution.ts";
import { checkOptions, given } from "../numbers/arguments.ts";
import { float32, int32, int8, uint8 } from "../numbers/dtype.ts";
import { formatShape, numelOf } from "../numbers/shape.ts";
import { checkSameDevice } from "./ops.ts";
import { checkTensor, Tensor } from "./tensor.ts";
import { type Padding, type Sizes, transposedPlaces, windowPlaces } from "./window.ts";

/** Options of convolutions. */
export interface ConvOptions {
  /** How far apart neighbouring outputs read, one number or one a dimension; 1 by default. */
  stride?: Sizes;
  /**
   * Zeros around the input: one number, one a dimension, or `[before, after]` a dimension; `"valid"` for
   * none, `"same"` for as many as keep the size (stride 1). 0 by default.
   */
  padding?: Padding;
  /** How far apart the taps of the kernel are; 1 by default. */
  dilation?: Sizes;
  /** Parts that channels fall into, each convolved by itself; 1 by default. */
  groups?: number;
}

/** Options of transposed convolutions. */
export interface ConvTransposeOptions {
  /** How far apart neighbouring inputs write; 1 by default. */
  stride?: Sizes;
  /** What is cut off around the output: one number, one a dimension, or `[before, after]` each. */
  padding?: Exclude<Padding, string>;
  /** What the output is longer by at its end, which no shape tells; 0 by default. */
  outputPadding?: Sizes;
  /** Parts that channels fall into; 1 by default. */
  groups?: number;
  /** How far apart the taps of the kernel are; 1 by default. */
  dilation?: Sizes;
}

/**
 * The weight of a convolution in the order in which its device reads it. Convolutions take it in place of
 * the weight, and then spare ordering it at every call.
 *
 * @example
 * ```ts
 * import { conv2d, PreparedConvWeight, randn } from "@staticquant/staticquant";
 * using weight = new PreparedConvWeight(randn([8, 3, 3, 3]));
 * console.log(conv2d(randn([1, 3, 16, 16]), weight).shape); // [ 1, 8, 14, 14 ]
 * ```
 */
export class PreparedConvWeight implements Disposable {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "PreparedConvWeight";

  /** The weight's shape, (out, in / groups, …), or transposed (in, out / groups, …). */
  readonly shape: readonly number[];
  /** Parts that channels fall into. */
  readonly groups: number;
  /** Whether it is the weight of a transposed convolution. */
  readonly transposed: boolean;
  private readonly facts: Omit<ConvWeight, "data" | "sums">;
  private readonly elements: Tensor;
  private readonly sums: Tensor | null;

  /**
   * Orders a weight. Enqueued.
   *
   * @param weight float, int8 or uint8, (out, in / groups, …), or transposed (in, out / groups, …).
   * @param options `groups`, 1 by default; whether it is for a transposed convolution; and of bytes the
   * `zeroPoint`, float32, one or one an output channel, 0 by default.
   * @throws {RangeError} if the groups do not divide the channels, there are not as many zero points, or
   * sums of bytes could leave an int32.
   */
  constructor(
    weight: Tensor,
    options: { groups?: number; transposed?: boolean; zeroPoint?: Tensor | null } = {},
  ) {
    const where = "PreparedConvWeight";
    checkTensor(`${where}: weight`, weight);
    checkOptions(where, options, ["groups", "transposed", "zeroPoint"]);
    const { groups = 1, transposed = false, zeroPoint = null } = options;
    checkWeight(where, weight, groups);
    this.shape = weight.shape;
    this.groups = groups;
    this.transposed = transposed;
    const { outChannels } = convWeightFacts(weight.shape, { groups, transposed });
    const count = zeroPoint?.numel ?? 1;
    if (zeroPoint && (zeroPoint.dtype !== float32 || count !== 1 && count !== outChannels)) {
      throw new RangeError(
        `${where}: zeroPoint must be float32, one number or ${outChannels}, got ${zeroPoint.dtype.name} of ` +
          `shape ${formatShape(zeroPoint.shape)}`,
      );
    }
    const { backend, dtype } = weight;
    if (!dtype.isFloat) checkSums(where, weight, groups, transposed, zeroPoint !== null);
    const { data, sums, ...facts } = backend.convWeight(weight.operand, {
      groups,
      transposed,
      zeroPoint: zeroPoint ? { buffer: zeroPoint.operand.buffer, count } : undefined,
    });
    this.facts = facts;
    this.elements = new Tensor(backend, data, [data.byteLength / dtype.itemSize], dtype).keep();
    this.sums = sums && new Tensor(backend, sums, [outChannels], int32).keep();
  }

  /** The tensor that owns the memory. */
  get data(): Tensor {
    return this.elements;
  }

  /** The weight, as backends take it. @throws {Error} if it was disposed. */
  get operand(): ConvWeight {
    const { facts, elements, sums } = this;
    return { ...facts, data: elements.operand.buffer, sums: sums && sums.operand.buffer };
  }

  /** Frees the memory. */
  dispose(): void {
    this.elements.dispose();
    this.sums?.dispose();
  }

  /** The same as {@linkcode PreparedConvWeight.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A convolution as the exported functions and layers ask for it. */
interface Convolution {
  readonly where: string;
  /** Spatial dimensions. */
  readonly rank: number;
  readonly x: Tensor;
  readonly weight: Tensor | PreparedConvWeight;
  readonly bias: Tensor | null;
  readonly transposed: boolean;
  readonly options: ConvOptions & { outputPadding?: Sizes };
  readonly clip?: Clip;
}

const OPTIONS = ["stride", "padding", "dilation", "groups"];

/**
 * The convolution of a signal, as `torch.nn.functional.conv1d`.
 *
 * @param x float, shape (N, C, L) or (C, L).
 * @param weight of the same dtype, shape (out, C / groups, K), or that made ready.
 * @param bias shape (out,), or null.
 * @param options stride, padding, dilation and groups.
 * @returns shape (N, out, L'), the dtype of `x`; accumulated in float32 and rounded once. Enqueued.
 * @throws {RangeError} if shapes or options do not fit.
 * @throws {TypeError} if the dtypes differ or are not float.
 *
 * @example
 * ```ts
 * import { conv1d, tensor } from "@staticquant/staticquant";
 * const y = conv1d(tensor([[[1, 2, 4, 8]]]), tensor([[[1, -1]]]));
 * console.log(await y.data()); // Float32Array [ -1, -2, -4 ]
 * ```
 */
export function conv1d(
  x: Tensor,
  weight: Tensor | PreparedConvWeight,
  bias: Tensor | null = null,
  options: ConvOptions = {},
): Tensor {
  return conv("conv1d", 1, x, weight, bias, options);
}

/**
 * The convolution of images, as `torch.nn.functional.conv2d`.
 *
 * @param x float, shape (N, C, H, W) or (C, H, W).
 * @param weight of the same dtype, shape (out, C / groups, KH, KW), or that made ready.
 * @param bias shape (out,), or null.
 * @param options stride, padding, dilation and groups.
 * @returns shape (N, out, H', W'), the dtype of `x`; accumulated in float32 and rounded once. Enqueued.
 * @throws {RangeError} if shapes or options do not fit.
 * @throws {TypeError} if the dtypes differ or are not float.
 *
 * @example
 * ```ts
 * import { conv2d, randn } from "@staticquant/staticquant";
 * const x = randn([1, 3, 32, 32]);
 * console.log(conv2d(x, randn([8, 3, 3, 3]), null, { stride: 2, padding: 1 }).shape); // [ 1, 8, 16, 16 ]
 * ```
 */
export function conv2d(
  x: Tensor,
  weight: Tensor | PreparedConvWeight,
  bias: Tensor | null = null,
  options: ConvOptions = {},
): Tensor {
  return conv("conv2d", 2, x, weight, bias, options);
}

/**
 * The convolution of volumes, as `torch.nn.functional.conv3d`.
 *
 * @param x float, shape (N, C, D, H, W) or (C, D, H, W).
 * @param weight of the same dtype, shape (out, C / groups, KD, KH, KW), or that made ready.
 * @param bias shape (out,), or null.
 * @param options stride, padding, dilation and groups.
 * @returns shape (N, out, D', H', W'), the dtype of `x`. Enqueued.
 * @throws {RangeError} if shapes or options do not fit.
 * @throws {TypeError} if the dtypes differ or are not float.
 *
 * @example
 * ```ts
 * import { conv3d, randn } from "@staticquant/staticquant";
 * console.log(conv3d(randn([1, 2, 4, 8, 8]), randn([3, 2, 2, 2, 2])).shape); // [ 1, 3, 3, 7, 7 ]
 * ```
 */
export function conv3d(
  x: Tensor,
  weight: Tensor | PreparedConvWeight,
  bias: Tensor | null = null,
  options: ConvOptions = {},
): Tensor {
  return conv("conv3d", 3, x, weight, bias, options);
}

function conv(
  where: string,
  rank: number,
  x: Tensor,
  weight: Tensor | PreparedConvWeight,
  bias: Tensor | null,
  options: ConvOptions,
): Tensor {
  checkOptions(where, options, OPTIONS);
  return convolve({ where, rank, x, weight, bias, transposed: false, options });
}

const TRANSPOSE_OPTIONS = [...OPTIONS, "outputPadding"];

/**
 * The transposed convolution of a signal, as `torch.nn.functional.conv_transpose1d`: each input writes a
 * kernel, a stride from the next.
 *
 * @param x float, shape (N, C, L) or (C, L).
 * @param weight of the same dtype, shape (C, out / groups, K), or that made ready.
 * @param bias shape (out,), or null.
 * @param options stride, padding, outputPadding, groups and dilation.
 * @returns shape (N, out, L'), with `L' = (L − 1)·stride + dilation·(K − 1) + 1 + outputPadding` less the
 * padding. Enqueued.
 * @throws {RangeError} if shapes or options do not fit.
 * @throws {TypeError} if the dtypes differ or are not float.
 *
 * @example
 * ```ts
 * import { convTranspose1d, tensor } from "@staticquant/staticquant";
 * const y = convTranspose1d(tensor([[[1, 2]]]), tensor([[[1, 10]]]), null, { stride: 2 });
 * console.log(await y.data()); // Float32Array [ 1, 10, 2, 20 ]
 * ```
 */
export function convTranspose1d(
  x: Tensor,
  weight: Tensor | PreparedConvWeight,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Tensor {
  const where = "convTranspose1d";
  checkOptions(where, options, TRANSPOSE_OPTIONS);
  return convolve({ where, rank: 1, x, weight, bias, transposed: true, options });
}

/**
 * The transposed convolution of images, as `torch.nn.functional.conv_transpose2d`. Outputs a stride apart
 * are computed together, from the taps that reach them, so the work is that of the products that are not
 * with zeros.
 *
 * @param x float, shape (N, C, H, W) or (C, H, W).
 * @param weight of the same dtype, shape (C, out / groups, KH, KW), or that made ready.
 * @param bias shape (out,), or null.
 * @param options stride, padding, outputPadding, groups and dilation.
 * @returns shape (N, out, H', W'), sizes as those of {@linkcode convTranspose1d}. Enqueued.
 * @throws {RangeError} if shapes or options do not fit.
 * @throws {TypeError} if the dtypes differ or are not float.
 *
 * @example
 * ```ts
 * import { convTranspose2d, randn } from "@staticquant/staticquant";
 * const y = convTranspose2d(randn([1, 8, 7, 7]), randn([8, 4, 2, 2]), null, { stride: 2 });
 * console.log(y.shape); // [ 1, 4, 14, 14 ]
 * ```
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor | PreparedConvWeight,
  bias: Tensor | null = null,
  options: ConvTransposeOptions = {},
): Tensor {
  const where = "convTranspose2d";
  checkOptions(where, options, TRANSPOSE_OPTIONS);
  return convolve({ where, rank: 2, x, weight, bias, transposed: true, options });
}

/** Throws unless a weight's groups are possible. */
function checkWeight(where: string, weight: Tensor, groups: number): void {
  const { dtype } = weight;
  const bytes = dtype === int8 || dtype === uint8;
  if (!bytes && (!dtype.isFloat || dtype.itemSize === 1)) {
    throw new TypeError(`${where}: the weight must be float, int8 or uint8, got ${dtype.name}`);
  }
  if (!Number.isInteger(groups) || groups < 1 || weight.shape[0] % groups !== 0) {
    throw new RangeError(
      `${where}: groups must divide the weight's first dimension, ${
        weight.shape[0]
      }, got ${groups}`,
    );
  }
}

/** Throws if a sum of products of bytes could leave an int32. */
function checkSums(
  where: string,
  { shape, dtype }: Tensor,
  groups: number,
  transposed: boolean,
  zeroPoints: boolean,
): void {
  const { channels, kernel } = convWeightFacts(shape, { groups, transposed });
  const terms = channels / groups * numelOf(kernel);
  const largest = 255 * (zeroPoints || dtype === uint8 ? 255 : 128);
  const most = Math.floor((2 ** 31 - 1) / largest);
  if (terms <= most) return;
  throw new RangeError(
    `${where}: an output adds up ${terms} products (${channels / groups} channels · ${
      numelOf(kernel)
    } taps), ` +
      `of which an int32 holds ${most} that may reach ${largest} each; split the channels, or convolve in ` +
      `floats`,
  );
}

/** Convolves; `where` opens messages. */
export function convolve(convolution: Convolution): Tensor {
  const { where, rank, x, weight, bias, transposed, options, clip } = convolution;
  checkTensor(where, x);
  if (!(weight instanceof PreparedConvWeight)) checkTensor(`${where}: weight`, weight);
  if (x.ndim === rank + 1) {
    using batch = x.reshape(1, ...x.shape);
    using y = convolve({ ...convolution, x: batch });
    return y.reshape(y.shape.slice(1));
  }
  if (weight instanceof Tensor) {
    const { groups = 1 } = options;
    checkWeight(where, weight, groups);
    checkShapes(convolution, groups);
    using prepared = new PreparedConvWeight(weight, { groups, transposed });
    return convolve({ ...convolution, weight: prepared });
  }
  const groups = options.groups ?? weight.groups;
  if (weight.transposed !== transposed || weight.groups !== groups) {
    throw new TypeError(
      `${where}: the weight was made ready for a ${weight.transposed ? "transposed" : "plain"} ` +
        `convolution of ${weight.groups} groups`,
    );
  }
  checkShapes(convolution, groups);
  const w = weight.operand;
  if (x.dtype !== w.dtype) {
    throw new TypeError(
      `${where}: the input is ${x.dtype.name} and the weight ${w.dtype.name}; both must be the same ` +
        `float dtype: convert one with .to(${w.dtype.name})`,
    );
  }
  checkSameDevice(where, x, weight.data, ...bias ? [bias] : []);
  const { backend } = x;
  const args = placesOf(convolution, w.kernel);
  const y = backend.conv(x.channelsLast, w, bias && bias.operand, { ...args, clip });
  return Tensor.channelsLast(backend, y, [x.shape[0], w.outChannels, ...args.output], x.dtype);
}

/** Where the taps of each output lie. */
function placesOf({ where, x, transposed, options }: Convolution, kernel: readonly number[]) {
  const input = x.shape.slice(2);
  if (!transposed) return windowPlaces(where, input, kernel, options);
  return transposedPlaces(where, input, kernel, options as ConvTransposeOptions);
}

/** Throws unless input, weight and bias fit. */
function checkShapes(
  { where, rank, x, weight, bias, transposed }: Convolution,
  groups: number,
): void {
  const { channels, outChannels } = convWeightFacts(weight.shape, { groups, transposed });
  if (weight.shape.length !== rank + 2 || x.ndim !== rank + 2 || x.shape[1] !== channels) {
    const sizes = ["L", "H, W", "D, H, W"][rank - 1];
    throw new RangeError(
      `${where}: expected an input (N, ${channels}, ${sizes}) for a weight of ${
        rank + 2
      } dimensions, got ` +
        `an input of shape ${formatShape(x.shape)} and a weight of shape ${
          formatShape(weight.shape)
        }` +
        (groups > 1 ? ` in ${groups} groups` : ""),
    );
  }
  if (bias === null) return;
  if (!(bias instanceof Tensor)) {
    throw new TypeError(`${where}: the bias must be a Tensor or null, got ${given(bias)}`);
  }
  if (bias.ndim !== 1 || bias.shape[0] !== outChannels || !bias.dtype.isFloat) {
    throw new RangeError(
      `${where}: the bias must be float of shape (${outChannels},), got ${bias.dtype.name} of shape ${
        formatShape(bias.shape)
      }`,
    );
  }
}
