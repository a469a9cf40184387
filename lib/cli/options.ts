/**
 * The options of the commands, by the keys that recipes have: each object is what a function of the library takes.
 *
 * @module
 */
import type { ReadSamplesOptions } from "../data/read_samples.ts";
import type { AutoQuantizeOptions } from "../onnx/accuracy/auto_quantize.ts";
import type { CalibrationOptions } from "../onnx/calibration/method.ts";
import type { CalibrationMethod } from "../onnx/calibration/method_names.ts";
import type { ConvertOnnxOptions, FormSettings } from "../onnx/convert/convert_onnx.ts";
import type { QuantizeStaticOptions } from "../onnx/quantize_static.ts";
import type { TuneOnnxOptions } from "../onnx/tune/tune_onnx.ts";
import type { OnnxRuntimeBuild } from "../onnx/run/load_ort.ts";

/** What all commands that read samples take. */
export interface SampleOptions {
  /** A file or a folder of samples. */
  data: string;
  /** How they are read. */
  readSamples: Pick<ReadSamplesOptions, "image" | "names" | "split" | "limit" | "patience">;
}

/** What all commands that run models take. */
interface RunOptions {
  runtime: OnnxRuntimeBuild;
}

/** Those of `inspect`. */
export interface InspectOptions {
  model: string;
  json?: boolean;
}

/** What all commands that many machines share take. */
interface SharedOptions {
  shard?: string;
  log?: "json";
}

/** Those of `calibrate`. */
export interface CalibrateOptions extends SampleOptions, RunOptions, SharedOptions {
  model: string;
  threads?: number;
  out: string;
  force?: boolean;
  json?: boolean;
  calibrateOnnx: CalibrationOptions;
}

/** Those of `merge`. */
export interface MergeOptions extends Pick<SharedOptions, "log"> {
  parts: string[];
  out: string;
  force?: boolean;
  partial?: boolean;
  json?: boolean;
}

/** Those of `quantize`. */
export interface QuantizeOptions extends Omit<SampleOptions, "data">, RunOptions {
  data?: string;
  calibration?: string;
  model: string;
  out: string;
  force?: boolean;
  quantizeStatic: Omit<QuantizeStaticOptions, "calibrationMethod"> & {
    calibrationMethod?: CalibrationMethod | "auto";
  };
  autoQuantize: Partial<Pick<AutoQuantizeOptions, "targetSqnr">>;
  exclude?: string[];
  heldOut?: string;
  state?: string;
  json?: boolean;
}

/** Those of `convert`. */
export interface ConvertOptions extends Partial<SampleOptions>, RunOptions {
  source: string;
  out?: string;
  force?: boolean;
  card?: string;
  json?: boolean;
  convertOnnx: Pick<ConvertOnnxOptions, "dtypes" | "externalData" | keyof FormSettings>;
}

/** Those of `tune`. */
export interface TuneOptions extends SampleOptions, RunOptions {
  model: string;
  out: string;
  force?: boolean;
  heldOut: string;
  calibration?: string;
  metricProgram?: string;
  keepBest?: boolean;
  recipe?: string;
  useRecipe?: string;
  json?: boolean;
  tuneOnnx: Pick<TuneOnnxOptions, "metric" | "target" | "budget" | "quantize" | "remedies">;
}

/** Those of `compare`. */
export interface CompareOptions extends Omit<SampleOptions, "data">, RunOptions, SharedOptions {
  data?: string;
  out?: string;
  comparison?: string;
  float: string;
  quantized: string;
  report?: string;
  force?: boolean;
  json?: boolean;
  targetSqnr?: number;
}

/** What the library calls options in its messages, and the flags for them. */
const FLAGS: ReadonlyMap<string, string> = new Map([
  ["activationSymmetric", "--symmetric"],
  ["activationType", "--activation-type"],
  ["calibrationMethod", "--method"],
  ["`dtypes`", "--dtype"],
  ["`force`", "--force"],
  ["`out`", "--out"],
  ["heldOut", "--held-out"],
  ["nodesToExclude", "--exclude"],
  ["opTypesToQuantize", "--op-types"],
  ["perChannel", "--per-channel"],
  ["reduceRange", "--reduce-range"],
  ["targetSqnr", "--target-sqnr"],
  ["weightType", "--weight-type"],
  ["`image.channels`", "--channels"],
  ["`image.layout`", "--layout"],
  ["`image.mean`", "--mean"],
  ["`image.resize`", "--resize"],
  ["`image.size`", "--size"],
  ["`image.std`", "--std"],
  ["`names`", "--input NAME=ARRAY"],
  ["`split: false`", "--no-split"],
]);

/** A message of the library with the flags of the command line in place of the library's options. */
export function withFlags(message: string): string {
  return message.replace(/`[^`]*`|\w+/g, (word) => FLAGS.get(word) ?? word);
}
