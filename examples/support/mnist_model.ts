/**
 * The float network that `train_mnist.ts` trained, and what to do with it on batches.
 *
 * @module
 */
import {
  Linear,
  loadSafetensors,
  ReLU,
  Sequential,
  type Tensor,
  tensor,
} from "@staticquant/staticquant";
import { MNIST_PIXELS, type MnistSplit } from "./mnist_data.ts";

/** The trained network, 784-256-128-10, with float32 weights. */
export async function loadMnistModel(): Promise<Sequential> {
  const model = new Sequential({
    fc1: new Linear(MNIST_PIXELS, 256),
    relu1: new ReLU(),
    fc2: new Linear(256, 128),
    relu2: new ReLU(),
    fc3: new Linear(128, 10),
  });
  const file = await Deno.readFile(new URL("../mnist_mlp.safetensors", import.meta.url));
  model.loadStateDict(loadSafetensors(file));
  return model;
}

/** Images `start` to `end` of a split as a tensor of shape (end − start, 784). */
export function imagesTensor({ images }: MnistSplit, start: number, end: number): Tensor {
  return tensor(images.subarray(start * MNIST_PIXELS, end * MNIST_PIXELS), {
    shape: [end - start, MNIST_PIXELS],
  });
}

/** The logits of all images of a split, 10 each. */
export async function logitsOf(
  model: Sequential,
  split: MnistSplit,
  batchSize = 1000,
): Promise<Float32Array> {
  const logits = new Float32Array(split.count * 10);
  for (let start = 0; start < split.count; start += batchSize) {
    using x = imagesTensor(split, start, Math.min(start + batchSize, split.count));
    using y = model.forward(x);
    logits.set(await y.data(), start * 10);
  }
  return logits;
}

/** The digit with the greatest logit, for each image. */
export function predictions(logits: Float32Array): Uint8Array {
  return Uint8Array.from({ length: logits.length / 10 }, (_, i) => {
    const row = logits.subarray(i * 10, i * 10 + 10);
    return row.indexOf(Math.max(...row));
  });
}

/** The share of predictions that are right. */
export function accuracyOf(predicted: Uint8Array, labels: Uint8Array): number {
  return predicted.reduce((right, digit, i) => right + (digit === labels[i] ? 1 : 0), 0) /
    labels.length;
}
