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

export * from "./quantization.ts";
export * from "./onnx.ts";
export * from "./plot.ts";
export {
  compile,
  type CompileBackend,
  type CompileMode,
  type CompileOptions,
  OptimizedModule,
} from "./lib/compile/compile.ts";
export { help, HelpPage } from "./lib/display/help.ts";
export { progress, type ProgressOptions } from "./lib/display/progress.ts";
export type { Outputs, Program } from "./lib/compile/program.ts";
