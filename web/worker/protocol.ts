/**
 * What the page and its worker tell each other: plain data, none of which holds code.
 *
 * @module
 */
import type { ImageOptions } from "../../lib/data/image_options.ts";
import type { CalibrationMethod } from "../../lib/onnx/calibration/method_names.ts";
import type { OnnxComparison } from "../../lib/onnx/accuracy/comparison.ts";
import type { NodeSensitivity } from "../../lib/onnx/accuracy/variants.ts";
import type { OnnxInspection } from "../../lib/onnx/inspect/inspect_onnx.ts";
import type { QuantizedActivation, QuantizedNode } from "../../lib/onnx/qdq/quantize_graph.ts";
import type { QuantizeTarget } from "../../lib/onnx/qdq/targets.ts";
import type { PlotCounts } from "../../lib/plot/counts.ts";

/** A model as it is given. */
export interface ModelFiles {
  readonly model: File;
  /** The files in which constants of it lie. */
  readonly data: readonly File[];
}

/** How files of samples are read; what `--size`, `--input` and their like say on the command line. */
export interface ReadSettings {
  readonly image: ImageOptions;
  /** Names of arrays by the names of the model's inputs. */
  readonly names: Readonly<Record<string, string>>;
  readonly split: boolean;
  /** The most samples that are read. */
  readonly limit?: number;
}

/** How a model is quantized. */
export interface QuantizeSettings {
  readonly target: QuantizeTarget;
  readonly method: CalibrationMethod;
  readonly percentile?: number;
  readonly activationType: "uint8" | "int8";
  readonly weightType: "int8" | "uint8" | "int4" | "uint4";
  readonly perChannel: boolean;
  readonly symmetric: boolean;
  readonly reduceRange: boolean;
  /** The operators that are quantized; all that can be if none is named. */
  readonly opTypes: readonly string[];
  /** Names of nodes that stay in float. */
  readonly exclude: readonly string[];
  /** The SQNR in dB that the output is to keep; nodes that cost too much stay in float. */
  readonly targetSqnr?: number;
}

/** A whole run. */
export interface QuantizeJob {
  readonly model: ModelFiles;
  readonly samples: readonly File[];
  /**
   * Samples to judge with. If there are none, those of the calibration; if a target is to be met, a share of them
   * that is not calibrated on.
   */
  readonly heldOut: readonly File[];
  readonly read: ReadSettings;
  readonly settings: QuantizeSettings;
}

/** What came of it. */
export interface QuantizeOutcome {
  readonly file: Uint8Array<ArrayBuffer>;
  /** Bytes of the float model. */
  readonly floatBytes: number;
  readonly samples: number;
  readonly nodes: readonly QuantizedNode[];
  readonly activations: readonly QuantizedActivation[];
  readonly warnings: readonly string[];
  /** What samples it is judged on. */
  readonly judges: Judges;
  /** What became of the target, if there was one. */
  readonly target?: TargetOutcome;
}

/** The samples that models are judged on: others than those calibrated on, a share kept from them, or the same. */
export type Judges = "others" | "share" | "same";

/** What meeting a target came to. */
export interface TargetOutcome {
  /** What was asked for, and what was reached on the samples held out, in dB. */
  readonly asked: number;
  readonly reached: number;
  /** Nodes that were left in float for it. */
  readonly leftOut: number;
}

/** The numbers of a comparison. */
export type Comparison = Pick<
  OnnxComparison,
  "samples" | "outputs" | "tensors" | "float" | "quantized" | "sqnr"
>;

/** The values of an output of the first sample, in both models. */
export interface OutputPair {
  readonly name: string;
  readonly float: Float32Array<ArrayBuffer>;
  readonly quantized: Float32Array<ArrayBuffer>;
}

/** What comparing gave. */
export interface CompareOutcome {
  readonly comparison: Comparison;
  readonly outputs: readonly OutputPair[];
}

/** The values that were seen of an activation. */
export interface SeenValues extends PlotCounts {
  readonly name: string;
}

/** Nodes by what quantizing each alone costs. */
export interface RankOutcome {
  readonly nodes: readonly NodeSensitivity[];
  readonly sqnr: number;
}

/** The numbers of the tutorial that can be changed. */
export interface TutorialNumbers {
  readonly inFeatures: number;
  readonly hidden: number;
  readonly outFeatures: number;
  readonly batch: number;
  readonly batches: number;
  readonly seed: number;
  readonly dtype: "uint8" | "int8";
  readonly mapping: "ASYMMETRIC" | "SYMMETRIC";
  readonly weights: "PerAxis" | "PerTensor";
}

/** What an activation's observer saw and decided. */
export interface TutorialActivation {
  readonly layer: string;
  readonly values: Float32Array<ArrayBuffer>;
  readonly scale: number;
  readonly zeroPoint: number;
}

/** A model that the tutorial made. */
export interface TutorialWay {
  readonly config: string;
  readonly sqnr: number;
  readonly bytes: number;
  readonly text: string;
}

/** All that the tutorial shows. */
export interface TutorialOutcome {
  readonly device: "webgpu" | "cpu";
  readonly adapter: string;
  readonly activations: readonly TutorialActivation[];
  /** The first weight: the floats, the integers, and what was lost; row by row. */
  readonly weight: {
    readonly columns: number;
    readonly float: Float32Array<ArrayBuffer>;
    readonly integers: Float32Array<ArrayBuffer>;
    readonly lost: Float32Array<ArrayBuffer>;
  };
  readonly output: {
    readonly float: Float32Array<ArrayBuffer>;
    readonly quantized: Float32Array<ArrayBuffer>;
  };
  readonly bytes: {
    readonly float32: number;
    readonly bfloat16: number;
    readonly quantized: number;
  };
  readonly ways: readonly TutorialWay[];
}

/** What the worker can be asked for: argument and answer of each call. */
export interface Calls {
  /** What is in a model. */
  inspect: { argument: ModelFiles; result: OnnxInspection };
  /** Quantizes a model and remembers it for the calls below. */
  quantize: { argument: QuantizeJob; result: QuantizeOutcome };
  /** Runs both models. */
  compare: { argument: null; result: CompareOutcome };
  /** Counts the values of each activation that became integers. */
  distributions: { argument: null; result: readonly SeenValues[] };
  /** Which nodes hurt. */
  rank: { argument: null; result: RankOutcome };
  /** The tutorial. */
  tutorial: { argument: TutorialNumbers; result: TutorialOutcome };
}

/** How far a call is. */
export interface Progress {
  readonly step:
    | "opening"
    | "calibrating"
    | "quantizing"
    | "searching"
    | "comparing"
    | "counting"
    | "ranking";
  readonly done: number;
  readonly total?: number;
}

/** From the page to the worker. */
export type Request =
  | { [Name in keyof Calls]: { id: number; call: Name; argument: Calls[Name]["argument"] } }[
    keyof Calls
  ]
  | { readonly id: number; readonly call: "cancel" };

/** From the worker to the page. */
export type Reply =
  | { readonly id: number; readonly progress: Progress }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };

/** The name of the lock that a worker holds while it lives. */
export const lockName = (worker: string): string => `staticquant worker ${worker}`;
