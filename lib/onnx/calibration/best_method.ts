/**
 * Choosing the method that chooses ranges.
 *
 * @module
 */
import { Noise } from "../../quantization/analysis/noise.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { OnnxModel } from "../file/model.ts";
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

/** The outputs of floats that a model gives for each sample. */
async function answers(where: string, model: OnnxModel, { kept }: OnnxCalibration) {
  await using runtime = await OnnxRuntime.open(where, model);
  const all: ReadonlyMap<string, Float32Array>[] = [];
  for (const feeds of kept) {
    const outputs = Object.entries(await runtime.run(feeds));
    all.push(
      new Map(
        outputs.flatMap(([name, { data }]) => data instanceof Float32Array ? [[name, data]] : []),
      ),
    );
  }
  return all;
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
  const expected = await answers(where, calibration.model, calibration);
  const worth = async (method: ChosenMethod) => {
    const given = await answers(where, await quantize(ranges[method]), calibration);
    const noises = new Map([...expected[0].keys()].map((name) => [name, new Noise()]));
    expected.forEach((outputs, i) =>
      outputs.forEach((data, name) => noises.get(name)!.add(data, given[i].get(name)!))
    );
    return Math.min(...[...noises.values()].map(({ sqnr }) => sqnr));
  };
  const sqnr = { mse: await worth("mse"), minmax: await worth("minmax") };
  const method = sqnr.minmax > sqnr.mse ? "minmax" : "mse";
  const samples = calibration.kept.length;
  return { method, sqnr, samples, calibration: calibration.choosing(ranges[method]) };
}
