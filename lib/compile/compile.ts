/**
 * Models made ready to run fast.
 *
 * @module
 */
import { WebGpuBackend } from "../backend/webgpu/backend.ts";
import { checkModule, Module } from "../nn/module.ts";
import { isOverridden } from "../nn/override.ts";
import { checkChoice, checkOptions } from "../numbers/arguments.ts";
import { Tensor } from "../tensor/tensor.ts";
import { AutotunedProgram } from "./autotune.ts";
import { OnnxRuntimeProgram } from "./onnxruntime.ts";
import type { Program } from "./program.ts";
import { WebGpuProgram } from "./webgpu.ts";

/**
 * What runs a compiled model: `"webgpu"` replays its kernels on the device, `"onnxruntime"` runs it on
 * the CPU, with integer kernels of its own.
 */
export type CompileBackend = "webgpu" | "onnxruntime";

/**
 * How much compiling may take: `"max-autotune"` measures, for each shape of the inputs, which tiles are
 * fastest on this adapter. Bytes that it multiplies badly become floats in registers for it, with the same
 * bits: float32 holds their sums exactly, and weights stay bytes in memory.
 */
export type CompileMode = "default" | "max-autotune";

/** Options of {@linkcode compile}. */
export interface CompileOptions {
  /** `"default"` unless given. Only `"webgpu"` has anything to measure. */
  mode?: CompileMode;
  /** What runs the model; `"webgpu"` by default. */
  backend?: CompileBackend;
  /**
   * Where `"max-autotune"` keeps what was fastest, for the next time: a JSON file for one adapter. By
   * default one in `.cache/staticquant`, if the program may read and write there without asking; null
   * for none. A file that is damaged or of another adapter is ignored, with a warning.
   */
  cacheFile?: string | URL | null;
}

/** How each backend makes a model ready. */
const PROGRAMS: Record<
  CompileBackend,
  (model: Module, options: CompileOptions) => Program
> = {
  webgpu: (model, { mode, cacheFile }) =>
    mode === "max-autotune" ? new AutotunedProgram(model, cacheFile) : new WebGpuProgram(model),
  onnxruntime: (model) => new OnnxRuntimeProgram(model),
};

const MODES: readonly CompileMode[] = ["default", "max-autotune"];

/**
 * A compiled model, made by {@linkcode compile}: a module with one child, `_orig_mod`, the model that it
 * was made from, as PyTorch's. It follows that one: a weight or a layer that is replaced there is seen by
 * the next `forward`, and what `quantize_` and its like do to this is done there.
 *
 * @example
 * ```ts
 * import { compile, Linear, Sequential } from "@staticquant/staticquant";
 * using compiled = compile(new Sequential([new Linear(64, 32)]), { backend: "onnxruntime" });
 * console.log(String(compiled));
 * // OptimizedModule(
 * //   (_orig_mod): Sequential(
 * //     (0): Linear(in_features=64, out_features=32, bias=True)
 * //   )
 * // )
 * ```
 */
export class OptimizedModule<R extends Tensor | Promise<Tensor> = Tensor> extends Module
  implements Disposable {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "OptimizedModule";

  /** The model. */
  readonly _orig_mod: Module;
  private readonly makeProgram: (model: Module) => Program;
  /** What runs the model, and the model that it was made for. */
  private ready: { readonly model: Module; readonly program: Program };

  /**
   * Makes a model ready; most users call {@linkcode compile}.
   *
   * @param model the model.
   * @param makeProgram makes what runs it.
   */
  constructor(model: Module, makeProgram: (model: Module) => Program) {
    super();
    this._orig_mod = model;
    this.makeProgram = makeProgram;
    this.ready = { model, program: makeProgram(model) };
  }

  /** The model. */
  get origMod(): Module {
    return this._orig_mod;
  }

  /**
   * The model's output, on the device and in the dtype of the first input.
   *
   * @param inputs float, as the model's own `forward` takes them.
   * @throws {TypeError} if a layer has no form in the backend; the message names it.
   * @throws {RangeError} if the last dimension of an input is not inFeatures.
   * @throws {Error} if this was disposed, or a package that the backend needs cannot be loaded; the
   * message says what to type.
   */
  // A Module gives a Tensor; the promise of a backend that waits is the one exception.
  override forward(...inputs: Tensor[]): R & Tensor {
    const model = this._orig_mod;
    if (isWatched(model, inputs)) return model.forward(...inputs) as R & Tensor;
    return this.program().forward(...inputs) as R & Tensor;
  }

  /** All of the model's outputs; otherwise as {@linkcode OptimizedModule.forward}. */
  override forwardAll(
    ...inputs: Tensor[]
  ): (R extends Tensor ? Tensor[] : Promise<Tensor[]>) & Tensor[] {
    const model = this._orig_mod;
    const outputs = isWatched(model, inputs)
      ? model.forwardAll(...inputs)
      : this.program().forwardAll(...inputs);
    return outputs as (R extends Tensor ? Tensor[] : Promise<Tensor[]>) & Tensor[];
  }

  /** What runs the model. */
  private program(): Program {
    const model = this._orig_mod;
    // A copy has the program of the model that it was copied from.
    if (this.ready.model !== model) this.ready = { model, program: this.makeProgram(model) };
    return this.ready.program;
  }

  /** Frees what was made for running; the model itself is left alone. */
  dispose(): void {
    if (this.ready.model === this._orig_mod) this.ready.program.dispose();
  }

  /** The same as {@linkcode OptimizedModule.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Whether somebody looks at what the layers of a model do, which a replay would not show: a recording that
 * this is part of, or a function that has put its own `forward` on the modules.
 */
function isWatched(model: Module, inputs: readonly Tensor[]): boolean {
  if (isOverridden(model)) return true;
  // A field of the user's is enumerable.
  if (
    Object.hasOwn(model, "forward") && !Object.prototype.propertyIsEnumerable.call(model, "forward")
  ) {
    return true;
  }
  for (const x of inputs) {
    if (!(x instanceof Tensor) || x.disposed) continue;
    const { backend } = x;
    if (backend instanceof WebGpuBackend && backend.isRecording) return true;
  }
  return false;
}

/**
 * Makes a model ready to run fast, as `torch.compile`. Nothing happens until the first `forward`.
 *
 * With `"webgpu"`, what a forward enqueues is recorded once for each shape of the inputs and replayed from
 * then on over the same buffers, with the same bits. What one kernel can do is done in one: a ReLU
 * after a product, and the quantization of a product's result for the next quantized layer, so that
 * integers stay integers between them; a small product of few rows also quantizes its own input. Inputs
 * must be on the WebGPU device; the output is a tensor there, and nothing waits. A model under observation
 * is refused. `forward` is called twice for each shape.
 *
 * With `{ mode: "max-autotune" }`, the first forward of each shape measures several tiles for each
 * product and keeps the fastest; it takes seconds, and `await`s. What was found is remembered in
 * `cacheFile`. The bits stay the same.
 *
 * With `"onnxruntime"`, the model becomes an ONNX graph in memory, as `exportOnnx` writes it, and runs on the
 * CPU with the integer kernels of onnxruntime: the fastest way for a quantized model on a machine
 * without a GPU. Inputs may be on any device, and the outputs are on the same; `await` them. One session
 * serves every batch size, unless the model is right for one only; inputs of another rank or dtype get one of
 * their own. Numbers agree with the
 * model's to about one step of a quantized output (`exportOnnx` says why they differ).
 *
 * The package `npm:onnxruntime-node` is loaded by the first `forward`. The first time ever that is a
 * download of 114 MB (301 MB unpacked). It needs the permission `--allow-ffi`, for which Deno's npm
 * cache is enough (`deno info` tells where it is), and no build script.
 *
 * @param model any model that `exportOnnx` takes.
 * @param options the backend, and how much compiling may take.
 * @returns the compiled model, to be disposed of by the caller.
 * @throws {TypeError} if the options are unknown.
 *
 * @example
 * ```ts
 * import { compile, Linear, randn, ReLU, Sequential } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(64, 32), relu: new ReLU(), fc2: new Linear(32, 10) });
 * using compiled = compile(m, { backend: "onnxruntime" });
 * using y = await compiled.forward(randn([5, 64]));
 * console.log(y.shape); // [ 5, 10 ]
 * ```
 */
export function compile(
  model: Module,
  options: CompileOptions & ({ backend: "onnxruntime" } | { mode: "max-autotune" }),
): OptimizedModule<Promise<Tensor>>;
/** Makes a model ready to run fast on WebGPU, where nothing waits. */
export function compile(
  model: Module,
  options?: CompileOptions & { backend?: "webgpu"; mode?: "default" },
): OptimizedModule<Tensor>;
export function compile(
  model: Module,
  options: CompileOptions = {},
): OptimizedModule<Tensor | Promise<Tensor>> {
  const where = "compile";
  checkModule(where, model);
  checkOptions(where, options, ["mode", "backend", "cacheFile"]);
  checkChoice(where, "mode", options.mode ?? "default", MODES);
  const backends = Object.keys(PROGRAMS) as CompileBackend[];
  const backend = checkChoice(where, "backend", options.backend ?? "webgpu", backends);
  // Compiling what is compiled compiles the model in it.
  const own = model instanceof OptimizedModule ? model._orig_mod : model;
  return new OptimizedModule(own, (made) => PROGRAMS[backend](made, options));
}
