/**
 * This project's layers: float, quantized, and compiled.
 *
 * @module
 */
import {
  AffineQuantizedMinMaxObserver,
  compile,
  deepcopy,
  type DType,
  float16,
  float32,
  type Granularity,
  insertObservers_,
  isObservedLinear,
  Linear,
  MappingType,
  type Module,
  PerAxis,
  PerTensor,
  quantize_,
  randn,
  Sequential,
  StaticQuantConfig,
  type Tensor,
  uint8,
  zeros,
} from "../mod.ts";
import type { Entry } from "./contestant.ts";
import type { Candidate } from "./measure.ts";
import { type Shape, WIDTHS, type Widths } from "./shapes.ts";
import config from "../deno.json" with { type: "json" };

/** Rows that the ranges are chosen from. */
const CALIBRATION_ROWS = 8;

/** A model of one `Linear`, without a bias, as the peers' products have none. */
export function floatLayer({ n, k }: Shape, dtype: DType = float32): Module {
  return new Sequential({ fc: new Linear(k, n, { bias: false, dtype }) });
}

/** The model after calibration on `x`, with `QuantizedLinear` in uint8, asymmetric. */
export async function quantized(model: Module, x: Tensor): Promise<Module> {
  const copy = deepcopy(model);
  const observer = (granularity: Granularity) =>
    new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
  insertObservers_(copy, observer(new PerTensor()), observer(new PerAxis(0)));
  copy.forward(x).dispose();
  await quantize_(copy, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
  return copy;
}

/** The quantized layer of a shape. */
export async function quantizedLayer(shape: Shape): Promise<Module> {
  using x = randn([CALIBRATION_ROWS, shape.k]);
  return await quantized(floatLayer(shape), x);
}

/** Frees a model's weights. */
export function release(model: Module): void {
  Object.values(model.stateDict()).forEach((t) => t.dispose());
}

/** What only enqueues: a forward on WebGPU, its output freed at once. */
export function enqueued(
  name: string,
  forward: (x: Tensor) => Tensor,
  x: Tensor,
  dispose?: () => void,
): Candidate {
  const fence = zeros([1]);
  return {
    name,
    run: () => forward(x).dispose(),
    finish: async () => void await fence.data(),
    dispose,
  };
}

/** What is waited for, one run after the other, as in a program that awaits each. */
export function awaited(
  name: string,
  once: () => Promise<unknown>,
  dispose?: () => void | Promise<void>,
): Candidate {
  let last: Promise<unknown> = Promise.resolve();
  return {
    name,
    run: () => void (last = last.then(once)),
    finish: async () => void await last,
    dispose,
  };
}

/** A model's forward on WebGPU. */
async function onWebgpu(
  name: string,
  model: Module | Promise<Module>,
  { m, k }: Shape,
  { dtype = float32, compiled = false } = {},
): Promise<Candidate> {
  const plain = await model;
  const x = randn([m, k], { dtype }).keep();
  const fast = compiled ? compile(plain) : undefined;
  return enqueued(name, (x) => fast ? fast.forward(x) : plain.forward(x), x, () => {
    fast?.dispose();
    release(plain);
    x.dispose();
  });
}

/** A model whose tiles were measured by its first forward, and are not remembered. */
function autotuned(name: string, model: Module, { m, k }: Shape): Candidate {
  const fence = zeros([1]);
  const x = randn([m, k]).keep();
  const fast = compile(model, { mode: "max-autotune", cacheFile: null });
  const done: Promise<void>[] = [];
  return {
    name,
    run: () => void done.push(fast.forward(x).then((y) => y.dispose())),
    finish: async () => {
      await Promise.all(done.splice(0));
      await fence.data();
    },
    dispose: () => {
      fast.dispose();
      release(model);
      x.dispose();
    },
  };
}

/** A model compiled to onnxruntime, from a tensor in the host's memory to another. */
async function onOnnxruntime(
  name: string,
  model: Module | Promise<Module>,
  { m, k }: Shape,
): Promise<Candidate> {
  const plain = await (await model).to("cpu");
  const x = randn([m, k], { device: "cpu" }).keep();
  const fast = compile(plain, { backend: "onnxruntime" });
  return awaited(name, async () => (await fast.forward(x)).dispose(), () => {
    fast.dispose();
    release(plain);
    x.dispose();
  });
}

/** A kind of layer that this project enters. */
interface Layer {
  readonly make: (name: string, shape: Shape) => Promise<Candidate>;
  /** Which of the adapter's peaks bounds its products. */
  readonly arithmetic: "float32" | "int8";
  /** Bytes of what a WebGPU kernel reads and writes. */
  readonly widths?: Widths;
}

const layers = <Name extends string>(layers: Record<Name, Layer>) => layers;

/** The layers by name, in the table's order: the one list of what this project enters. */
export const LAYERS = layers({
  "float32": {
    make: (name, shape) => onWebgpu(name, floatLayer(shape), shape),
    arithmetic: "float32",
    widths: WIDTHS.float32,
  },
  "float16": {
    make: (name, shape) => onWebgpu(name, floatLayer(shape, float16), shape, { dtype: float16 }),
    arithmetic: "float32",
    widths: WIDTHS.float16,
  },
  "int8": {
    make: (name, shape) => onWebgpu(name, quantizedLayer(shape), shape),
    arithmetic: "int8",
    widths: WIDTHS.int8,
  },
  "int8 compiled": {
    make: (name, shape) => onWebgpu(name, quantizedLayer(shape), shape, { compiled: true }),
    arithmetic: "int8",
    widths: WIDTHS.int8,
  },
  "int8 autotuned": {
    make: async (name, shape) => autotuned(name, await quantizedLayer(shape), shape),
    arithmetic: "int8",
    widths: WIDTHS.int8,
  },
  "float32 to ORT": {
    make: (name, shape) => onOnnxruntime(name, floatLayer(shape), shape),
    arithmetic: "float32",
  },
  "int8 to ORT": {
    make: (name, shape) => onOnnxruntime(name, quantizedLayer(shape), shape),
    arithmetic: "int8",
  },
});

/** The name of one of this project's layers. */
export type LayerName = keyof typeof LAYERS;

/** A layer of this project, ready to be timed. */
export function layerCandidate(name: LayerName, shape: Shape): Promise<Candidate> {
  return LAYERS[name].make(name, shape);
}

const names = Object.keys(LAYERS) as LayerName[];

/** This project. */
export const ours: Entry = {
  names,
  open: () =>
    Promise.resolve({
      version: `staticquant ${config.version}`,
      contestants: names.map((name) => ({ name, layer: (shape) => layerCandidate(name, shape) })),
    }),
};
