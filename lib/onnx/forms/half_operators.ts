/**
 * What operators take in the place of float32.
 *
 * @module
 */
import type { NodeProto } from "../file/proto.ts";
import { isOp } from "../graph/operator.ts";

/** ONNX's operators that are defined for float32 alone, or that no provider of onnxruntime computes otherwise. */
const FLOAT_ONLY = new Set(
  ("Bernoulli BlackmanWindow CumSum DFT DynamicQuantizeLinear HammingWindow HannWindow " +
    "MelWeightMatrix Multinomial NonMaxSuppression RandomUniformLike Range RoiAlign STFT TopK " +
    "Upsample").split(" "),
);

/** Operators of onnxruntime's own domain that are so. */
const FLOAT_ONLY_FOREIGN = new Set(
  ("BeamSearch ConvTransposeWithDynamicPads CropAndResize DynamicQuantizeLSTM " +
    "DynamicQuantizeMatMul ExpandDims FusedConv FusedGemm GreedySearch Inverse MatMulFpQ4 " +
    "MatMulIntegerToFloat MaxpoolWithMask MurmurHash3 NGramRepeatBlock Sampling SampleOp Tokenizer " +
    "TransposeMatMul UnfoldTensor Unique WhisperBeamSearch WordConvEmbedding").split(" "),
);

/** Operators that hold more than tensors. */
const CONTAINERS = /^(?:Sequence|Optional|SplitToSequence|ConcatFromSequence|ReverseSequence$)/;

/** Domains whose operators compute with 16 bits. */
const DOMAINS = ["", "ai.onnx", "com.microsoft"];

/** Why an operator goes on to compute with float32; nothing if it need not. */
export function floatOnly(node: NodeProto): string | undefined {
  const { domain, opType } = node;
  if (!DOMAINS.includes(domain)) return "operators of its domain may take float32 alone";
  if (isOp(node) ? FLOAT_ONLY.has(opType) : FLOAT_ONLY_FOREIGN.has(opType)) {
    return "onnxruntime computes its operator in float32 alone";
  }
  return isOp(node) && CONTAINERS.test(opType) && opType !== "ReverseSequence"
    ? "what it holds is no tensor"
    : undefined;
}

/** Inputs that stay float32 whatever the others are. */
export function fixedInputs({ opType }: NodeProto, opset: number): readonly number[] {
  switch (opType) {
    case "Resize":
      return opset < 11 ? [1] : [2];
    case "GroupNorm":
    case "SkipGroupNorm":
      return [1, 2];
    default:
      return [];
  }
}

/** Outputs that stay float32 whatever the others are. */
export function fixedOutputs({ opType }: NodeProto): readonly number[] {
  switch (opType) {
    case "LayerNormalization":
    case "SkipLayerNormalization":
    case "SkipSimplifiedLayerNormalization":
    case "SimplifiedLayerNormalization":
      return [1, 2];
    default:
      return [];
  }
}

/** Whether a node takes any type and gives another than that. */
export function takesAny(node: NodeProto): boolean {
  return isOp(node, "Cast", "Shape", "Size");
}

/** Operators that only move or pick elements, or change their sign: as good in one type as in another. */
const MOVES = new Set(
  ("Abs Cast Concat Constant ConstantOfShape DepthToSpace Dropout Expand Flatten Gather " +
    "GatherElements GatherND Identity Neg Pad Relu Reshape Slice SpaceToDepth Split Squeeze Tile " +
    "Transpose Unsqueeze Where").split(" "),
);

/** Whether a node only moves elements. */
export function onlyMoves(node: NodeProto): boolean {
  return isOp(node) && MOVES.has(node.opType);
}

/** Operators with an attribute that says of which type their result is, float32 if there is none. */
const TYPED = new Set(["RandomNormal", "RandomUniform"]);
/** Those with such an attribute and another type if there is none. */
const MAY_BE_TYPED = new Set(["EyeLike", "RandomNormalLike"]);

/** The attribute that says of which type a node's result is, and whether it is float32 without. */
export function typeAttribute(
  node: NodeProto,
): { readonly name: string; readonly defaults: boolean } | undefined {
  if (!isOp(node)) return undefined;
  if (node.opType === "Cast") return { name: "to", defaults: false };
  if (TYPED.has(node.opType)) return { name: "dtype", defaults: true };
  return MAY_BE_TYPED.has(node.opType) ? { name: "dtype", defaults: false } : undefined;
}
