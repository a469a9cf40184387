/**
 * Choosing the method that chooses ranges.
 *
 * @module
 */
import { Noise } from "../../quantization/analysis/noise.ts";
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
  /** The SQNR of the quantized model with each, in dB, on so many samples; of several outputs the lowest. Of few
   * numbers that a Softmax makes it is that of what this reads. */
  readonly sqnr: Readonly<Record<ChosenMethod, number>>;
  /** The samples. */
  readonly samples: number;
}

/** Fewer numbers than these, of all samples together, say little where a Softmax made them: most are 0 or 1. */
const FEW_SHARES = 1024;

/** The outputs of floats that a model gives for each sample, in the model's order. */
async function answers(where: string, model: OnnxModel, { kept }: OnnxCalibration) {
  await using runtime = await OnnxRuntime.open(where, model);
  const all: Float32Array[][] = [];
  for (const feeds of kept) {
    const outputs = await runtime.run(feeds);
    all.push(runtime.outputs.flatMap(({ name }) => {
      const { data } = outputs[name];
      return data instanceof Float32Array ? [data] : [];
    }));
  }
  return all;
}

/** A model that gives what a Softmax reads in place of an output that it makes. */
function beforeShares(model: OnnxModel): OnnxModel {
  const copy = model.clone();
  const { graph, messages } = copy;
  const makers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node])));
  graph.output = graph.output.map((output) => {
    const maker = makers.get(output.name);
    if (!maker || !isOp(maker, "Softmax") || !makers.has(maker.input[0])) return output;
    return messages.valueInfo(maker.input[0], "float32", undefined);
  });
  return copy;
}

/**
 * That of two methods with which a quantized model is nearer to the float one, on the samples that a calibration keeps.
 * It depends on these alone, in their order.
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
  const outputs = await answers(where, calibration.model, calibration);
  const count = outputs.flat().reduce((sum, { length }) => sum + length, 0);
  const judged = count < FEW_SHARES ? beforeShares : (model: OnnxModel) => model;
  const expected = await answers(where, judged(calibration.model), calibration);
  const worth = async (method: ChosenMethod) => {
    const given = await answers(where, judged(await quantize(ranges[method])), calibration);
    const noises = expected[0].map(() => new Noise());
    expected.forEach((each, i) => each.forEach((data, o) => noises[o].add(data, given[i][o])));
    return Math.min(...noises.map(({ sqnr }) => sqnr));
  };
  const sqnr = { mse: await worth("mse"), minmax: await worth("minmax") };
  const method = sqnr.minmax > sqnr.mse ? "minmax" : "mse";
  const samples = calibration.kept.length;
  return { method, sqnr, samples, calibration: calibration.choosing(ranges[method]) };
}
