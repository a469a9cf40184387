/**
 * Trains the float32 network that the examples quantize, 784 → 256 → 128 → 10 with ReLU, on MNIST
 * with jax-js, and writes it to `mnist_mlp.safetensors` with PyTorch's names and layouts.
 *
 * Run it with `deno run --allow-read --allow-write=examples examples/train_mnist.ts`. It takes about
 * two minutes on two cores, on jax-js's WebAssembly backend: the network is too small to gain from a
 * GPU. Every run writes the same bytes.
 *
 * @module
 */

import { defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import {
  parseSafetensors,
  type SafetensorsEntry,
  serializeSafetensors,
} from "../lib/files/safetensors.ts";
import { loadMnist, MNIST_PIXELS, type MnistSplit } from "./support/mnist_data.ts";

const SEED = 1;
const EPOCHS = 20;
const BATCH = 128;
const LEARNING_RATE = 2e-3;
const SIZES = [MNIST_PIXELS, 256, 128, 10];
const FILE = new URL("./mnist_mlp.safetensors", import.meta.url);

/** The layers' parameters. A `weight` is [outputs, inputs], as in PyTorch. */
type Params = { weight: np.Array; bias: np.Array }[];

// jax-js counts references: a function uses up the arrays it's given, and `.ref` keeps one for later.

function forward(params: Params, x: np.Array): np.Array {
  for (const [i, { weight, bias }] of params.entries()) {
    x = np.matmul(x, weight.transpose()).add(bias);
    if (i < params.length - 1) x = nn.relu(x);
  }
  return x;
}

function crossEntropy(params: Params, x: np.Array, oneHot: np.Array): np.Array {
  return nn.logSoftmax(forward(params, x)).mul(oneHot).sum().mul(-1 / BATCH);
}

/** Adam for one array: its new value and its new first and second moments. */
function adam(
  [value, m, v, grad]: np.Array[],
  rate: np.Array,
  correct1: np.Array,
  correct2: np.Array,
): np.Array[] {
  m = m.mul(0.9).add(grad.ref.mul(0.1));
  v = v.mul(0.999).add(np.square(grad).mul(0.001));
  const update = m.ref.mul(correct1.ref).div(np.sqrt(v.ref.mul(correct2.ref)).add(1e-8));
  return [value.sub(update.mul(rate.ref)), m, v];
}

/** One training step, compiled once: the loss, then the new parameters and moments. */
const step = jit((
  [params, m, v]: Params[],
  x: np.Array,
  oneHot: np.Array,
  rate: np.Array,
  correct1: np.Array,
  correct2: np.Array,
): [np.Array, Params[]] => {
  const [loss, grads] = valueAndGrad(crossEntropy)(tree.ref(params), x, oneHot);
  const next: Params[] = [[], [], []];
  for (let i = 0; i < params.length; i++) {
    const layer = [params[i], m[i], v[i], (grads as Params)[i]];
    const weights = adam(layer.map((l) => l.weight), rate, correct1, correct2);
    const biases = adam(layer.map((l) => l.bias), rate, correct1, correct2);
    next.forEach((part, k) => part.push({ weight: weights[k], bias: biases[k] }));
  }
  tree.dispose([rate, correct1, correct2]);
  return [loss, next];
});

/** Random numbers in 0 … 1 (xorshift), the same ones for the same seed. */
function makeRandom(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b9);
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const random = makeRandom(SEED);
const below = (n: number): number => Math.floor(random() * n);

/** Uniform in ±1/√inputs, PyTorch's default for linear layers, or all zeros. */
function makeParams(zeros: boolean): Params {
  return SIZES.slice(1).map((outputs, i) => {
    const fill = () => zeros ? 0 : (2 * random() - 1) / Math.sqrt(SIZES[i]);
    const weight = np.array(Float32Array.from({ length: outputs * SIZES[i] }, fill));
    const bias = np.array(Float32Array.from({ length: outputs }, fill));
    return { weight: weight.reshape([outputs, SIZES[i]]), bias };
  });
}

/** The images `indices`, each shifted at random by up to one pixel a direction, and one-hot labels. */
function makeBatch(split: MnistSplit, indices: Uint32Array): [np.Array, np.Array] {
  const images = new Float32Array(BATCH * MNIST_PIXELS);
  const oneHot = new Float32Array(BATCH * 10);
  indices.forEach((index, k) => {
    const dx = below(3) - 1;
    const dy = below(3) - 1;
    for (let y = Math.max(0, dy); y < Math.min(28, 28 + dy); y++) {
      for (let x = Math.max(0, dx); x < Math.min(28, 28 + dx); x++) {
        images[k * MNIST_PIXELS + y * 28 + x] =
          split.images[index * MNIST_PIXELS + (y - dy) * 28 + (x - dx)];
      }
    }
    oneHot[k * 10 + split.labels[index]] = 1;
  });
  return [np.array(images).reshape([BATCH, MNIST_PIXELS]), np.array(oneHot).reshape([BATCH, 10])];
}

/** The share of images whose largest of ten logits is the label's. */
function accuracy(logits: ArrayLike<number>, labels: Uint8Array): number {
  let right = 0;
  labels.forEach((label, i) => {
    let best = 0;
    for (let j = 1; j < 10; j++) if (logits[i * 10 + j] > logits[i * 10 + best]) best = j;
    if (best === label) right++;
  });
  return right / labels.length;
}

/** The logits, computed from the saved file in plain loops, without any library. */
function plainForward(tensors: Map<string, SafetensorsEntry>, images: Float32Array): Float32Array {
  const floats = (name: string): Float32Array =>
    new Float32Array(tensors.get(name)!.bytes.slice().buffer);
  let x = images;
  for (let layer = 1; layer < SIZES.length; layer++) {
    const [inputs, outputs] = [SIZES[layer - 1], SIZES[layer]];
    const weight = floats(`fc${layer}.weight`);
    const bias = floats(`fc${layer}.bias`);
    const y = new Float32Array(x.length / inputs * outputs);
    for (let i = 0; i < y.length; i++) {
      const from = Math.floor(i / outputs) * inputs;
      const o = i % outputs;
      let sum = bias[o];
      for (let k = 0; k < inputs; k++) sum += x[from + k] * weight[o * inputs + k];
      y[i] = layer < SIZES.length - 1 ? Math.max(0, sum) : sum;
    }
    x = y;
  }
  return x;
}

await init("wasm");
defaultDevice("wasm");
const { train, test } = loadMnist();
const testImages = np.array(test.images).reshape([test.count, MNIST_PIXELS]);
const predict = jit(forward);

let state = [makeParams(false), makeParams(true), makeParams(true)];
let testAccuracy = 0;
const order = Uint32Array.from({ length: train.count }, (_, i) => i);
const batches = Math.floor(train.count / BATCH);
const started = performance.now();

for (let epoch = 0; epoch < EPOCHS; epoch++) {
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  let total = 0;
  for (let batch = 0; batch < batches; batch++) {
    const t = epoch * batches + batch + 1;
    const rate = LEARNING_RATE * 0.5 * (1 + Math.cos(Math.PI * t / (EPOCHS * batches)));
    const [x, oneHot] = makeBatch(train, order.subarray(batch * BATCH, (batch + 1) * BATCH));
    let loss: np.Array;
    [loss, state] = step(state, x, oneHot, rate, 1 / (1 - 0.9 ** t), 1 / (1 - 0.999 ** t));
    total += await loss.jsAsync();
  }
  const logits = await predict(tree.ref(state[0]), testImages.ref).data();
  testAccuracy = accuracy(logits, test.labels);
  console.log(
    `epoch ${epoch + 1}/${EPOCHS}: loss ${(total / batches).toFixed(4)}, ` +
      `test accuracy ${(100 * testAccuracy).toFixed(2)} %, ` +
      `${((performance.now() - started) / 1000).toFixed(0)} s`,
  );
}

const tensors = new Map<string, SafetensorsEntry>();
for (const [i, layer] of state[0].entries()) {
  for (const [name, array] of Object.entries(layer)) {
    const shape = array.shape;
    const bytes = new Uint8Array(new Float32Array(await array.data()).buffer);
    tensors.set(`fc${i + 1}.${name}`, { dtype: "F32", shape, bytes });
  }
}
Deno.writeFileSync(
  FILE,
  serializeSafetensors(tensors, {
    test_accuracy: String(testAccuracy),
    seed: String(SEED),
    epochs: String(EPOCHS),
    input: "28 x 28 pixels / 255, row by row",
  }),
);

const saved = parseSafetensors(Deno.readFileSync(FILE));
const checked = accuracy(plainForward(saved.tensors, test.images), test.labels);
console.log(`saved file in plain loops: test accuracy ${(100 * checked).toFixed(2)} %`);
Deno.exit(checked >= 0.978 ? 0 : 1); // jax-js's workers would keep the process alive
