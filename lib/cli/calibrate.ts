/**
 * Calibration that can be stopped and resumed.
 *
 * @module
 */
import { readFileIfThere } from "../files/disk.ts";
import { readSamples } from "../data/read_samples.ts";
import { OnnxCalibration } from "../onnx/calibration/calibrate.ts";
import type { OnnxModel } from "../onnx/file/model.ts";
import { CliError, EXIT, plainMessage, usage } from "./cli_error.ts";
import type { Console } from "./console.ts";
import { modelInputs } from "../onnx/inspect/model_inputs.ts";
import type { QuantizeOptions } from "./options.ts";
import { writeWhole } from "./output_file.ts";
import type { ProgressBar } from "./progress_bar.ts";

/** With fewer samples, chance decides on ranges. */
const FEW = 16;

/** @throws {CliError} unless there are samples, or a calibration and nothing that it has already. */
export function checkSource(options: QuantizeOptions): void {
  const { data, calibration, state, quantizeStatic } = options;
  if (calibration === undefined) {
    if (data === undefined) {
      usage(
        "required option '--data <path>' not specified, nor --calibration with what calibrate wrote",
      );
    }
    return;
  }
  const given = {
    "--data": data,
    "--state": state,
    "--method": quantizeStatic.calibrationMethod,
    "--percentile": quantizeStatic.percentile,
    averagingConstant: quantizeStatic.averagingConstant,
  };
  const extra = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (extra) usage(`${extra} does not go with --calibration, which has its own; leave one out`);
}

/** What `calibrate` or `merge` wrote, for a model. */
export async function readCalibration(model: OnnxModel, path: string): Promise<OnnxCalibration> {
  const file = await readFileIfThere(path);
  if (!file) throw new CliError(EXIT.failed, `${path}: there is no such file`);
  try {
    return await OnnxCalibration.from(model, file);
  } catch (error) {
    // The file is one of several that are named.
    if (error instanceof Error) error.message = `${path}: ${plainMessage(error)}`;
    throw error;
  }
}

/**
 * Calibrates a model on the samples of `--data`, or takes what was seen from `--calibration`. With `--state`, goes on where the file there ends, and
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
  const { state, data, quantizeStatic, readSamples: reading } = options;
  const { signal } = console;
  if (options.calibration !== undefined) return await readCalibration(model, options.calibration);
  const saved = state === undefined ? undefined : await readFileIfThere(state);
  const calibration = await OnnxCalibration.open(model, quantizeStatic);
  if (saved) await calibration.load(saved);
  const before = calibration.samples;
  let total = reading.limit;
  const samples = readSamples(data!, modelInputs(model), {
    ...reading,
    signal,
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
