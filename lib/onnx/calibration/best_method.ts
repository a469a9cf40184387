/**
 * Choosing the method that chooses ranges.
 *
 * What one loses more than the other on some samples is mostly chance: a few samples have most of the noise, above all where
 * a Softmax turns what is nearly even into one or the other. So each difference counts by how sure it is, beside what is
 * known of networks in general.
 *
 * @module
 */
import { type Estimate, jackknife } from "../../numbers/jackknife.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { OnnxModel } from "../file/model.ts";
import { isOp } from "../graph/operator.ts";
import type { TensorRange } from "../qdq/params.ts";
import { OnnxRuntime } from "../run/runtime.ts";
import type { OnnxCalibration } from "./calibrate.ts";

/** The methods that `"auto"` chooses among: where two are as good, the first. */
export type ChosenMethod = "mse" | "minmax";

/** A method that was chosen, and what each is worth. */
export interface BestMethod {
  /** The one that is best. */
  readonly method: ChosenMethod;
  /** The SQNR of the quantized model with each, in dB, on so many samples; of several outputs the lowest. */
  readonly sqnr: Readonly<Record<ChosenMethod, number>>;
  /** The samples. */
  readonly samples: number;
}

/**
 * By how many dB "mse" is better than "minmax" before anything is known of a network, and how much that is another on
 * another: as measured on sixteen networks, convolutional, recurrent and of attention.
 */
const USUAL: Estimate = { value: 0.3, error: 0.7 };
/** No difference is surer than this, in dB: other samples are not the same. */
const SUREST = 0.05;
/** An SQNR is taken for no further from 0 dB than this. */
const FARTHEST = 200;

/** The squares of an output, and of what quantized models are off by, for each sample. */
interface Powers {
  readonly signal: readonly number[];
  readonly noise: Record<ChosenMethod, number[]>;
}

/** An output of floats, and what a Softmax reads that makes it; the output again if none does. */
type Answer = readonly [own: Float32Array, read: Float32Array];

/** Of each output the name, and that of what a Softmax reads that makes it, if one does. */
function judgedOf({ graph }: OnnxModel): { readonly name: string; readonly read: string }[] {
  const makers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node])));
  return graph.output.map(({ name }) => {
    const maker = makers.get(name);
    const isShare = maker && isOp(maker, "Softmax") && makers.has(maker.input[0]);
    return { name, read: isShare ? maker.input[0] : name };
  });
}

/** A model that gives what its last Softmaxes read as well. */
function withReads(model: OnnxModel): OnnxModel {
  const reads = new Set(judgedOf(model).map(({ read }) => read));
  const more = reads.difference(new Set(model.graph.output.map(({ name }) => name)));
  if (more.size === 0) return model;
  const copy = model.clone();
  const { graph, messages } = copy;
  for (const name of more) graph.output.push(messages.valueInfo(name, "float32", undefined));
  return copy;
}

/** The outputs of floats that a model gives for each sample, one sample after the other. */
async function* answers(
  where: string,
  model: OnnxModel,
  { kept }: OnnxCalibration,
): AsyncGenerator<Answer[]> {
  const judged = judgedOf(model);
  await using runtime = await OnnxRuntime.open(where, withReads(model));
  for (const feeds of kept) {
    const values = await runtime.run(feeds);
    yield judged.flatMap(({ name, read }): Answer[] => {
      const [{ data: own }, { data: before }] = [values[name], values[read]];
      return own instanceof Float32Array && before instanceof Float32Array ? [[own, before]] : [];
    });
  }
}

/** Sums of squares: of the numbers, or of what others are off by. */
function squares(x: Float32Array, others?: Float32Array): number {
  let sum = 0;
  if (others) { for (let i = 0; i < x.length; i++) sum += (x[i] - others[i]) ** 2; }
  else for (let i = 0; i < x.length; i++) sum += x[i] ** 2;
  return sum;
}

/** The ratio of two sums over samples, of which one may be left out, in dB. */
function decibels(
  signal: readonly number[],
  noise: readonly number[],
  without: number | undefined,
): number {
  let [p, n] = [0, 0];
  for (let i = 0; i < signal.length; i++) if (i !== without) [p, n] = [p + signal[i], n + noise[i]];
  return n === 0 ? Infinity : 10 * Math.log10(p / n);
}

/** The lowest SQNR among outputs. */
function lowest(outputs: readonly Powers[], method: ChosenMethod, without?: number): number {
  return Math.min(...outputs.map(({ signal, noise }) => decibels(signal, noise[method], without)));
}

/** By how many dB "mse" is better. */
function lead(outputs: readonly Powers[]): Estimate {
  const bounded = (method: ChosenMethod, without?: number) =>
    Math.max(-FARTHEST, Math.min(lowest(outputs, method, without), FARTHEST));
  const { value, error } = jackknife(
    outputs[0]?.signal.length ?? 0,
    (without) => bounded("mse", without) - bounded("minmax", without),
  );
  // One sample says as much as a network in general.
  return { value, error: error === Infinity ? USUAL.error : Math.max(error, SUREST) };
}

/** Whether "mse" is the better one: the sign of the mean of estimates, each weighed by how sure it is. */
export function isMseBetter(leads: readonly Estimate[]): boolean {
  return [USUAL, ...leads].reduce((sum, { value, error }) => sum + value / error ** 2, 0) >= 0;
}

/**
 * That of two methods with which a quantized model is nearer to the float one, on the samples that a calibration keeps,
 * as far as they tell. It depends on these alone, in their order.
 *
 * @param where opens the errors.
 * @param quantize makes the model with such ranges.
 * @returns the calibration with the ranges of that method, and the method.
 * @throws {OnnxError} if the calibration keeps no samples, since it was loaded or merged.
 */
export async function bestMethod(
  where: string,
  calibration: OnnxCalibration,
  quantize: (ranges: ReadonlyMap<string, TensorRange>) => Promise<OnnxModel>,
): Promise<BestMethod & { readonly calibration: OnnxCalibration }> {
  const whole = await calibration.wholeRanges();
  if (!whole || calibration.kept.length === 0) {
    throw new OnnxError(
      `${where}: calibrationMethod "auto" chooses on samples, which a calibration that was loaded, merged or made for ` +
        `another method does not keep; give samples, or name a method`,
    );
  }
  const ranges = { mse: await calibration.ranges(), minmax: whole };
  const expected = await Array.fromAsync(answers(where, calibration.model, calibration));
  // Of outputs, and of what Softmaxes read.
  const measures = [0, 1].map((at) =>
    expected[0].map((_, o): Powers => ({
      signal: expected.map((answer) => squares(answer[o][at])),
      noise: { mse: [], minmax: [] },
    }))
  );
  const areRead = ([own, read]: Answer) => own !== read;
  let hasReads = expected[0].some(areRead);
  for (const method of ["mse", "minmax"] as const) {
    let sample = 0;
    for await (const answer of answers(where, await quantize(ranges[method]), calibration)) {
      const exact = expected[sample++];
      hasReads &&= exact.every((one, o) => areRead(one) === areRead(answer[o]));
      measures.forEach((outputs, at) =>
        outputs.forEach(({ noise }, o) => noise[method].push(squares(exact[o][at], answer[o][at])))
      );
    }
  }
  const [outputs, reads] = measures;
  const method = isMseBetter((hasReads ? [outputs, reads] : [outputs]).map(lead))
    ? "mse"
    : "minmax";
  const sqnr = { mse: lowest(outputs, "mse"), minmax: lowest(outputs, "minmax") };
  const samples = calibration.kept.length;
  return { method, sqnr, samples, calibration: calibration.choosing(ranges[method]) };
}
