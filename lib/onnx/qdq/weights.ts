/**
 * Weights in integers.
 *
 * @module
 */
import { roundHalfEven } from "../../numbers/rounding.ts";
import type { FloatConstant } from "../graph/float_constant.ts";
import { type ChannelLayout, fitScales } from "./fit_scales.ts";
import { LEAST_SCALE, quantLimits, quantParams, type QuantSpec, type QuantType } from "./params.ts";

/** A constant in integers, with a scale and a zero point for all or one for each index along an axis. */
export interface QuantizedConstant {
  readonly type: QuantType;
  readonly dims: readonly number[];
  readonly integers: Int8Array | Uint8Array;
  readonly scale: Float32Array;
  readonly zeroPoint: Int8Array | Uint8Array;
  /** The axis with a scale for each index; nothing if there is one scale for all. */
  readonly axis?: number;
  /** How many elements along the axis share a scale, if not one. */
  readonly blockSize?: number;
}

/** How the elements of a shape fall to the indices along an axis. */
export function layout(dims: readonly number[], axis: number | undefined): ChannelLayout {
  const product = (sizes: readonly number[]) => sizes.reduce((n, size) => n * size, 1);
  if (axis === undefined) return { outer: 1, channels: 1, inner: product(dims) };
  return {
    outer: product(dims.slice(0, axis)),
    channels: dims[axis],
    inner: product(dims.slice(axis + 1)),
  };
}

/** The least and the greatest element of each channel. */
interface ChannelRanges {
  readonly min: Float32Array;
  readonly max: Float32Array;
}

/** The ranges of channels, widened to hold 0. */
function channelRanges(
  data: Float32Array,
  { outer, channels, inner }: ChannelLayout,
): ChannelRanges {
  const min = new Float32Array(channels);
  const max = new Float32Array(channels);
  for (let o = 0, i = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      let [low, high] = [min[c], max[c]];
      for (const end = i + inner; i < end; i++) {
        const x = data[i];
        if (x < low) low = x;
        if (x > high) high = x;
      }
      [min[c], max[c]] = [low, high];
    }
  }
  return { min, max };
}

/** A scale and a zero point for each channel. */
interface ChannelParams {
  readonly scale: Float32Array;
  readonly zeroPoint: Int32Array;
}

/** Scales and zero points with which the integers hold these ranges. */
function paramsFor({ min, max }: ChannelRanges, spec: QuantSpec): ChannelParams {
  const [scale, zeroPoint] = [new Float32Array(min.length), new Int32Array(min.length)];
  min.forEach((low, c) => {
    const chosen = quantParams({ min: low, max: max[c] }, spec);
    [scale[c], zeroPoint[c]] = [chosen.scale, chosen.zeroPoint];
  });
  return { scale, zeroPoint };
}

/** A constant in integers of given scales. */
function toIntegers(
  { dims, data }: FloatConstant,
  spec: QuantSpec,
  axis: number | undefined,
  { scale, zeroPoint }: ChannelParams,
): QuantizedConstant {
  const { outer, channels, inner } = layout(dims, axis);
  const [low, high] = quantLimits(spec);
  const array = spec.type.startsWith("i") ? Int8Array : Uint8Array;
  const integers = new array(data.length);
  for (let o = 0, i = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const [s, z] = [scale[c], zeroPoint[c]];
      for (const end = i + inner; i < end; i++) {
        const q = roundHalfEven(data[i] / s) + z;
        integers[i] = q < low ? low : q > high ? high : q;
      }
    }
  }
  return { type: spec.type, dims, integers, scale, zeroPoint: array.from(zeroPoint), axis };
}

/**
 * A constant in integers that hold its least and its greatest element.
 *
 * @param axis has a scale for each index; one scale for all if there is none.
 */
export function quantizeConstant(
  constant: FloatConstant,
  spec: QuantSpec,
  axis?: number,
): QuantizedConstant {
  const params = paramsFor(channelRanges(constant.data, layout(constant.dims, axis)), spec);
  return toIntegers(constant, spec, axis, params);
}

/**
 * A weight in integers. Its scales lie near those of its greatest elements, where rounding changes least.
 *
 * @param axis has a scale for each index; one scale for all if there is none.
 * @param biasScale for each index, the least scale with which its bias fits into 32 bits: no scale is smaller, and
 * where all elements are 0, which fit any scale, it is the one.
 * @param inputMean the squared mean of what it multiplies over the variance of that; 0 by default.
 */
export function quantizeWeight(
  weight: FloatConstant,
  spec: QuantSpec,
  axis?: number,
  biasScale?: Float64Array,
  inputMean = 0,
): QuantizedConstant {
  const shape = layout(weight.dims, axis);
  const ranges = channelRanges(weight.data, shape);
  const { scale: widest, zeroPoint } = paramsFor(ranges, spec);
  const most = quantLimits(spec)[1] - (zeroPoint[0] ?? 0);
  const fitted = spec.symmetric ? fitScales(weight.data, shape, widest, most, inputMean) : widest;
  const scale = fitted.map((fit, c) => {
    const least = biasScale?.[c] ?? 0;
    const zero = ranges.min[c] === 0 && ranges.max[c] === 0;
    return zero && least > 0 ? Math.max(least, LEAST_SCALE) : Math.max(fit, least);
  });
  return toIntegers(weight, spec, axis, { scale, zeroPoint });
}

/**
 * A matrix in integers, with a scale for each `blockSize` rows of each column.
 *
 * @param weight rows × columns.
 */
export function quantizeBlocks(
  { dims: [rows, columns], data }: FloatConstant,
  spec: QuantSpec,
  blockSize: number,
): QuantizedConstant {
  const parts = Array.from({ length: Math.ceil(rows / blockSize) }, (_, i) => {
    const begin = i * blockSize;
    const end = Math.min(begin + blockSize, rows);
    const part = {
      dims: [end - begin, columns],
      data: data.subarray(begin * columns, end * columns),
    };
    return quantizeConstant(part, spec, 1);
  });
  const join = (arrays: readonly (Int8Array | Uint8Array)[]) => {
    const length = arrays.reduce((sum, array) => sum + array.length, 0);
    const joined = arrays[0] instanceof Int8Array ? new Int8Array(length) : new Uint8Array(length);
    arrays.reduce((at, array) => (joined.set(array, at), at + array.length), 0);
    return joined;
  };
  return {
    type: spec.type,
    dims: [rows, columns],
    integers: join(parts.map(({ integers }) => integers)),
    scale: Float32Array.from(parts.flatMap(({ scale }) => [...scale])),
    zeroPoint: join(parts.map(({ zeroPoint }) => zeroPoint)),
    axis: 0,
    blockSize,
  };
}
