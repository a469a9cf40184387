/**
 * How near outputs are to those of the float model.
 *
 * @module
 */
import { given, nearest } from "../../numbers/arguments.ts";
import type { FloatOutput } from "../analysis/float_output.ts";
import { Noise } from "../analysis/noise.ts";

/** The outputs of floats for each sample, in the model's order. */
export type FloatOutputs = readonly (readonly FloatOutput[])[];

/** Compares a float model's outputs with another's; the greater the better. */
export type OutputMetric = (float: FloatOutputs, other: FloatOutputs) => number;

/** The place of the greatest element of each row. */
function places({ data, dims }: FloatOutput): number[] {
  const size = dims.at(-1) ?? 1;
  const found: number[] = [];
  for (let from = 0; from + size <= data.length; from += size) {
    let best = 0;
    for (let i = 1; i < size; i++) if (data[from + i] > data[from + best]) best = i;
    found.push(best);
  }
  return found;
}

/** The classes that are left once repetitions are one and blanks are gone, for each text of a batch. */
function texts(output: FloatOutput): string[] {
  const steps = output.dims.at(-2) ?? 1;
  const all = places(output);
  return Array.from({ length: all.length / steps }, (_, t) => {
    const own = all.slice(t * steps, (t + 1) * steps);
    return own.filter((c, i) => c !== 0 && c !== own[i - 1]).join(" ");
  });
}

/** The share of what outputs have in common, by what is taken from the first of each sample. */
function shareOf<T>(take: (output: FloatOutput) => readonly T[]): OutputMetric {
  return (float, other) => {
    let [same, count] = [0, 0];
    for (const [i, [first]] of float.entries()) {
      const [a, b] = [take(first), take(other[i][0])];
      same += a.filter((x, k) => x === b[k]).length;
      count += a.length;
    }
    return same / count;
  };
}

function cosineOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] ** 2;
    bb += b[i] ** 2;
  }
  return aa === 0 && bb === 0 ? 1 : ab / Math.sqrt(aa * bb || 1);
}

/** The mean cosine between outputs, at most 1. */
function cosine(float: FloatOutputs, other: FloatOutputs): number {
  const all = float.flatMap((outputs, i) =>
    outputs.map(({ data }, k) => cosineOf(data, other[i][k].data))
  );
  return all.reduce((sum, x) => sum + x, 0) / all.length;
}

/** Signal to quantization noise of the output that is furthest off, over all samples, in dB. */
export function outputsSqnr(float: FloatOutputs, other: FloatOutputs): number {
  const worst = float[0].map((_, k) => {
    const noise = new Noise();
    float.forEach((outputs, i) => noise.add(outputs[k].data, other[i][k].data));
    return noise.sqnr;
  });
  return Math.min(...worst);
}

/**
 * The metrics that ask for nothing but outputs.
 *
 * - `"sqnr"`: signal to quantization noise of the output that is furthest off, in dB
 * - `"cosine"`: the mean cosine between outputs, at most 1
 * - `"top1"`: the share of rows of the first output whose greatest element is at the same place
 * - `"ctc"`: the share of samples that read as the same text, by greedy decoding of (batch, steps, classes) with blank 0
 */
export const OUTPUT_METRICS = {
  sqnr: outputsSqnr,
  cosine,
  top1: shareOf(places),
  ctc: shareOf(texts),
} as const satisfies Record<string, OutputMetric>;

/** @throws {TypeError} unless a metric is a function or has one of the names. */
export function checkMetricOf(where: string, metric: unknown, names: readonly string[]): void {
  if (typeof metric === "function" || names.includes(metric as string)) return;
  const like = typeof metric === "string" ? nearest(metric, names) : undefined;
  throw new TypeError(
    `${where}: metric must be one of ${names.join(", ")}, or a function of the model, got ${
      given(metric)
    }${like ? `; did you mean ${JSON.stringify(like)}?` : ""}`,
  );
}

/** Throws a `problem` if what a metric with a name came to is no number. */
export function checkValue(
  metric: string,
  value: number,
  problem: (message: string) => Error,
): void {
  if (!Number.isNaN(value)) return;
  throw problem(
    `the metric ${
      JSON.stringify(metric)
    } is no number, for the float model gives NaN or infinities for the ` +
      `held-out samples; leave those samples out, or give a function as the metric`,
  );
}

/** What a function of the user's says of a model; what it throws, and what is no number, becomes a `problem`. */
export async function askMetric<M>(
  metric: (model: M) => number | Promise<number>,
  model: M,
  problem: (message: string, options?: ErrorOptions) => Error,
): Promise<number> {
  let value: unknown;
  try {
    value = await metric(model);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw problem(`the metric failed: ${message}`, { cause });
  }
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw problem(`the metric gave ${given(value)}; it must give a number`);
}
