/**
 * Models made ready to run fast.
 *
 * @module
 */
import { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
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
 * fastest on this adapter.
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
  (model: Module, options: CompileOptions) => Program<Tensor | Promise<Tensor>>
> = {
  webgpu: (model, { mode, cacheFile }) =>
    mode === "max-autotune" ? new AutotunedProgram(model, cacheFile) : new WebGpuProgram(model),
  onnxruntime: (model) => new OnnxRuntimeProgram(model),
};

const MODES: readonly CompileMode[] = ["default", "max-autotune"];

/**
 * A compiled model, made by {@linkcode compile}. It holds the model that it was made from and follows
 * it: a weight or a layer that is replaced there is seen by the next `forward`.
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
export class OptimizedModule<R extends Tensor | Promise<Tensor> = Tensor> implements Disposable {
  /**
   * Wraps what was made ready; most users call {@linkcode compile}.
   *
   * @param origMod the model.
   * @param program runs it.
   */
  constructor(readonly origMod: Module, private readonly program: Program<R>) {}

  /**
   * The model's output, on the device and in the dtype of the first input.
   *
   * @param inputs float, as the model's own `forward` takes them.
   * @throws {TypeError} if a layer has no form in the backend; the message names it.
   * @throws {RangeError} if the last dimension of an input is not inFeatures.
   * @throws {Error} if this was disposed, or a package that the backend needs cannot be loaded; the
   * message says what to type.
   */
  forward(...inputs: Tensor[]): R {
    return this.program.forward(...inputs);
  }

  /** Frees what was made for running; the model itself is left alone. */
  dispose(): void {
    this.program.dispose();
  }

  /** The same as {@linkcode OptimizedModule.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** PyTorch's tree of the model. */
  toString(): string {
    const tree = String(this.origMod).replaceAll("\n", "\n  ");
    return `${this.constructor.name}(\n  (_orig_mod): ${tree}\n)`;
  }
}

function choice<T extends string>(option: string, value: T, known: readonly T[]): T {
  if (known.includes(value)) return value;
  throw new TypeError(
    `compile: ${option} is ${JSON.stringify(value)}, but must be one of ${
      known.map((name) => JSON.stringify(name)).join(", ")
    }`,
  );
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
 * without a GPU. Inputs may be on any device, and the output is on the same; `await` it. One session
 * serves every batch size; inputs of another rank or dtype get one of their own. Numbers agree with the
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
  if (!(model instanceof Module)) throw new TypeError(`compile: the first argument is no Module`);
  choice("mode", options.mode ?? "default", MODES);
  const backend = choice(
    "backend",
    options.backend ?? "webgpu",
    Object.keys(PROGRAMS) as CompileBackend[],
  );
  return new OptimizedModule(model, PROGRAMS[backend](model, options));
}
