/**
 * Weights in integers.
 *
 * @module
 */
import { roundHalfEven } from "../../numbers/rounding.ts";
import type { FloatConstant } from "../graph/float_constant.ts";
import { quantLimits, quantParams, type QuantSpec, type QuantType } from "./params.ts";

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

/** How the elements of a shape fall to the indices along an axis: `outer` times `channels` runs of `inner`. */
export function layout(
  dims: readonly number[],
  axis: number | undefined,
): { outer: number; channels: number; inner: number } {
  const product = (sizes: readonly number[]) => sizes.reduce((n, size) => n * size, 1);
  if (axis === undefined) return { outer: 1, channels: 1, inner: product(dims) };
  return {
    outer: product(dims.slice(0, axis)),
    channels: dims[axis],
    inner: product(dims.slice(axis + 1)),
  };
}

/** The least and the greatest element of each channel. */
function channelRanges(
  data: Float32Array,
  { outer, channels, inner }: ReturnType<typeof layout>,
): { min: Float32Array; max: Float32Array } {
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

/**
 * A constant in integers.
 *
 * @param axis has a scale for each index; one scale for all if there is none.
 * @param leastScale for each index, so that biases at the same scale fit into 32 bits.
 */
export function quantizeConstant(
  { dims, data }: FloatConstant,
  spec: QuantSpec,
  axis?: number,
  leastScale?: Float64Array,
): QuantizedConstant {
  const shape = layout(dims, axis);
  const { outer, channels, inner } = shape;
  const ranges = channelRanges(data, shape);
  const [low, high] = quantLimits(spec);
  const signed = spec.type.startsWith("i");
  const array = (length: number) => signed ? new Int8Array(length) : new Uint8Array(length);
  const [integers, zeroPoint, scale] = [
    array(data.length),
    array(channels),
    new Float32Array(channels),
  ];
  for (let c = 0; c < channels; c++) {
    const chosen = quantParams({ min: ranges.min[c], max: ranges.max[c] }, spec);
    scale[c] = Math.max(chosen.scale, leastScale?.[c] ?? 0);
    zeroPoint[c] = chosen.zeroPoint;
  }
  for (let o = 0, i = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const [s, z] = [scale[c], zeroPoint[c]];
      for (const end = i + inner; i < end; i++) {
        const q = roundHalfEven(data[i] / s) + z;
        integers[i] = q < low ? low : q > high ? high : q;
      }
    }
  }
  return { type: spec.type, dims, integers, scale, zeroPoint, axis };
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
