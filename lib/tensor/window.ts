/**
 * Windows that slide over a tensor's spatial dimensions, as convolutions and pooling have them: options as
 * people give them, and the places that follow.
 *
 * @module
 */
import { given } from "../numbers/arguments.ts";
import { formatShape } from "../numbers/shape.ts";

/** One number for all spatial dimensions, or one for each. */
export type Sizes = number | readonly number[];

/**
 * What stands around an input: one number, one a dimension, `[before, after]` a dimension, or a word:
 * `"valid"` for nothing, `"same"` for as much as keeps the size.
 */
export type Padding =
  | Sizes
  | readonly (readonly [before: number, after: number])[]
  | "same"
  | "valid";

/** Where windows lie, one number a spatial dimension. */
export interface WindowPlaces {
  /** How many there are. */
  readonly output: number[];
  readonly stride: number[];
  /** What stands before the input. */
  readonly before: number[];
  /** What stands after it. */
  readonly after: number[];
  readonly dilation: number[];
}

/** Numbers one a dimension, each an integer of at least `least`. */
export function perDimension(
  where: string,
  name: string,
  value: unknown,
  rank: number,
  least: number,
): number[] {
  const list = typeof value === "number" ? new Array<number>(rank).fill(value) : value;
  const fits = Array.isArray(list) && list.length === rank &&
    list.every((size) => Number.isInteger(size) && size >= least && size <= 2 ** 30);
  if (fits) return [...list];
  throw new RangeError(
    `${where}: ${name} must be an integer of at least ${least}, or a list of ${rank} of them, got ${
      Array.isArray(value) ? `[${value.map(String).join(", ")}]` : given(value)
    }`,
  );
}

/** What stands before and after the input, of a padding that is no word. */
export function paddingSizes(
  where: string,
  padding: Exclude<Padding, string>,
  rank: number,
): { before: number[]; after: number[] } {
  if (Array.isArray(padding) && padding.some((side) => Array.isArray(side))) {
    const sides = padding as readonly (readonly number[])[];
    const pairs = sides.map((side) => perDimension(where, "padding [before, after]", side, 2, 0));
    const of = (side: 0 | 1) =>
      perDimension(where, "padding", pairs.map((pair) => pair[side]), rank, 0);
    return { before: of(0), after: of(1) };
  }
  const both = perDimension(where, "padding", padding, rank, 0);
  return { before: both, after: both };
}

/** The places of windows of such sizes over an input. */
export function windowPlaces(
  where: string,
  input: readonly number[],
  kernel: readonly number[],
  options: { stride?: Sizes; padding?: Padding; dilation?: Sizes; ceilMode?: boolean },
): WindowPlaces {
  const rank = input.length;
  const stride = perDimension(where, "stride", options.stride ?? 1, rank, 1);
  const dilation = perDimension(where, "dilation", options.dilation ?? 1, rank, 1);
  const spans = kernel.map((size, d) => dilation[d] * (size - 1) + 1);
  const { before, after } = wholePadding(where, options.padding ?? 0, spans, stride);
  const output = input.map((length, d) => {
    const steps = (length + before[d] + after[d] - spans[d]) / stride[d];
    if (!options.ceilMode) return Math.floor(steps) + 1;
    // A window that would begin behind the input is none.
    const last = Math.ceil(steps);
    return last * stride[d] >= length + before[d] ? last : last + 1;
  });
  if (output.some((size) => size < 1) || kernel.some((size) => size < 1)) {
    throw new RangeError(
      `${where}: a kernel of ${formatShape(kernel)}, with its dilation ${
        formatShape(spans)
      }, does not fit ` +
        `an input of ${formatShape(input)} with padding ${formatShape(before)}`,
    );
  }
  return { output, stride, before, after, dilation };
}

/** The places of a transposed convolution: `before` and `after` are cut off the output. */
export function transposedPlaces(
  where: string,
  input: readonly number[],
  kernel: readonly number[],
  options: {
    stride?: Sizes;
    padding?: Exclude<Padding, string>;
    outputPadding?: Sizes;
    dilation?: Sizes;
  },
): WindowPlaces {
  const rank = input.length;
  const stride = perDimension(where, "stride", options.stride ?? 1, rank, 1);
  const dilation = perDimension(where, "dilation", options.dilation ?? 1, rank, 1);
  const more = perDimension(where, "outputPadding", options.outputPadding ?? 0, rank, 0);
  const { before, after } = paddingSizes(where, options.padding ?? 0, rank);
  const output = input.map((length, d) =>
    (length - 1) * stride[d] + dilation[d] * (kernel[d] - 1) + 1 + more[d] - before[d] - after[d]
  );
  const late = more.findIndex((size, d) => size >= Math.max(stride[d], dilation[d]));
  if (late >= 0 || output.some((size) => size < 1)) {
    throw new RangeError(
      late >= 0
        ? `${where}: outputPadding must be less than stride or dilation, got ${more[late]}`
        : `${where}: nothing is left of the output, whose sizes would be ${formatShape(output)}`,
    );
  }
  return { output, stride, before, after, dilation };
}

function wholePadding(
  where: string,
  padding: Padding,
  spans: readonly number[],
  stride: readonly number[],
): { before: number[]; after: number[] } {
  if (typeof padding !== "string") return paddingSizes(where, padding, spans.length);
  if (padding === "same" && stride.some((size) => size !== 1)) {
    throw new RangeError(`${where}: padding "same" takes a stride of 1; give numbers instead`);
  }
  if (padding !== "same" && padding !== "valid") {
    throw new TypeError(
      `${where}: padding must be numbers, "same" or "valid", got ${given(padding)}`,
    );
  }
  const more = spans.map((span) => padding === "same" ? span - 1 : 0);
  // What is left over stands after, as in PyTorch.
  const before = more.map((size) => Math.floor(size / 2));
  return { before, after: more.map((size, d) => size - before[d]) };
}
