/**
 * What a quantized model is judged by.
 *
 * @module
 */
import {
  askMetric,
  checkMetricOf,
  checkValue,
  type FloatOutputs,
  OUTPUT_METRICS,
} from "../../quantization/tune/output_metrics.ts";
import type { Score } from "../../quantization/tune/remedy_search.ts";
import { floatNumbers, isFloatType } from "../accuracy/float_output.ts";
import type { OnnxModel } from "../file/model.ts";
import { OnnxError } from "../file/onnx_error.ts";
import { type Boxes, meanAveragePrecision } from "./mean_average_precision.ts";
import { type OnnxFeeds, type OnnxOutput, OnnxRuntime } from "../run/runtime.ts";

/**
 * What comes with the library; each compares with the float model's outputs on the held-out samples.
 *
 * - `"sqnr"`: signal to quantization noise of the output that is furthest off, in dB
 * - `"cosine"`: the mean cosine between outputs, at most 1
 * - `"top1"`: the share of rows of the first output whose greatest element is at the same place
 * - `"map"`: the mean average precision of a detector, from 0 to 1, over overlaps from 0.5 to 0.95; what the float model
 *   finds is the truth. Either one output of boxes (batch, count, 4) by corners and one of scores (batch, count, classes),
 *   or one of YOLO's (batch, 4 + classes, count), the middle and the size of each box and then its scores
 * - `"ctc"`: the share of samples that read as the same text, by greedy decoding of (batch, steps, classes) with blank 0
 */
export type TuneMetricName = "sqnr" | "cosine" | "top1" | "ctc" | "map";

/** A metric by name, or a function that gives a number for a model, the greater the better. */
export type TuneMetric = TuneMetricName | ((model: OnnxModel) => number | Promise<number>);

/** The outputs of one sample. */
type Outputs = Readonly<Record<string, OnnxOutput>>;

/** The names of the outputs of floats. */
function floatsOf(outputs: Outputs): string[] {
  return Object.keys(outputs).filter((name) => isFloatType(outputs[name].type));
}

/** The outputs of floats of each sample. */
function floatOutputs(samples: readonly Outputs[]): FloatOutputs {
  const names = floatsOf(samples[0]);
  return samples.map((outputs) =>
    names.map((name) => ({ data: floatNumbers(outputs[name]), dims: outputs[name].dims }))
  );
}

/** The boxes that a detector gives for each picture of a sample. */
function boxesOf(outputs: Outputs): Boxes[] {
  const all = floatsOf(outputs).map((name) => outputs[name]).filter(({ dims }) =>
    dims.length === 3
  );
  const corners = all.find(({ dims }) => dims[2] === 4);
  const scores = all.find((output) => output !== corners && output.dims[1] === corners?.dims[1]);
  if (corners && scores) {
    const [batch, count, classes] = scores.dims;
    const [boxes, own] = [corners, scores].map((output) => floatNumbers(output));
    return Array.from({ length: batch }, (_, b) => ({
      corners: boxes.subarray(4 * b * count, 4 * (b + 1) * count),
      scores: own.subarray(b * count * classes, (b + 1) * count * classes),
      classes,
    }));
  }
  const [only] = all;
  if (all.length !== 1 || only.dims[1] < 5 || only.dims[1] > only.dims[2]) {
    throw new OnnxError(
      `the metric "map" takes boxes (batch, count, 4) and scores (batch, count, classes), or one output ` +
        `(batch, 4 + classes, count); the model has ${
          Object.values(outputs).map(({ dims }) => `(${dims.join(", ")})`).join(" and ")
        }. Give a function as the metric`,
    );
  }
  const [batch, rows, count] = only.dims;
  const data = floatNumbers(only);
  const classes = rows - 4;
  return Array.from({ length: batch }, (_, b) => {
    const at = (row: number, i: number) => data[(b * rows + row) * count + i];
    const [boxes, scores] = [new Float32Array(4 * count), new Float32Array(classes * count)];
    for (let i = 0; i < count; i++) {
      for (const [k, sign] of [-1, -1, 1, 1].entries()) {
        boxes[4 * i + k] = at(k % 2, i) + sign * at(2 + k % 2, i) / 2;
      }
      for (let c = 0; c < classes; c++) scores[i * classes + c] = at(4 + c, i);
    }
    return { corners: boxes, scores, classes };
  });
}

/** How near outputs are to those of the float model, by a metric's name. */
function valueOf(
  name: TuneMetricName,
  float: readonly Outputs[],
  other: readonly Outputs[],
): number {
  if (name === "map") return meanAveragePrecision(float.flatMap(boxesOf), other.flatMap(boxesOf));
  return OUTPUT_METRICS[name](floatOutputs(float), floatOutputs(other));
}

/** The names of the metrics. */
export const TUNE_METRICS: readonly TuneMetricName[] = [
  ...["sqnr", "cosine", "top1", "ctc", "map"] as const,
];

/** @throws {TypeError} if it is no metric. */
export function checkMetric(where: string, metric: unknown): asserts metric is TuneMetric {
  checkMetricOf(where, metric, TUNE_METRICS);
}

/** Judges models that were made of one float model, on the same samples. */
export class MetricJudge {
  private constructor(
    private readonly where: string,
    private readonly samples: readonly OnnxFeeds[],
    private readonly metric: TuneMetric,
    private readonly reference: readonly Outputs[],
    private readonly check: () => void,
  ) {}

  /** Runs the float model. */
  static async open(
    where: string,
    float: OnnxModel,
    samples: readonly OnnxFeeds[],
    metric: TuneMetric,
    check: () => void,
  ): Promise<MetricJudge> {
    const reference = await outputsOf(where, float, samples, check);
    if (floatsOf(reference[0]).length === 0) {
      throw new OnnxError(`${where}: the model has no output of floats to compare`);
    }
    return new MetricJudge(where, samples, metric, reference, check);
  }

  /**
   * What a model is worth.
   *
   * @throws {OnnxError} if the metric fails or is not a number.
   */
  async score(model: OnnxModel): Promise<Score> {
    const { where, samples, metric, reference } = this;
    const outputs = await outputsOf(where, model, samples, this.check);
    const sqnr = valueOf("sqnr", reference, outputs);
    const problem = (message: string, options?: ErrorOptions) =>
      new OnnxError(`${where}: ${message}`, options);
    if (typeof metric !== "function") {
      const value = metric === "sqnr" ? sqnr : valueOf(metric, reference, outputs);
      checkValue(metric, value, problem);
      return { metric: value, sqnr };
    }
    return { metric: await askMetric(metric, model, problem), sqnr };
  }
}

async function outputsOf(
  where: string,
  model: OnnxModel,
  samples: readonly OnnxFeeds[],
  check: () => void,
): Promise<Outputs[]> {
  await using runtime = await OnnxRuntime.open(where, model);
  const outputs: Outputs[] = [];
  for (const feeds of samples) {
    check();
    outputs.push(await runtime.run(feeds));
  }
  return outputs;
}
