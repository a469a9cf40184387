/**
 * ONNX files: look into them, read samples, calibrate, quantize, compare, and export modules as such files.
 * All of it also comes with the whole package.
 *
 * @example
 * ```ts
 * import { inspectOnnx, quantizeStatic } from "@staticquant/staticquant/onnx";
 * import { exportOnnx, Linear, randn } from "@staticquant/staticquant";
 * const file = await exportOnnx(new Linear(4, 2), randn([1, 4]));
 * console.log((await inspectOnnx(file)).inputs[0].name); // input
 * const { nodes } = await quantizeStatic(file, [{ input: randn([1, 4]) }]);
 * console.log(nodes[0].quantized); // true
 * ```
 *
 * @module
 */
export { DataError } from "./lib/data/data_error.ts";
export {
  type ElementArray,
  type ElementType,
  type Feeds,
  type FeedTensor,
  type ImageOptions,
  type ImageSide,
  type InputNames,
  readSamples,
  type ReadSamplesOptions,
  type TensorInfo,
} from "./lib/data/read_samples.ts";
export { replay } from "./lib/data/replay.ts";
export { exportOnnx, type ExportOnnxOptions } from "./lib/onnx/export/export.ts";
export type { DynamicAxes } from "./lib/onnx/export/open_plan.ts";
export {
  loadOnnx,
  type LoadOnnxOptions,
  saveOnnx,
  type SaveOnnxOptions,
} from "./lib/onnx/file/model_file.ts";
export { OnnxModel } from "./lib/onnx/file/model.ts";
export { type AttributeValue, type NodeParts, OnnxMessages } from "./lib/onnx/file/messages.ts";
export type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OperatorSetIdProto,
  TensorProto,
  ValueInfoProto,
} from "./lib/onnx/file/proto.ts";
export { OnnxError } from "./lib/onnx/file/onnx_error.ts";
export type { OnnxDataType } from "./lib/onnx/file/data_type.ts";
export {
  encodeTensor,
  readTensor,
  type TensorArray,
  type TensorData,
  type TensorElements,
} from "./lib/onnx/file/tensor_data.ts";
export { GraphView, type Use, type ValueType } from "./lib/onnx/graph/graph_view.ts";
export {
  type OnnxElements,
  type OnnxFeed,
  type OnnxFeeds,
  type OnnxOutput,
  OnnxRuntime,
  type OnnxRuntimeOptions,
  type OnnxValueInfo,
} from "./lib/onnx/run/runtime.ts";
export { type OnnxRuntimeBuild, useOnnxRuntime } from "./lib/onnx/run/load_ort.ts";
export {
  type AddSamplesOptions,
  calibrateOnnx,
  type CalibrateOnnxOptions,
  type CalibrationProgress,
  OnnxCalibration,
  type OnnxSamples,
  type OnnxSource,
} from "./lib/onnx/calibration/calibrate.ts";
export {
  type CalibrationParts,
  mergeCalibrations,
  type MergeCalibrationsOptions,
  type MergedPart,
} from "./lib/onnx/calibration/merge.ts";
export type { CalibrationOptions } from "./lib/onnx/calibration/method.ts";
export type { Shard } from "./lib/data/shard.ts";
export type { ShardedSamples } from "./lib/onnx/calibration/samples.ts";
export {
  CALIBRATION_METHODS,
  type CalibrationMethod,
} from "./lib/onnx/calibration/method_names.ts";
export type { ChannelMaxima } from "./lib/quantization/statistics/channel_maxima.ts";
export type { ChannelSums } from "./lib/quantization/statistics/channel_sums.ts";
export type { Channels } from "./lib/quantization/statistics/channels.ts";
export type { Covariance } from "./lib/quantization/statistics/covariance.ts";
export type { Statistics } from "./lib/onnx/calibration/statistics/learnt.ts";
export type { ReadRows, RowWindow } from "./lib/quantization/statistics/rows.ts";
export type { StatisticKind } from "./lib/quantization/statistics/statistic.ts";
export type { NodeSelection } from "./lib/onnx/qdq/selection.ts";
export {
  type BestMethod,
  type ChosenMethod,
  type OptimizeFor,
  type QuantizedActivation,
  type QuantizedNode,
  quantizeStatic,
  type QuantizeStaticOptions,
  type QuantizeStaticResult,
  type QuantizeTarget,
  type TensorOverride,
} from "./lib/onnx/quantize_static.ts";
export type { QuantParams, QuantType, TensorRange } from "./lib/onnx/qdq/params.ts";
export type { FormOptions, FormResult } from "./lib/onnx/forms/form.ts";
export { quantizeDynamic, type QuantizeDynamicOptions } from "./lib/onnx/forms/quantize_dynamic.ts";
export {
  type Bnb4Type,
  type EmbeddingBits,
  quantizeWeights,
  type QuantizeWeightsOptions,
  type WeightsFormat,
  type WeightsMethod,
} from "./lib/onnx/forms/quantize_weights.ts";
export { type HalfType, toFloat16, type ToFloat16Options } from "./lib/onnx/forms/to_float16.ts";
export {
  type ConvertDType,
  type ConvertedFile,
  convertOnnx,
  type ConvertOnnxOptions,
  type ConvertOnnxResult,
  type ConvertProgress,
  type ConvertProvider,
  type ConvertSamples,
  type FormSettings,
} from "./lib/onnx/convert/convert_onnx.ts";
export { type CardFacts, modelCard } from "./lib/onnx/convert/model_card.ts";
export { upgradeOpset } from "./lib/onnx/upgrade/upgrade_opset.ts";
export { prepareOnnx, type PrepareOnnxOptions } from "./lib/onnx/prepare/prepare.ts";
export {
  compareOnnxPart,
  mergeComparisons,
  openComparison,
} from "./lib/onnx/accuracy/merge_comparisons.ts";
export { compareOnnx, type CompareOnnxOptions } from "./lib/onnx/accuracy/compare_onnx.ts";
export {
  OnnxComparison,
  type OnnxModelCost,
  type OnnxOutputComparison,
  type OnnxTensorComparison,
} from "./lib/onnx/accuracy/comparison.ts";
export { NodeRanking, rankNodes } from "./lib/onnx/accuracy/rank_nodes.ts";
export { tuneOnnx, type TuneOnnxOptions } from "./lib/onnx/tune/tune_onnx.ts";
export type { TuneBudget, TuneStep } from "./lib/quantization/tune/remedy_search.ts";
export { type TuningParts, TuningResult } from "./lib/quantization/tune/tuning_result.ts";
export { TuneOnnxResult } from "./lib/onnx/tune/result.ts";
export type { TuneRecipe } from "./lib/onnx/tune/recipe.ts";
export type { Finding } from "./lib/onnx/tune/diagnosis.ts";
export type { FindingCause } from "./lib/quantization/tune/causes.ts";
export { TUNE_METRICS, type TuneMetric, type TuneMetricName } from "./lib/onnx/tune/metrics.ts";
export type { RemedyStep } from "./lib/quantization/improve/remedy.ts";
export {
  autoQuantize,
  type AutoQuantizeOptions,
  AutoQuantizeResult,
  type AutoQuantizeStep,
} from "./lib/onnx/accuracy/auto_quantize.ts";
export type { NodeSensitivity, VariantOptions } from "./lib/onnx/accuracy/variants.ts";
export type { RepeatedSamples } from "./lib/onnx/accuracy/output_judge.ts";
export {
  type InspectedOperator,
  inspectOnnx,
  type OnnxInspection,
} from "./lib/onnx/inspect/inspect_onnx.ts";
export { importOnnx, type ImportOnnxOptions } from "./lib/onnx/import/import_onnx.ts";
export { type ImportedValue, OnnxModule } from "./lib/onnx/import/onnx_module.ts";
export { modelInputs } from "./lib/onnx/inspect/model_inputs.ts";
export type { ConstantsSummary, OperatorSummary } from "./lib/onnx/inspect/model_summary.ts";
