/**
 * Tensors, modules and quantizing them: observers, configs, quantized layers, and what quantizing cost. All
 * of it also comes with the whole package, which besides shows tensors and modules in notebooks.
 *
 * @example
 * ```ts
 * import {
 *   Int8DynamicActivationInt8WeightConfig, Linear, quantize_, randn, Sequential,
 * } from "@staticquant/staticquant/quantization";
 * const model = new Sequential({ fc: new Linear(64, 10) });
 * await quantize_(model, new Int8DynamicActivationInt8WeightConfig());
 * console.log(model.forward(randn([8, 64])).shape); // [ 8, 10 ]
 * ```
 *
 * @module
 */
export type * from "./lib/backend/backend.ts";
export type { Argument, Expression, FunctionName, Kind, Step } from "./lib/backend/expression.ts";
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
export type { NestedNumbers } from "./lib/tensor/nested_numbers.ts";
export {
  type BytesOfTensor,
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
export {
  conv1d,
  conv2d,
  conv3d,
  type ConvOptions,
  convTranspose1d,
  convTranspose2d,
  type ConvTransposeOptions,
  PreparedConvWeight,
} from "./lib/tensor/conv.ts";
export {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  avgPool1d,
  avgPool2d,
  type AvgPoolOptions,
  maxPool1d,
  maxPool2d,
  type MaxPoolOptions,
} from "./lib/tensor/pooling.ts";
export type { Padding, Sizes } from "./lib/tensor/window.ts";
export { matmul, type MatmulOptions } from "./lib/tensor/matmul.ts";
export * from "./lib/tensor/pointwise.ts";
export * from "./lib/tensor/activations.ts";
export * from "./lib/tensor/movement.ts";
export type { ByteParams } from "./lib/tensor/byte_params.ts";
export * from "./lib/tensor/quantize_linear.ts";
export * from "./lib/tensor/byte_arithmetic.ts";
export * from "./lib/tensor/byte_table.ts";
export * from "./lib/tensor/byte_cat.ts";
export * from "./lib/tensor/byte_matmul.ts";
export * from "./lib/tensor/normalize.ts";
export {
  amax,
  amin,
  argmax,
  argmin,
  cumsum,
  type CumSumOptions,
  type Dims,
  mean,
  prod,
  type ReduceOptions,
  sum,
} from "./lib/tensor/reduction.ts";
export * from "./lib/tensor/softmax.ts";
export {
  interpolate,
  type InterpolateOptions,
  resize,
  type ResizeOptions,
} from "./lib/tensor/interpolate.ts";
export type { CoordinateMode, NearestMode } from "./lib/tensor/resize_axis.ts";
export { deepcopy, type LinearWeight, Module } from "./lib/nn/module.ts";
export { type AttentionOptions, scaledDotProductAttention } from "./lib/tensor/attention.ts";
export * from "./lib/nn/layers.ts";
export { ModuleDict } from "./lib/nn/module_dict.ts";
export { ModuleList } from "./lib/nn/module_list.ts";
export { type NamedModules, Sequential } from "./lib/nn/sequential.ts";
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
  chooseScaleFloat8,
  type MagnitudeBounds,
  quantizeAffineFloat8,
} from "./lib/quantization/affine/float8.ts";
export {
  type Float8Options,
  toAffineQuantizedFloat8,
  toAffineQuantizedFloat8Static,
} from "./lib/quantization/tensors/float8.ts";
export {
  type AffineQuantizedParts,
  AffineQuantizedTensor,
  type PackedQuantizedParts,
  type StaticTensorOptions,
  toAffineQuantizedIntxStatic,
} from "./lib/quantization/tensors/quantized_tensor.ts";
export {
  type CustomInputQuantizer,
  type DynamicInputOptions,
  type DynamicInputQuantizer,
  dynamicInputQuantizer,
  float8InputQuantizer,
  type InputQuantFunc,
  type InputQuantizer,
  type PreScaled,
  type StaticInputOptions,
  type StaticInputQuantizer,
  staticInputQuantizer,
} from "./lib/quantization/tensors/input_quantizer.ts";
export {
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
  type SavedRange,
  type StateDescription,
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
  type RangeQuantizer,
} from "./lib/quantization/observers/histogram_observer.ts";
export {
  AffineQuantizedPercentileObserver,
  type PercentileObserverOptions,
} from "./lib/quantization/observers/percentile_observer.ts";
export { AffineQuantizedEntropyObserver } from "./lib/quantization/observers/entropy_observer.ts";
export {
  AffineQuantizedMSEHistogramObserver,
  type MSEHistogramObserverOptions,
} from "./lib/quantization/observers/mse_histogram_observer.ts";
export {
  AffineQuantizedMSEObserver,
  type MSEObserverOptions,
} from "./lib/quantization/observers/mse_observer.ts";
export {
  AffineQuantizedFixedQParamObserver,
  type FixedQParamObserverOptions,
} from "./lib/quantization/observers/fixed_qparam_observer.ts";
export { isObservedLinear, ObservedLinear } from "./lib/quantization/layers/observed_linear.ts";
export { ObservedConv1d } from "./lib/quantization/layers/observed_conv1d.ts";
export { ObservedConv2d } from "./lib/quantization/layers/observed_conv2d.ts";
export { ObservedConv3d } from "./lib/quantization/layers/observed_conv3d.ts";
export { ObservedConvTranspose1d } from "./lib/quantization/layers/observed_conv_transpose1d.ts";
export { ObservedConvTranspose2d } from "./lib/quantization/layers/observed_conv_transpose2d.ts";
export type {
  ObservedConvolution,
  ObservedConvolutionClass,
} from "./lib/quantization/layers/observed_convolution.ts";
export { QuantizedConv1d } from "./lib/quantization/layers/quantized_conv1d.ts";
export { QuantizedConv2d } from "./lib/quantization/layers/quantized_conv2d.ts";
export { QuantizedConv3d } from "./lib/quantization/layers/quantized_conv3d.ts";
export { QuantizedConvTranspose1d } from "./lib/quantization/layers/quantized_conv_transpose1d.ts";
export { QuantizedConvTranspose2d } from "./lib/quantization/layers/quantized_conv_transpose2d.ts";
export {
  type ConvGeometry,
  type ConvTransposeGeometry,
  QuantizedConvolution,
} from "./lib/quantization/layers/quantized_convolution.ts";
export {
  type KernelParams,
  registerStaticLayer,
  type StaticLayer,
  StaticQuantizedLayer,
} from "./lib/quantization/layers/static_quantized_layer.ts";
export {
  insertObservers_,
  type InsertObserversOptions,
  removeObservers_,
} from "./lib/quantization/layers/insert_observers.ts";
export {
  type FunctionKind,
  type FunctionParts,
  type QuantizedFunction,
  registerFunctionKind,
} from "./lib/quantization/layers/function_kind.ts";
export { ObservedFunction } from "./lib/quantization/layers/observed_function.ts";
export { QuantizedTable } from "./lib/quantization/layers/quantized_table.ts";
export { type AveragePool, QuantizedPool } from "./lib/quantization/layers/quantized_pool.ts";
export {
  QuantizedAdd,
  QuantizedCat,
  QuantizedFunctional,
  QuantizedMul,
} from "./lib/quantization/layers/quantized_functional.ts";
export type { ActivationQuantizer } from "./lib/quantization/tensors/activation_quantizer.ts";
export {
  isObserved,
  type LayerFamily,
  registerLayerFamily,
} from "./lib/quantization/layers/layer_family.ts";
export type {
  FloatLayer,
  Observed,
  ObservedLayer,
  ObservedOutput,
  WeightedLayer,
} from "./lib/quantization/layers/weighted_layer.ts";
export { type QuantizedLayerParts } from "./lib/quantization/layers/quantize_observed.ts";
export {
  isLinear,
  type ModuleFilter,
  replaceWithCustomFnIfMatchesFilter_,
} from "./lib/nn/replace.ts";
export {
  type LayerKind,
  type LayerParts,
  registerLayerKind,
} from "./lib/quantization/layers/layer_kinds.ts";
export {
  QuantizedLinear,
  type QuantizedLinearParts,
} from "./lib/quantization/layers/quantized_linear.ts";
export {
  AOBaseConfig,
  type ConfigClass,
  type ObservedAs,
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
export {
  Int8DynamicActivationInt8WeightConfig,
  type Int8DynamicActivationInt8WeightOptions,
} from "./lib/quantization/configs/int8_dynamic_activation.ts";
export { type Int8RangeOptions } from "./lib/quantization/configs/int8_range.ts";
export {
  Int8StaticActivationInt4WeightConfig,
  type Int8StaticActivationInt4WeightOptions,
  Int8StaticActivationInt8WeightConfig,
  type Int8StaticActivationInt8WeightOptions,
} from "./lib/quantization/configs/int8_static_activation.ts";
export {
  type Float8ActivationOptions,
  Float8DynamicActivationFloat8WeightConfig,
  type Float8DynamicActivationFloat8WeightOptions,
  Float8StaticActivationFloat8WeightConfig,
  type Float8StaticActivationFloat8WeightOptions,
  Float8WeightOnlyConfig,
  type Float8WeightOnlyOptions,
} from "./lib/quantization/configs/float8.ts";
export {
  SmoothQuantConfig,
  type SmoothQuantOptions,
} from "./lib/quantization/configs/smooth_quant.ts";
export { SmoothQuantObservedLinear } from "./lib/quantization/layers/smooth_quant_observed_linear.ts";
export { type GranularityPair } from "./lib/quantization/configs/granularity_pair.ts";
export {
  type ObserverStep,
  QuantizationStep,
} from "./lib/quantization/configs/quantization_step.ts";
export { type StaticScaleOptions } from "./lib/quantization/configs/static_scale.ts";
export { type FqnConfigs, FqnToConfig } from "./lib/quantization/configs/fqn_to_config.ts";
export { computeError } from "./lib/quantization/affine/metrics.ts";
export {
  type AnalysisOptions,
  type ModelInput,
  type ModelInputs,
  type Progress,
} from "./lib/quantization/analysis/inputs.ts";
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
export { adaround, type AdaRoundOptions } from "./lib/quantization/improve/adaround.ts";
export { gptq, type GptqOptions, type RoundedMatrix } from "./lib/quantization/improve/gptq.ts";
export {
  BiasCorrectionReport,
  correctBias_,
  type CorrectedLayer,
} from "./lib/quantization/improve/bias_correction.ts";
export {
  type ModuleMetric,
  tune,
  type TuneOptions,
  type TuneQuantize,
} from "./lib/quantization/tune/tune.ts";
export { type TunedLayer, TuneResult } from "./lib/quantization/tune/tune_result.ts";
export { type TuningParts, TuningResult } from "./lib/quantization/tune/tuning_result.ts";
export type { TuneBudget, TuneStep } from "./lib/quantization/tune/remedy_search.ts";
export type { ModuleRecipe } from "./lib/quantization/tune/module_recipe.ts";
export type { LayerFinding } from "./lib/quantization/tune/layer_findings.ts";
export type { FindingCause } from "./lib/quantization/tune/causes.ts";
export type { RemedyStep } from "./lib/quantization/improve/remedy.ts";
export type { ImprovedOptions } from "./lib/quantization/improve/improved_module.ts";
export type { RangeMethod } from "./lib/quantization/improve/range_methods.ts";
export {
  loadSafetensors,
  type LoadSafetensorsOptions,
  saveSafetensors,
} from "./lib/nn/state_file.ts";
export { StateError } from "./lib/nn/state_error.ts";
export {
  loadCalibration_,
  mergeCalibration_,
  type MergeModuleOptions,
  saveCalibration,
  type SaveModuleOptions,
} from "./lib/quantization/saved/calibration.ts";
export {
  loadQuantizedModel_,
  saveQuantizedModel,
} from "./lib/quantization/saved/quantized_model.ts";
export { SafetensorsError } from "./lib/files/safetensors.ts";
