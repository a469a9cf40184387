/**
 * What a worker of `merge_calibration.ts` does: observe its part of the sample with a model of its
 * own, and send back what the observers saw.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { init, saveCalibration } from "@staticquant/staticquant";
import { calibrate, type CalibrationJob, observed } from "../merge_calibration.ts";
import { loadMnistModel } from "./mnist_model.ts";

self.onmessage = async ({ data }: MessageEvent<CalibrationJob>) => {
  try {
    const { kind, device, images, shard } = data;
    await init({ device });
    const model = observed(await loadMnistModel(), kind);
    calibrate(model, images);
    self.postMessage(await saveCalibration(model, { shard }));
  } catch (error) {
    self.postMessage(error instanceof Error ? error.message : String(error));
  }
};
