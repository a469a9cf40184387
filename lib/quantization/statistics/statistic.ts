/**
 * What can be learnt of activations beside their ranges.
 *
 * @module
 */
import type { SafetensorsEntry } from "../../files/safetensors.ts";

/** A kind of statistic; `learn` of `CalibrationOptions` says what each is. */
export type StatisticKind = "channelMaxima" | "channelSums" | "covariance";

/** The kinds there are. */
export const STATISTIC_KINDS: readonly StatisticKind[] = [
  "channelMaxima",
  "channelSums",
  "covariance",
];

/** Tensors by the names that a statistic has for them. */
export type SavedTensors = ReadonlyMap<string, SafetensorsEntry>;

/**
 * Something that is learnt of one activation, in memory of a fixed size. A sample is the least that is seen: what it
 * adds is computed in one order, and the sums over samples have the same bits whatever the order of these and of
 * what is merged.
 */
export interface Statistic<Self = unknown> {
  /** The kind. */
  readonly kind: StatisticKind;
  /** The names of the tensors that it is saved as. */
  readonly tensorNames: readonly string[];
  /** Takes note of the activation of one sample; its numbers are finite. */
  observe(data: Float32Array, dims: readonly number[]): void;
  /** Takes in what another one of the same activation has seen. */
  merge(other: Self): void;
  /** What was seen, as tensors; the same always gives the same bytes. */
  save(): SavedTensors;
  /** One that has seen what was saved; nothing if this one cannot have come to that in so many samples. */
  loaded(saved: SavedTensors, samples: number): Self | undefined;
}

/** A tensor of numbers, to be saved. */
export function entryOf(numbers: Float32Array | Float64Array | Int32Array): SafetensorsEntry {
  const dtype = numbers instanceof Float32Array
    ? "F32"
    : numbers instanceof Int32Array
    ? "I32"
    : "F64";
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength).slice();
  return { dtype, shape: [numbers.length], bytes };
}

const ARRAYS = { F32: Float32Array, F64: Float64Array, I32: Int32Array };

/** The numbers of a tensor; nothing unless it has this type and so many. */
export function numbersOf<Type extends keyof typeof ARRAYS>(
  saved: SavedTensors,
  name: string,
  type: Type,
  length: number,
): InstanceType<(typeof ARRAYS)[Type]> | undefined {
  const entry = saved.get(name);
  if (entry?.dtype !== type || entry.shape.length !== 1 || entry.shape[0] !== length) {
    return undefined;
  }
  // Views of a file may begin anywhere.
  return new ARRAYS[type](entry.bytes.slice().buffer as ArrayBuffer) as InstanceType<
    (typeof ARRAYS)[Type]
  >;
}

/** A count of at most 2^53 in one float64; nothing if it is none. */
export function countOf(saved: SavedTensors, name: string): number | undefined {
  const [count] = numbersOf(saved, name, "F64", 1) ?? [];
  return Number.isSafeInteger(count) && count >= 0 && !Object.is(count, -0) ? count : undefined;
}
