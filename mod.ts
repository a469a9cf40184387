/**
 * Static quantization for Deno: put observers into a model, run sample inputs through it, fix the
 * ranges, swap the layers for ones that multiply integers on WebGPU, and look at the result.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, computeError, deepcopy, type Granularity, init, insertObservers_, isObservedLinear,
 *   Linear, MappingType, PerAxis, PerTensor, quantize_, randn, ReLU, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 *
 * await init();
 * const m = new Sequential({ fc1: new Linear(64, 32), relu: new ReLU(), fc2: new Linear(32, 10) });
 * const float = deepcopy(m);
 * const observer = (granularity: Granularity) =>
 *   new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
 * insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0)));
 * for (let i = 0; i < 10; i++) m.forward(randn([8, 64]));
 * await quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
 * const x = randn([8, 64]);
 * console.log(String(m), await computeError(float.forward(x), m.forward(x)));
 * ```
 *
 * @module
 */
import "./lib/display/register.ts";

export type * from "./lib/backend/backend.ts";
export {
  backendFor,
  getDefaultDevice,
  init,
  type InitInfo,
  type InitOptions,
} from "./lib/backend/registry.ts";
export { DeviceLostError } from "./lib/backend/webgpu/runtime.ts";
export * from "./lib/numbers/dtype.ts";
export type { NumberArray, TypedArray } from "./lib/numbers/encoding.ts";
export { manualSeed } from "./lib/tensor/random.ts";
export {
  type NestedNumbers,
  ones,
  rand,
  randn,
  Tensor,
  tensor,
  tensorFromBytes,
  type TensorOptions,
  tidy,
  zeros,
} from "./lib/tensor/tensor.ts";
export { linear, relu } from "./lib/tensor/ops.ts";
export { deepcopy, type LinearWeight, Module } from "./lib/nn/module.ts";
export { Linear, type LinearOptions } from "./lib/nn/linear.ts";
export { ReLU } from "./lib/nn/relu.ts";
export { Sequential } from "./lib/nn/sequential.ts";
export {
  getBlockSize,
  type Granularity,
  PerAxis,
  PerBlock,
  PerGroup,
  PerRow,
  PerTensor,
  PerToken,
} from "./lib/quantization/affine/granularity.ts";
export { MappingType, ZeroPointDomain } from "./lib/quantization/affine/mapping.ts";
export {
  chooseQParamsAffine,
  chooseQParamsAffineWithMinMax,
  type ChooseQParamsOptions,
  dequantizeAffine,
  type DequantizeOptions,
  type QParams,
  quantizeAffine,
  type QuantizeOptions,
} from "./lib/quantization/affine/primitives.ts";
export {
  type AffineQuantizedParts,
  AffineQuantizedTensor,
  type PackedQuantizedParts,
  toAffineQuantizedIntxStatic,
} from "./lib/quantization/tensors/quantized_tensor.ts";
export {
  type InputQuantFunc,
  LinearActivationQuantizedTensor,
  toLinearActivationQuantized,
} from "./lib/quantization/tensors/linear_activation_quantized_tensor.ts";
export {
  AffineQuantizedObserverBase,
  type ObserverOptions,
} from "./lib/quantization/observers/observer.ts";
export {
  type BatchTurn,
  RangeObserver,
  type Ranges,
} from "./lib/quantization/observers/range_observer.ts";
export { AffineQuantizedMinMaxObserver } from "./lib/quantization/observers/min_max_observer.ts";
export {
  AffineQuantizedMovingAverageMinMaxObserver,
  type MovingAverageObserverOptions,
} from "./lib/quantization/observers/moving_average_observer.ts";
export {
  AffineQuantizedHistogramObserver,
  type Histogram,
  HistogramObserverBase,
} from "./lib/quantization/observers/histogram_observer.ts";
export {
  AffineQuantizedPercentileObserver,
  type PercentileObserverOptions,
} from "./lib/quantization/observers/percentile_observer.ts";
export { AffineQuantizedEntropyObserver } from "./lib/quantization/observers/entropy_observer.ts";
export {
  AffineQuantizedMSEObserver,
  type MSEObserverOptions,
} from "./lib/quantization/observers/mse_observer.ts";
export {
  AffineQuantizedFixedQParamObserver,
  type FixedQParamObserverOptions,
} from "./lib/quantization/observers/fixed_qparam_observer.ts";
export {
  insertObservers_,
  isObservedLinear,
  ObservedLinear,
} from "./lib/quantization/layers/observed_linear.ts";
export {
  isLinear,
  type ModuleFilter,
  replaceWithCustomFnIfMatchesFilter_,
} from "./lib/nn/replace.ts";
export {
  QuantizedLinear,
  type QuantizedLinearParts,
} from "./lib/quantization/layers/quantized_linear.ts";
export {
  AOBaseConfig,
  type ConfigClass,
  quantize_,
  type QuantizeModuleHandler,
  registerQuantizeModuleHandler,
} from "./lib/quantization/configs/quantize.ts";
export {
  StaticQuantConfig,
  type StaticQuantOptions,
  StaticQuantTensorConfig,
} from "./lib/quantization/configs/static_quant.ts";
export {
  type PerTokenOptions,
  toAffineQuantizedPerToken,
} from "./lib/quantization/tensors/per_token.ts";
export {
  Int8WeightOnlyConfig,
  type Int8WeightOnlyOptions,
} from "./lib/quantization/configs/int8_weight_only.ts";
export {
  Int4WeightOnlyConfig,
  type Int4WeightOnlyOptions,
} from "./lib/quantization/configs/int4_weight_only.ts";
export { Int8DynamicActivationInt8WeightConfig } from "./lib/quantization/configs/int8_dynamic_activation.ts";
export {
  Int8StaticActivationInt4WeightConfig,
  type Int8StaticActivationInt4WeightOptions,
  Int8StaticActivationInt8WeightConfig,
  type Int8StaticActivationInt8WeightOptions,
} from "./lib/quantization/configs/int8_static_activation.ts";
export { type FqnConfigs, FqnToConfig } from "./lib/quantization/configs/fqn_to_config.ts";
export { computeError } from "./lib/quantization/affine/metrics.ts";
export {
  type AnalysisOptions,
  type ModelInput,
  type ModelInputs,
  type Progress,
} from "./lib/quantization/analysis/inputs.ts";
export { AnalysisReport } from "./lib/plot/report.ts";
export type { LayerSelection } from "./lib/quantization/analysis/layers.ts";
export type { AnalysisObservers } from "./lib/quantization/analysis/candidates.ts";
export {
  compareModels,
  type LayerComparison,
  ModelComparison,
} from "./lib/quantization/analysis/compare_models.ts";
export {
  type LayerSensitivity,
  sensitivity,
  type SensitivityOptions,
  SensitivityReport,
} from "./lib/quantization/analysis/sensitivity.ts";
export {
  type ConfigCandidate,
  ConfigSearchResult,
  type LayerChoice,
  searchConfig,
  type SearchConfigOptions,
} from "./lib/quantization/analysis/search_config.ts";
export {
  smooth_,
  type SmoothedLayer,
  SmoothingReport,
  type SmoothOptions,
} from "./lib/quantization/improve/smooth.ts";
export {
  BiasCorrectionReport,
  correctBias_,
  type CorrectedLayer,
} from "./lib/quantization/improve/bias_correction.ts";
export { loadSafetensors, saveSafetensors } from "./lib/nn/state_file.ts";
export {
  loadQuantizedModel_,
  saveQuantizedModel,
} from "./lib/quantization/saved/quantized_model.ts";
export { SafetensorsError } from "./lib/files/safetensors.ts";
export { exportOnnx, type ExportOnnxOptions } from "./lib/onnx/export/export.ts";
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
export {
  type AddSamplesOptions,
  calibrateOnnx,
  type CalibrateOnnxOptions,
  type CalibrationProgress,
  OnnxCalibration,
  type OnnxSamples,
  type OnnxSource,
} from "./lib/onnx/calibration/calibrate.ts";
export type { CalibrationOptions } from "./lib/onnx/calibration/method.ts";
export {
  CALIBRATION_METHODS,
  type CalibrationMethod,
} from "./lib/onnx/calibration/method_names.ts";
export type { NodeSelection } from "./lib/onnx/qdq/selection.ts";
export {
  type QuantizedActivation,
  type QuantizedNode,
  quantizeStatic,
  type QuantizeStaticOptions,
  type QuantizeStaticResult,
  type TensorOverride,
} from "./lib/onnx/quantize_static.ts";
export type { QuantParams, QuantType, TensorRange } from "./lib/onnx/qdq/params.ts";
export { upgradeOpset } from "./lib/onnx/upgrade/upgrade_opset.ts";
export { prepareOnnx, type PrepareOnnxOptions } from "./lib/onnx/prepare/prepare.ts";
export { compareOnnx, type CompareOnnxOptions } from "./lib/onnx/accuracy/compare_onnx.ts";
export {
  OnnxComparison,
  type OnnxModelCost,
  type OnnxOutputComparison,
  type OnnxTensorComparison,
} from "./lib/onnx/accuracy/comparison.ts";
export { NodeRanking, rankNodes } from "./lib/onnx/accuracy/rank_nodes.ts";
export {
  autoQuantize,
  type AutoQuantizeOptions,
  AutoQuantizeResult,
  type AutoQuantizeStep,
} from "./lib/onnx/accuracy/auto_quantize.ts";
export type { NodeSensitivity, VariantOptions } from "./lib/onnx/accuracy/variants.ts";
export type { RepeatedSamples } from "./lib/onnx/accuracy/output_judge.ts";
export {
  compile,
  type CompileBackend,
  type CompileMode,
  type CompileOptions,
  OptimizedModule,
} from "./lib/compile/compile.ts";
export type { Program } from "./lib/compile/program.ts";
export type { DisplayBundle } from "./lib/plot/bundle.ts";
export { Figure, joinFigures } from "./lib/plot/figure.ts";
export { Table, type TableCell, type TableOptions } from "./lib/plot/table.ts";
export type { PlotRows, PlotValues } from "./lib/plot/values.ts";
export { plotBars, type PlotBarsOptions } from "./lib/plot/bars.ts";
export { plotComparison, type PlotComparisonOptions } from "./lib/plot/comparison.ts";
export {
  plotConfusionMatrix,
  type PlotConfusionMatrixOptions,
} from "./lib/plot/confusion_matrix.ts";
export { plotDistribution, type PlotDistributionOptions } from "./lib/plot/distribution.ts";
export { plotHeatmap, type PlotHeatmapOptions } from "./lib/plot/heatmap.ts";
export { plotImages, type PlotImagesOptions } from "./lib/plot/images.ts";
export { plotLines, type PlotLinesOptions } from "./lib/plot/lines.ts";
export { plotRanges, type PlotRangesOptions } from "./lib/plot/ranges.ts";
