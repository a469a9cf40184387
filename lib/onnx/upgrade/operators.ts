/**
 * The operators of ONNX's own domain and the operator set that each one came with or left.
 *
 * @module
 */

/** The newest operator set that these tables describe. */
export const NEWEST_OPSET = 21;

/** Operators by the operator set that brought them. */
const ADDED: Readonly<Record<number, string>> = {
  1: "Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast Ceil Clip Concat Constant Conv " +
    "ConvTranspose DepthToSpace Div Dropout Elu Equal Exp Flatten Floor GRU Gather Gemm " +
    "GlobalAveragePool GlobalLpPool GlobalMaxPool Greater HardSigmoid Hardmax Identity If " +
    "InstanceNormalization LRN LSTM LeakyRelu Less Log LogSoftmax Loop LpNormalization LpPool MatMul " +
    "Max MaxPool MaxRoiPool Mean Min Mul Neg Not Or PRelu Pad Pow RNN RandomNormal RandomNormalLike " +
    "RandomUniform RandomUniformLike Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp " +
    "ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Selu Shape " +
    "Sigmoid Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile " +
    "TopK Transpose Unsqueeze Upsample Xor",
  7: "Acos Asin Atan Cos Multinomial Sin Tan",
  8: "Expand Scan",
  9: "Acosh Asinh Atanh Compress ConstantOfShape Cosh Erf EyeLike IsNaN MaxUnpool " +
    "MeanVarianceNormalization NonZero OneHot Scatter Shrink Sign Sinh TfIdfVectorizer Where",
  10: "ConvInteger DequantizeLinear IsInf MatMulInteger Mod NonMaxSuppression QLinearConv " +
    "QLinearMatMul QuantizeLinear Resize ReverseSequence RoiAlign StringNormalizer ThresholdedRelu",
  11:
    "BitShift ConcatFromSequence CumSum Det DynamicQuantizeLinear GatherElements GatherND Range " +
    "Round ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase " +
    "SequenceInsert SequenceLength SplitToSequence Unique",
  12: "Celu Einsum GreaterOrEqual LessOrEqual NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
  14: "HardSwish Trilu",
  15: "Bernoulli CastLike Optional OptionalGetElement OptionalHasElement",
  16: "GridSample",
  17: "BlackmanWindow DFT HammingWindow HannWindow LayerNormalization MelWeightMatrix STFT " +
    "SequenceMap",
  18: "BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im GroupNormalization Mish",
  19: "DeformConv",
  20: "AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit",
};

/** The operator set that an operator left, and what stands in its place. */
const REMOVED: ReadonlyMap<string, { opset: number; by: string }> = new Map([
  ["Upsample", { opset: 10, by: "Resize" }],
  ["Scatter", { opset: 11, by: "ScatterElements" }],
]);

const SINCE: ReadonlyMap<string, number> = new Map(
  Object.entries(ADDED).flatMap(([opset, names]) =>
    names.split(" ").map((name) => [name, Number(opset)] as const)
  ),
);

/**
 * What is wrong with an operator in an operator set, or nothing.
 *
 * @param opType an operator of ONNX's own domain.
 * @param opset the operator set that the model declares.
 */
export function operatorProblem(opType: string, opset: number): string | undefined {
  const since = SINCE.get(opType);
  if (since === undefined) {
    if (opset > NEWEST_OPSET) return undefined;
    return "is no operator of ONNX up to operator set " + NEWEST_OPSET;
  }
  if (since > opset) {
    return `came with operator set ${since}, but the model declares ${opset}`;
  }
  const removed = REMOVED.get(opType);
  if (removed && removed.opset <= opset) {
    return `was replaced by ${removed.by} in operator set ${removed.opset}, but the model declares ${opset}`;
  }
  return undefined;
}
