/**
 * Static quantization for Deno: put observers into a model, run sample inputs through it, fix the
 * ranges, swap the layers for ones that multiply integers on WebGPU, and look at the result.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, computeError, deepcopy, init, insertObservers_, isObservedLinear,
 *   Linear, MappingType, PerAxis, PerTensor, quantize_, randn, ReLU, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 *
 * await init();
 * const m = new Sequential({ fc1: new Linear(64, 32), relu: new ReLU(), fc2: new Linear(32, 10) });
 * const float = deepcopy(m);
 * const observer = (granularity) =>
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
export type {
  Backend,
  DequantizeArgs,
  Device,
  DeviceBuffer,
  MemoryStats,
  Operand,
  PackedLinearArgs,
  PackedRows,
  QuantizeArgs,
  QuantizeRowsArgs,
} from "./lib/backend/backend.ts";
export {
  backendFor,
  getDefaultDevice,
  init,
  type InitInfo,
  type InitOptions,
} from "./lib/backend/registry.ts";
export { DeviceLostError } from "./lib/backend/webgpu/runtime.ts";
export * from "./lib/tensor/dtype.ts";
export type { NumberArray, TypedArray } from "./lib/tensor/encoding.ts";
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
} from "./lib/quantization/granularity.ts";
export { MappingType, ZeroPointDomain } from "./lib/quantization/mapping.ts";
export {
  chooseQParamsAffine,
  chooseQParamsAffineWithMinMax,
  type ChooseQParamsOptions,
  dequantizeAffine,
  type DequantizeOptions,
  type QParams,
  quantizeAffine,
  type QuantizeOptions,
} from "./lib/quantization/primitives.ts";
export {
  type AffineQuantizedParts,
  AffineQuantizedTensor,
  toAffineQuantizedIntxStatic,
} from "./lib/quantization/quantized_tensor.ts";
export {
  type InputQuantFunc,
  LinearActivationQuantizedTensor,
  toLinearActivationQuantized,
} from "./lib/quantization/linear_activation_quantized_tensor.ts";
export {
  AffineQuantizedObserverBase,
  type ObserverOptions,
} from "./lib/quantization/observers/observer.ts";
export { AffineQuantizedMinMaxObserver } from "./lib/quantization/observers/min_max_observer.ts";
export {
  AffineQuantizedFixedQParamObserver,
  type FixedQParamObserverOptions,
} from "./lib/quantization/observers/fixed_qparam_observer.ts";
export {
  insertObservers_,
  isObservedLinear,
  ObservedLinear,
} from "./lib/quantization/observed_linear.ts";
export {
  isLinear,
  type ModuleFilter,
  replaceWithCustomFnIfMatchesFilter_,
} from "./lib/quantization/replace.ts";
export { QuantizedLinear, type QuantizedLinearParts } from "./lib/quantization/quantized_linear.ts";
export {
  AOBaseConfig,
  type ConfigClass,
  quantize_,
  type QuantizeModuleHandler,
  registerQuantizeModuleHandler,
} from "./lib/quantization/quantize.ts";
export {
  StaticQuantConfig,
  type StaticQuantOptions,
  StaticQuantTensorConfig,
} from "./lib/quantization/static_quant.ts";
export { computeError } from "./lib/quantization/metrics.ts";
export { loadSafetensors, saveSafetensors } from "./lib/formats/state_file.ts";
export { SafetensorsError } from "./lib/formats/safetensors.ts";
