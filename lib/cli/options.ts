/**
 * The options of the commands, as commander gives them.
 *
 * @module
 */
import type { CalibrationMethod } from "../onnx/calibration/method_names.ts";
import type { QuantizeTarget } from "../onnx/qdq/targets.ts";
import type { OnnxRuntimeBuild } from "../onnx/run/load_ort.ts";
import type { DataFlags } from "./data_options.ts";

/** What all commands that run models take. */
interface RunFlags {
  runtime?: OnnxRuntimeBuild;
}

/** Those of `quantize`. */
export interface QuantizeFlags extends DataFlags, RunFlags {
  out: string;
  force?: boolean;
  target: QuantizeTarget;
  method: CalibrationMethod;
  percentile?: number;
  activationType: "uint8" | "int8";
  weightType: "int8" | "uint8" | "int4" | "uint4";
  perChannel: boolean;
  symmetric?: boolean;
  reduceRange?: boolean;
  opTypes?: string[];
  exclude?: string[];
  heldOut?: string;
  targetSqnr?: number;
  state?: string;
  json?: boolean;
}

/** Those of `compare`. */
export interface CompareFlags extends DataFlags, RunFlags {
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
