/**
 * Which operators changed with which operator set, and how a node follows.
 *
 * @module
 */
import { intOf, stringOf } from "../file/attributes.ts";
import {
  axesToInput,
  clipToInputs,
  dftAxisToInput,
  dropoutMask,
  dropoutToInput,
  padToInputs,
  sliceToInputs,
  splitOutputCount,
  splitToInput,
  topKToInput,
  unsqueezeAxesToInput,
  upsampleToInput,
} from "./attributes_to_inputs.ts";
import { resizeCoordinates, resizeHalfPixel, upsampleToResize } from "./resize.ts";
import { operatorProblem } from "./operators.ts";
import type { UpgradeRule } from "./rewriter.ts";
import { flattenedAxis } from "./softmax.ts";

/** The oldest operator set that is understood: the one that brought broadcasting as it is today. */
export const OLDEST_OPSET = 7;

/** BatchNormalization at 9 lost statistics for each place. */
const batchNormSpatial: UpgradeRule = (node, rewriter) => {
  if (intOf(node, "spatial", 1) !== 1) {
    throw rewriter.refuse(node, "spatial = 0 was removed", "export the model anew");
  }
  rewriter.set(node, "spatial", undefined);
};

/** BatchNormalization at 14 has other outputs when it trains. */
const batchNormOutputs: UpgradeRule = (node, rewriter) => {
  if (rewriter.usesMoreThanFirst(node)) {
    throw rewriter.refuse(node, "its outputs for training are used", "export it for inference");
  }
};

/** Scatter became ScatterElements at 11. */
const scatterElements: UpgradeRule = (node) => {
  node.opType = "ScatterElements";
};

/** Scan at 9 lost its lengths, and the batch that all took part in. */
const scanBatch: UpgradeRule = (node, rewriter) => {
  throw rewriter.refuse(
    node,
    "its first form has a batch dimension",
    "export the model anew with operator set 9 or later",
  );
};

/** RoiAlign at 16 moves by half a pixel unless told otherwise. */
const roiAlignMode: UpgradeRule = (node, rewriter) => {
  rewriter.set(node, "coordinate_transformation_mode", { s: "output_half_pixel" });
};

/** GridSample at 20 has other names for its modes. */
const gridSampleMode: UpgradeRule = (node, rewriter) => {
  const renamed = new Map([["bilinear", "linear"], ["bicubic", "cubic"]]);
  const mode = stringOf(node, "mode", "bilinear");
  rewriter.set(node, "mode", { s: renamed.get(mode) ?? mode });
};

/** GroupNormalization at 21 scales each channel instead of each group. */
const groupNormScale: UpgradeRule = (node, rewriter) => {
  throw rewriter.refuse(
    node,
    "scale and bias are one a channel instead of one a group",
    "keep a lower target, or export the model anew",
  );
};

/** Those whose axes became an input at 18; ReduceSum was first. */
const REDUCTIONS = [
  "ReduceL1",
  "ReduceL2",
  "ReduceLogSum",
  "ReduceLogSumExp",
  "ReduceMax",
  "ReduceMean",
  "ReduceMin",
  "ReduceProd",
  "ReduceSumSquare",
];

/**
 * What a version changed, by version and operator. Everything else that {@linkcode operatorProblem} finds
 * nothing wrong with means the same in both versions: it got more element types, or attributes
 * whose defaults are the old behaviour.
 */
export const RULES: Readonly<Record<number, Readonly<Record<string, UpgradeRule>>>> = {
  9: { BatchNormalization: batchNormSpatial, Scan: scanBatch, Upsample: upsampleToInput },
  10: {
    Dropout: dropoutMask,
    Slice: sliceToInputs,
    TopK: topKToInput,
    Upsample: upsampleToResize,
  },
  11: {
    Clip: clipToInputs,
    Pad: padToInputs,
    Resize: resizeCoordinates,
    Scatter: scatterElements,
  },
  12: { Dropout: dropoutToInput },
  13: {
    Hardmax: flattenedAxis,
    LogSoftmax: flattenedAxis,
    ReduceSum: axesToInput,
    Resize: resizeHalfPixel,
    Softmax: flattenedAxis,
    Split: splitToInput,
    Squeeze: axesToInput,
    Unsqueeze: unsqueezeAxesToInput,
  },
  14: { BatchNormalization: batchNormOutputs },
  16: { RoiAlign: roiAlignMode },
  18: {
    ...Object.fromEntries(REDUCTIONS.map((opType) => [opType, axesToInput])),
    Split: splitOutputCount,
  },
  20: { DFT: dftAxisToInput, GridSample: gridSampleMode },
  21: { GroupNormalization: groupNormScale },
};

/** Whether an operator of ONNX means something else in one version of the operator set than in another. */
export function changedBetween(opType: string, one: number, other: number): boolean {
  if (operatorProblem(opType, one) || operatorProblem(opType, other)) return true;
  const [from, to] = [Math.min(one, other), Math.max(one, other)];
  if (from < OLDEST_OPSET) return true;
  return Object.entries(RULES).some(([version, rules]) =>
    Number(version) > from && Number(version) <= to && Object.hasOwn(rules, opType)
  );
}
