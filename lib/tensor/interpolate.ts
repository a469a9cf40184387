/**
 * Tensors in other sizes, with PyTorch's names, and underneath as ONNX's Resize has it. Dimensions are
 * resized one after the other; floats are computed in float32 and rounded once.
 *
 * @module
 */
import type { Backend, DeviceBuffer, Operand } from "../backend/backend.ts";
import { contiguousStrides } from "../backend/strides.ts";
import { checkChoice, checkOptions } from "../numbers/arguments.ts";
import { bool, type DType, float32, int32 } from "../numbers/dtype.ts";
import { formatShape } from "../numbers/shape.ts";
import { lying } from "./pixel_rows.ts";
import { where } from "./pointwise.ts";
import { rowsOf } from "./reduction.ts";
import {
  type AxisSpec,
  type AxisTaps,
  axisTaps,
  type CoordinateMode,
  type NearestMode,
} from "./resize_axis.ts";
import { checkTensor, Tensor } from "./tensor.ts";

/** Options of {@linkcode resize}, named as the attributes of ONNX's Resize; sizes or scales are given. */
export interface ResizeOptions {
  /** The sizes of all dimensions. */
  sizes?: readonly number[];
  /** By how much each dimension grows; sizes are rounded down. */
  scales?: readonly number[];
  /** How elements in between are made: of the nearest (default), of two, or of four. */
  mode?: "nearest" | "linear" | "cubic";
  /** Where elements lie; `"half_pixel"` by default. */
  coordinateMode?: CoordinateMode;
  /** Which neighbour is the nearest; `"round_prefer_floor"` by default. */
  nearestMode?: NearestMode;
  /** The parameter of cubic weights; −0.75 by default. */
  cubicCoeff?: number;
  /** Whether elements outside count for nothing instead of as those of the edge; false by default. */
  excludeOutside?: boolean;
  /** Whether more elements are taken together where a dimension becomes smaller; false by default. */
  antialias?: boolean;
  /**
   * What part of each dimension is resized, all starts, then all ends, from 0 to 1, for
   * `"tf_crop_and_resize"`; all of them by default.
   */
  roi?: readonly number[];
  /** What stands outside of the input for `"tf_crop_and_resize"`; 0 by default. */
  extrapolationValue?: number;
}

const RESIZE_OPTIONS = [
  ...["sizes", "scales", "mode", "coordinateMode", "nearestMode", "cubicCoeff"],
  ...["excludeOutside", "antialias", "roi", "extrapolationValue"],
];

const COORDINATE_MODES: readonly CoordinateMode[] = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_crop_and_resize",
];
const NEAREST_MODES: readonly NearestMode[] = [
  "round_prefer_floor",
  "round_prefer_ceil",
  "floor",
  "ceil",
];

/** Sizes and scales from whichever is given, one a dimension. */
function sizesOf(
  caller: string,
  shape: readonly number[],
  sizes: readonly number[] | undefined,
  scales: readonly number[] | undefined,
): { sizes: readonly number[]; scales: readonly number[] } {
  const list = sizes ?? scales;
  const fits = (sizes === undefined) !== (scales === undefined) && list?.length === shape.length &&
    list.every((value) =>
      Number.isFinite(value) && (sizes ? Number.isInteger(value) && value >= 0 : value > 0)
    );
  if (!fits) {
    throw new RangeError(
      `${caller}: give either the sizes, non-negative integers, or the scales, positive numbers, one for ` +
        `each dimension of shape ${formatShape(shape)}; got ${
          sizes && scales ? "both" : list ? `[${list}]` : "neither"
        }`,
    );
  }
  return sizes
    ? { sizes, scales: sizes.map((size, d) => size / shape[d]) }
    : { sizes: scales!.map((scale, d) => Math.floor(scale * shape[d])), scales: scales! };
}

/** Throws unless `x` can be resized so. */
function checkResized(
  caller: string,
  x: Tensor,
  mode: "nearest" | "linear" | "cubic",
  sizes: readonly number[],
): void {
  if (mode !== "nearest" && !x.dtype.isFloat) {
    throw new TypeError(
      `${caller}: mode "${mode}" takes a float tensor, got ${x.dtype.name}; convert it with .to(float32)`,
    );
  }
  if (sizes.every((size, d) => size === 0 || x.shape[d] > 0)) return;
  throw new RangeError(
    `${caller}: shape ${formatShape(x.shape)} has no elements to make ${formatShape(sizes)} of`,
  );
}

/**
 * A tensor in other sizes, as ONNX's Resize.
 *
 * @param x any dtype for mode nearest, else float.
 * @param options sizes or scales, and how elements are found.
 * @throws {RangeError} if neither or both are given, or they do not fit the shape.
 * @throws {TypeError} if the dtype does not go with the mode, or a mode is unknown.
 *
 * @example
 * ```ts
 * import { resize, tensor } from "@staticquant/staticquant";
 * const y = resize(tensor([1, 2, 3, 4]), { sizes: [2], mode: "linear", coordinateMode: "align_corners" });
 * console.log(await y.data()); // Float32Array [ 1, 4 ]
 * ```
 */
export function resize(x: Tensor, options: ResizeOptions): Tensor {
  checkTensor("resize", x);
  checkOptions("resize", options, RESIZE_OPTIONS);
  const { mode = "nearest", coordinateMode = "half_pixel" } = options;
  const { nearestMode = "round_prefer_floor", cubicCoeff = -0.75 } = options;
  const { excludeOutside = false, antialias = false, extrapolationValue = 0 } = options;
  const { roi = x.shape.flatMap(() => [0]).concat(x.shape.map(() => 1)) } = options;
  checkChoice("resize", "mode", mode, ["nearest", "linear", "cubic"]);
  checkChoice("resize", "coordinateMode", coordinateMode, COORDINATE_MODES);
  checkChoice("resize", "nearestMode", nearestMode, NEAREST_MODES);
  const { sizes, scales } = sizesOf("resize", x.shape, options.sizes, options.scales);
  if (roi.length !== 2 * x.ndim) {
    throw new RangeError(`resize: the roi has ${roi.length} numbers, but ${2 * x.ndim} are needed`);
  }
  checkResized("resize", x, mode, sizes);
  const specs = x.shape.map((from, d): AxisSpec => ({
    from,
    to: sizes[d],
    scale: scales[d],
    mode,
    coordinates: coordinateMode,
    nearest: nearestMode,
    cubicCoeff,
    excludeOutside,
    antialias,
    roi: [roi[d], roi[d + x.ndim]],
  }));
  return resized(x, specs, extrapolationValue);
}

/** Whether an axis stays what it is. */
function isSame({ from, to, scale, coordinates, roi }: AxisSpec): boolean {
  const cropped = coordinates === "tf_crop_and_resize" && (roi[0] !== 0 || roi[1] !== 1);
  return from === to && scale === 1 && !cropped;
}

/** Resizes one dimension after the other, those first that make the tensor smallest. */
function resized(x: Tensor, specs: readonly AxisSpec[], outsideValue: number): Tensor {
  const axes = specs.map((spec, d) => ({ spec, d })).filter(({ spec }) => !isSame(spec))
    .sort((a, b) => a.spec.to / a.spec.from - b.spec.to / b.spec.from)
    .map((axis) => ({ ...axis, taps: axisTaps(axis.spec) }));
  const times = axes.map(({ d, spec, taps }) => [d, repeatsOf(spec, taps)] as const);
  if (axes.length > 0 && times.every(([, count]) => count !== undefined)) {
    return repeated(x, new Map(times as (readonly [number, number])[]));
  }
  let result = x.reshape(x.shape);
  const replace = (next: Tensor) => {
    result.dispose();
    result = next;
  };
  try {
    axes.forEach(({ taps, d }, n) => {
      const dtype = n < axes.length - 1 && taps.weight ? float32 : x.dtype;
      replace(along(result, d, taps, dtype));
      if (taps.outside?.some(Boolean)) replace(outsideSet(result, d, taps.outside, outsideValue));
    });
    return result;
  } catch (error) {
    result.dispose();
    throw error;
  }
}

/** Words of the host beside `x`. */
function beside(x: Tensor, words: Int32Array | Float32Array | Uint8Array, dtype: DType): Tensor {
  const bytes = new Uint8Array(words.buffer as ArrayBuffer, words.byteOffset, words.byteLength);
  return new Tensor(x.backend, x.backend.upload(bytes), [words.length], dtype);
}

/** One dimension made of taps. */
function along(x: Tensor, dim: number, { taps, index, weight }: AxisTaps, dtype: DType): Tensor {
  using indices = beside(x, index, int32);
  const size = index.length / taps;
  // Rows of numbers in another dtype would have other zeros at their ends.
  const { operand, at, tensor } = lying(x, dtype === x.dtype ? dim : 1);
  const shape = x.shape.with(dim, size);
  if (!weight) return tensor(selected(x.backend, operand, at(dim), indices.operand), shape);
  using weights = beside(x, weight, float32);
  const buffer = x.backend.resample(operand, {
    ...rowsOf(operand.shape, at(dim)),
    size,
    taps,
    index: indices.operand.buffer,
    weight: weights.operand.buffer,
    dtype,
  });
  return tensor(buffer, shape, dtype);
}

/** The elements of a dimension that indices in order point at. */
function selected(backend: Backend, x: Operand, dim: number, index: Operand): DeviceBuffer {
  const strides = contiguousStrides(x.shape);
  return backend.gather(x, index, {
    shape: x.shape.with(dim, index.shape[0]),
    strides: strides.with(dim, 0),
    indexStrides: x.shape.map((_, d) => d === dim ? 1 : 0),
    size: x.shape[dim],
    stride: strides[dim],
  });
}

/** How often each element of a dimension is repeated, if that is all; else undefined. */
function repeatsOf({ from, to }: AxisSpec, { index, weight, outside }: AxisTaps) {
  const times = to / from;
  const repeats = !weight && !outside && Number.isInteger(times) &&
    index.every((place, i) => place === Math.floor(i / times));
  return repeats ? times : undefined;
}

/** Each element of some dimensions as often as is said, in one walk. */
function repeated(x: Tensor, times: ReadonlyMap<number, number>): Tensor {
  const { operand, at, tensor } = lying(x, times.has(1) ? 1 : 0);
  const each = new Map([...times].map(([d, count]) => [at(d), count]));
  const strides = contiguousStrides(operand.shape);
  const buffer = x.backend.strided(operand, {
    shape: operand.shape.flatMap((size, d) => each.has(d) ? [size, each.get(d)!] : [size]),
    strides: strides.flatMap((stride, d) => each.has(d) ? [stride, 0] : [stride]),
    offset: 0,
  });
  return tensor(buffer, x.shape.map((size, d) => size * (times.get(d) ?? 1)));
}

/** A value where a dimension's elements lie outside. */
function outsideSet(x: Tensor, dim: number, outside: readonly boolean[], value: number): Tensor {
  using flags = beside(x, Uint8Array.from(outside, Number), bool);
  using mask = flags.reshape(x.shape.map((size, d) => d === dim ? size : 1));
  using set = where(mask, value, x);
  return set.to(x.dtype) === set ? set.reshape(set.shape) : set.to(x.dtype);
}

/** Options of {@linkcode interpolate}; the size or the scale factor is given. */
export interface InterpolateOptions {
  /** The size of each dimension after the channels, or one for all. */
  size?: number | readonly number[];
  /** By how much each of these dimensions grows, or one for all; sizes are rounded down. */
  scaleFactor?: number | readonly number[];
  /**
   * How elements in between are made: `"nearest"` (default, rounded down), `"nearest-exact"`, `"linear"`
   * for 3 dimensions, `"bilinear"` or `"bicubic"` for 4, `"trilinear"` for 5.
   */
  mode?: "nearest" | "nearest-exact" | "linear" | "bilinear" | "trilinear" | "bicubic";
  /** Whether the first and last elements stay where they are; false by default. Not for nearest. */
  alignCorners?: boolean;
}

const RANKS: Readonly<Record<string, number>> = {
  linear: 3,
  bilinear: 4,
  bicubic: 4,
  trilinear: 5,
};

/**
 * A tensor whose dimensions after the channels have other sizes, as
 * `torch.nn.functional.interpolate`.
 *
 * @param x shape (N, C, …); any dtype for the nearest modes, else float.
 * @param options the size or the scale factor, and how elements in between are made.
 * @throws {RangeError} if neither or both are given, they do not fit, or the mode is for other shapes.
 * @throws {TypeError} if the dtype does not go with the mode, or a mode is unknown.
 *
 * @example
 * ```ts
 * import { interpolate, tensor } from "@staticquant/staticquant";
 * const x = tensor([[[1, 3]]]);
 * console.log(await interpolate(x, { scaleFactor: 2 }).data()); // Float32Array [ 1, 1, 3, 3 ]
 * console.log(await interpolate(x, { size: 4, mode: "linear" }).data()); // 1, 1.5, 2.5, 3
 * ```
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  checkTensor("interpolate", x);
  checkOptions("interpolate", options, ["size", "scaleFactor", "mode", "alignCorners"]);
  const { mode = "nearest", alignCorners = false, size, scaleFactor } = options;
  const modes = ["nearest", "nearest-exact", ...Object.keys(RANKS)];
  checkChoice("interpolate", "mode", mode, modes);
  const nearest = mode.startsWith("nearest");
  if (nearest ? x.ndim < 3 : x.ndim !== RANKS[mode]) {
    throw new RangeError(
      `interpolate: mode "${mode}" takes ${
        nearest ? "at least 3" : RANKS[mode]
      } dimensions, (N, C, …), got shape ${formatShape(x.shape)}`,
    );
  }
  if (nearest && alignCorners) {
    throw new TypeError(`interpolate: alignCorners does not go with mode "${mode}"`);
  }
  const shape = x.shape.slice(2);
  const given = { sizes: each(size, shape.length), scales: each(scaleFactor, shape.length) };
  const { sizes, scales } = sizesOf("interpolate", shape, given.sizes, given.scales);
  const kind = nearest ? "nearest" : mode === "bicubic" ? "cubic" : "linear";
  checkResized("interpolate", x, kind, [...x.shape.slice(0, 2), ...sizes]);
  const axis = (from: number, to: number, scale: number): AxisSpec => ({
    from,
    to,
    // PyTorch copies a dimension whose size stays, though its scale may say otherwise.
    scale: alignCorners || (kind === "linear" && from === to) ? to / from : scale,
    mode: kind,
    coordinates: alignCorners ? "align_corners" : mode === "nearest" ? "asymmetric" : "half_pixel",
    nearest: mode === "nearest" ? "floor" : "round_prefer_ceil",
    cubicCoeff: -0.75,
    excludeOutside: false,
    antialias: false,
    roi: [0, 1],
  });
  const leading = x.shape.slice(0, 2).map((size) => axis(size, size, 1));
  return resized(x, [...leading, ...shape.map((from, d) => axis(from, sizes[d], scales[d]))], 0);
}

/** A list with a number for each of `count` dimensions. */
function each(
  value: number | readonly number[] | undefined,
  count: number,
): readonly number[] | undefined {
  return typeof value === "number" ? new Array<number>(count).fill(value) : value;
}
