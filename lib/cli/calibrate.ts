/**
 * Calibration that can be stopped and resumed.
 *
 * @module
 */
import { readFileIfThere } from "../files/disk.ts";
import { readSamples } from "../data/read_samples.ts";
import { OnnxCalibration } from "../onnx/calibration/calibrate.ts";
import type { OnnxModel } from "../onnx/file/model.ts";
import type { Console } from "./console.ts";
import { modelInputs } from "../onnx/inspect/model_inputs.ts";
import type { QuantizeOptions } from "./options.ts";
import { writeWhole } from "./output_file.ts";
import type { ProgressBar } from "./progress_bar.ts";

/** With fewer samples, chance decides on ranges. */
const FEW = 16;

/**
 * Calibrates a model on the samples of `--data`. With `--state`, goes on where the file there ends, and
 * writes it anew at the end, and when stopped.
 *
 * @param onWarning told what a person should know of the samples.
 * @returns the calibration.
 */
export async function calibrate(
  model: OnnxModel,
  options: QuantizeOptions,
  console: Console,
  bar: ProgressBar,
  onWarning: (warning: string) => void,
): Promise<OnnxCalibration> {
  const { state, quantizeStatic, readSamples: reading } = options;
  const { signal } = console;
  const saved = state === undefined ? undefined : await readFileIfThere(state);
  const calibration = await OnnxCalibration.open(model, quantizeStatic);
  if (saved) await calibration.load(saved);
  const before = calibration.samples;
  let total = reading.limit;
  const samples = readSamples(options.data, modelInputs(model), {
    ...reading,
    onTotal: (samples) => total = samples,
    onWarning,
  });
  const add = () =>
    calibration.add(samples, {
      signal,
      skip: before,
      onProgress: ({ samples }) => bar.update("calibrating", samples, total),
    });
  const addAndSave = async (state: string) => {
    try {
      await add();
    } finally {
      if (calibration.samples > before) await writeWhole(state, await calibration.save());
    }
  };
  await (state === undefined ? add() : console.finish(() => addAndSave(state)));
  bar.clear();
  const { samples: count } = calibration;
  if (count < FEW) {
    onWarning(
      `calibrated on ${count} ${
        count === 1 ? "sample" : "samples"
      } only, so that others may reach ` +
        `beyond the ranges; 50 to 200 that look like what the model will see are enough`,
    );
  }
  return calibration;
}
