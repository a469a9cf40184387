/**
 * Teaches tensors, modules, observers, quantized tensors and ONNX models to show themselves in notebooks and on
 * the console. Imported for that effect; the classes themselves know nothing of it.
 *
 * @module
 */
import { OptimizedModule } from "../compile/compile.ts";
import { Module } from "../nn/module.ts";
import { OnnxModel } from "../onnx/file/model.ts";
import { LinearActivationQuantizedTensor } from "../quantization/tensors/linear_activation_quantized_tensor.ts";
import { AffineQuantizedObserverBase } from "../quantization/observers/observer.ts";
import { AffineQuantizedTensor } from "../quantization/tensors/quantized_tensor.ts";
import { Tensor } from "../tensor/tensor.ts";
import { CUSTOM_INSPECT, type DisplayBundle, JUPYTER_DISPLAY } from "../plot/bundle.ts";
import { displayModule, displayOptimizedModule, inspectModule } from "./describe_module.ts";
import { displayObserver, inspectObserver } from "./describe_observer.ts";
import { displayOnnxModel } from "./describe_onnx_model.ts";
import { displayActivationQuantized, displayQuantizedTensor } from "./describe_quantized_tensor.ts";
import { displayTensor } from "./describe_tensor.ts";

/** How instances of a class show themselves: in a notebook, and at once on the console. */
function register<T extends object>(
  type: { readonly prototype: T },
  display: (value: T) => DisplayBundle | Promise<DisplayBundle>,
  inspect: (value: T) => string = String,
): void {
  // A prototype itself is inspected too, and has none of its instances' fields.
  const own = (value: T) => Object.keys(value).length === 0;
  define(type.prototype, JUPYTER_DISPLAY, function (this: T) {
    return display(this);
  });
  define(type.prototype, CUSTOM_INSPECT, function (this: T) {
    return own(this) ? this.constructor.name : inspect(this);
  });
}

function define(prototype: object, name: symbol, value: unknown): void {
  Object.defineProperty(prototype, name, { value, configurable: true, writable: true });
}

register(Tensor, displayTensor);
register(Module, displayModule, inspectModule);
register<OptimizedModule>(OptimizedModule, displayOptimizedModule);
register(AffineQuantizedTensor, displayQuantizedTensor);
register(LinearActivationQuantizedTensor, displayActivationQuantized);
register(AffineQuantizedObserverBase, displayObserver, inspectObserver);
register(OnnxModel, displayOnnxModel);
