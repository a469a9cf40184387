/**
 * Whole models, end to end: the tutorial's toy, a stack of linear layers, and the digit classifier
 * from images in the host's memory to logits there.
 *
 * @module
 */
import {
  bfloat16,
  compile,
  deepcopy,
  type DType,
  float32,
  Linear,
  type Module,
  randn,
  ReLU,
  Sequential,
  type Tensor,
  tensor,
} from "../mod.ts";
import { loadMnist, MNIST_PIXELS } from "../examples/support/mnist_data.ts";
import { loadMnistModel } from "../examples/support/mnist_model.ts";
import { awaited, enqueued, quantized } from "./layers.ts";
import type { Candidate } from "./measure.ts";

/** A model in all its forms. */
export interface ModelBench {
  readonly name: string;
  /** How many rows one run takes. */
  readonly rows: number;
  /** What a row is. */
  readonly unit: string;
  candidates(): Promise<Candidate[]>;
}

/** The forms of a model, by name. `on` says where it runs. */
const FORMS = [
  { name: "float", quantize: false, on: "webgpu" },
  { name: "int8", quantize: true, on: "webgpu" },
  { name: "int8 compiled", quantize: true, on: "compiled" },
  { name: "float to ORT", quantize: false, on: "onnxruntime" },
  { name: "int8 to ORT", quantize: true, on: "onnxruntime" },
] as const;

type Form = typeof FORMS[number];

/** Makes something that is timed of a model in one of its forms. */
type Timed = (form: Form, model: Module) => Candidate;

async function inAllForms(float: Module, calibration: Tensor, timed: Timed): Promise<Candidate[]> {
  const int8 = await quantized(float, calibration);
  return await Promise.all(FORMS.map(async (form) => {
    const model = deepcopy(form.quantize ? int8 : float);
    return timed(form, form.on === "onnxruntime" ? await model.to("cpu") : model);
  }));
}

/** A forward on numbers that lie where the model computes, the same each time. */
function forward(rows: number, columns: number, dtype: DType): Timed {
  return ({ name, on }, model) => {
    const x = randn([rows, columns], { dtype, device: on === "onnxruntime" ? "cpu" : "webgpu" });
    if (on === "onnxruntime") {
      const fast = compile(model, { backend: "onnxruntime" });
      return awaited(name, async () => (await fast.forward(x)).dispose(), () => fast.dispose());
    }
    const fast = on === "compiled" ? compile(model) : model;
    return enqueued(name, (x) => fast.forward(x) as Tensor, x.keep());
  };
}

const MNIST_BATCH = 500;

/** All test images, batch by batch, from pixels to logits. */
function classify(images: Float32Array): Timed {
  const starts = Array.from({ length: images.length / MNIST_PIXELS / MNIST_BATCH }, (_, i) => i);
  const batches = starts.map((i) => {
    const length = MNIST_BATCH * MNIST_PIXELS;
    return images.subarray(i * length, (i + 1) * length);
  });
  return ({ name, on }, model) => {
    const device = on === "onnxruntime" ? "cpu" : "webgpu";
    const upload = (pixels: Float32Array) =>
      tensor(pixels, { shape: [MNIST_BATCH, MNIST_PIXELS], device });
    const fast = on === "webgpu"
      ? model
      : on === "compiled"
      ? compile(model)
      : compile(model, { backend: "onnxruntime" });
    const logits: Promise<unknown>[] = [];
    return {
      name,
      run: () => {
        for (const pixels of batches) {
          const x = upload(pixels);
          const y = fast.forward(x);
          const read = async () => {
            using logits = await y;
            await logits.data();
            x.dispose();
          };
          logits.push(read());
        }
      },
      finish: async () => void await Promise.all(logits.splice(0)),
    };
  };
}

/** The models of the table. */
export const MODELS: readonly ModelBench[] = [
  {
    name: "toy tutorial model, batch 1",
    rows: 1,
    unit: "rows",
    candidates: async () => {
      const layer = (from: number, to: number) =>
        new Linear(from, to, { bias: false, dtype: bfloat16 });
      const model = new Sequential({ linear1: layer(64, 64), linear2: layer(64, 32) });
      const timed = forward(1, 64, bfloat16);
      return await inAllForms(model, randn([10, 64], { dtype: bfloat16 }), timed);
    },
  },
  {
    name: "three 1024 × 1024 layers with ReLU, batch 64",
    rows: 64,
    unit: "rows",
    candidates: async () => {
      const model = new Sequential([
        new Linear(1024, 1024),
        new ReLU(),
        new Linear(1024, 1024),
        new ReLU(),
        new Linear(1024, 1024),
      ]);
      return await inAllForms(model, randn([64, 1024]), forward(64, 1024, float32));
    },
  },
  {
    name: "MNIST's classifier, images to logits",
    rows: 10_000,
    unit: "images",
    candidates: async () => {
      const { train, test } = loadMnist({ train: 512, test: 10_000 });
      const calibration = tensor(train.images, { shape: [train.count, MNIST_PIXELS] });
      return await inAllForms(await loadMnistModel(), calibration, classify(test.images));
    },
  },
];
