/**
 * Sizes of a graph that may stay open: what they are of the open sizes of its inputs, told by runs that differ in
 * one of these each.
 *
 * @module
 */

/** A size of the inputs that stays open. */
export interface OpenName {
  readonly name: string;
  /** What it is in the first run, in those in each of which one open size is smaller, and in one more to be sure. */
  readonly inRuns: readonly number[];
  /** Whether the first run's is the largest that the graph is for. */
  readonly isLargest: boolean;
}

/** A product of open sizes and a number, and another number. */
export interface OpenSize {
  readonly times: number;
  /** The names of the open sizes that are multiplied. */
  readonly of: readonly string[];
  readonly plus: number;
}

/** A size of a graph. */
export type Size = number | OpenSize;

/** What a size is in a run. */
function sizeIn(run: number, { times, of, plus }: OpenSize, open: readonly OpenName[]): number {
  const factors = open.filter(({ name }) => of.includes(name));
  return factors.reduce((product, { inRuns }) => product * inRuns[run], times) + plus;
}

/**
 * What a size is that had these values in the runs: a product of the open sizes that it follows, or a multiple of
 * one and a number.
 *
 * @returns undefined if it follows from the open sizes in another way.
 */
export function sizeOf(values: readonly number[], open: readonly OpenName[]): Size | undefined {
  const [first] = values;
  if (values.every((value) => value === first)) return first;
  const along = open.filter((_, i) => values[i + 1] !== first);
  const of = along.map(({ name }) => name);
  const product = {
    times: along.reduce((rest, { inRuns }) => rest / inRuns[0], first),
    of,
    plus: 0,
  };
  const fits = (size: OpenSize) =>
    Number.isInteger(size.times) && values.every((value, run) => sizeIn(run, size, open) === value);
  if (fits(product)) return product;
  if (along.length !== 1) return undefined;
  const [{ inRuns }] = along;
  const run = open.indexOf(along[0]) + 1;
  const times = (first - values[run]) / (inRuns[0] - inRuns[run]);
  const line = { times, of, plus: first - times * inRuns[0] };
  return fits(line) ? line : undefined;
}

/** A size as text, such as `batch`, `4*batch` or `length+1`. */
export function sizeText(size: Size): string {
  if (typeof size === "number") return `${size}`;
  const { times, of, plus } = size;
  const factors = times === 1 ? of : [times, ...of];
  const rest = plus === 0 ? "" : plus > 0 ? `+${plus}` : `${plus}`;
  return `${factors.join("*")}${rest}`;
}
