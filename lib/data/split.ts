/**
 * Arrays as samples.
 *
 * @module
 */
import type { ArraySource } from "./array_source.ts";
import { passOver } from "./byte_source.ts";
import { fail, MAX_SAMPLE_BYTES } from "./data_error.ts";
import { elementsOf, itemSizeOf } from "./element_type.ts";
import { checkType, describeInput, type Feeds, type FeedTensor, fits } from "./sample.ts";
import { showDims, type TensorInfo } from "./sample.ts";
import type { Picker } from "./shard.ts";

/** How an array becomes samples: so many, each of this shape. */
interface Plan {
  readonly input: TensorInfo;
  readonly source: ArraySource;
  readonly samples: number;
  readonly dims: readonly number[];
}

/** How arrays are split. */
export interface SplitOptions {
  /** Whether arrays are cut into samples; otherwise they are one sample, as they are. */
  readonly split: boolean;
  /** Tells which samples are wanted. */
  readonly picker: Picker;
  /** Told how many samples there are, before the first. */
  readonly onTotal?: (samples: number) => void;
}

/**
 * The samples in a file of arrays, one array an input.
 *
 * An array with one dimension more than the input has samples along its first. One with as many
 * dimensions as the input is cut along its first: into parts as long as the input's first size if that
 * is a number, else into parts of 1. Without `split`, a file of such arrays is one sample.
 *
 * @param where the file, for errors.
 * @param sources the array of each input, in the order of `inputs`.
 * @throws {DataError} if a type or a shape is not what the model takes, or the arrays hold different
 * numbers of samples.
 */
export async function* splitSamples(
  where: string,
  inputs: readonly TensorInfo[],
  sources: readonly ArraySource[],
  { split, picker, onTotal }: SplitOptions,
): AsyncGenerator<Feeds> {
  const plans = inputs.map((input, i) => planOf(input, sources[i], split));
  const [first] = plans;
  const oneSample = inputs.every(({ dims }, i) => fits(dims, sources[i].shape));
  for (const { source, samples } of plans) {
    if (samples === first.samples) continue;
    fail(
      where,
      `${first.source.name} holds ${first.samples} samples, but ${source.name} holds ${samples}; ` +
        `give each input as many` +
        (oneSample ? ", or take the arrays as one sample, as they are, with `split: false`" : ""),
    );
  }
  onTotal?.(first.samples);
  for (let i = 0; i < first.samples && !picker.done; i++) {
    const wanted = picker.take();
    const feeds: Record<string, FeedTensor> = Object.create(null);
    for (const { input, source, dims } of plans) {
      const { type, bytes } = source;
      const size = dims.reduce((product, n) => product * n, itemSizeOf(type));
      if (!wanted) await passOver(bytes, size);
      else feeds[input.name] = { type, data: elementsOf(type, await bytes.read(size)), dims };
    }
    if (wanted) yield feeds;
  }
}

function planOf(input: TensorInfo, source: ArraySource, split: boolean): Plan {
  const { where, shape, type } = source;
  checkType(where, input, type);
  const { samples, dims } = cut(input, shape, split) ?? fail(
    where,
    `the shape ${showDims(shape)} does not fit the model's input ${
      describeInput(input)
    }, neither as ` +
      `it is nor with samples along its first dimension`,
  );
  if (dims.some((size) => size === 0) || samples === 0) {
    fail(where, `the shape ${showDims(shape)} holds nothing; give at least one sample`);
  }
  const bytes = dims.reduce((product, n) => product * n, itemSizeOf(type));
  if (bytes > MAX_SAMPLE_BYTES) {
    fail(
      where,
      `a sample of shape ${
        showDims(dims)
      } takes ${bytes} bytes, more than the ${MAX_SAMPLE_BYTES} ` +
        `that are allowed`,
    );
  }
  return { input, source, samples, dims };
}

function cut(
  { dims }: TensorInfo,
  shape: readonly number[],
  split: boolean,
): { samples: number; dims: readonly number[] } | undefined {
  const [count, ...rest] = shape;
  if (dims && shape.length === dims.length + 1 && fits(dims, rest)) {
    return { samples: count, dims: rest };
  }
  if (!split || shape.length === 0) {
    return fits(dims, shape) ? { samples: 1, dims: shape } : undefined;
  }
  const part = typeof dims?.[0] === "number" ? dims[0] : 1;
  const each = [part, ...rest];
  if (part === 0 || count % part !== 0 || !fits(dims, each)) return undefined;
  return { samples: count / part, dims: each };
}
