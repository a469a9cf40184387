/**
 * The options of the commands, as commander gives them.
 *
 * @module
 */
import type { CalibrationMethod } from "../onnx/calibration/method_names.ts";
import type { DataFlags } from "./data_options.ts";

/** Those of `quantize`. */
export interface QuantizeFlags extends DataFlags {
  out: string;
  force?: boolean;
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
export interface CompareFlags extends DataFlags {
  report?: string;
  force?: boolean;
  json?: boolean;
  targetSqnr?: number;
}
