/** A model whose middle activations have outlier channels, as transformers' have. */
import {
  computeError,
  deepcopy,
  type Device,
  Linear,
  manualSeed,
  type Module,
  randn,
  ReLU,
  Sequential,
  type Tensor,
  tensor,
  uint8,
} from "../../mod.ts";
import { quantized } from "./flow.ts";

/** Channels of the middle layer that are much larger than the others. */
export const OUTLIERS = [3, 40, 77, 100];

/**
 * 64 → 128 → 64; four of the 128 middle channels are forty times as large, and weigh an eighth, so
 * that the output depends on the others too.
 */
export async function outlierModel(device?: Device): Promise<Sequential> {
  manualSeed(7);
  const model = new Sequential({
    fc1: new Linear(64, 128, { device }),
    relu: new ReLU(),
    fc2: new Linear(128, 64, { device }),
  });
  const { fc1, fc2 } = model as unknown as Record<"fc1" | "fc2", Linear & { weight: Tensor }>;
  const weight = await fc1.weight.data();
  for (const row of OUTLIERS) {
    for (let j = 0; j < 64; j++) weight[row * 64 + j] *= 40;
  }
  fc1.weight = tensor(weight, { shape: [128, 64], device }).keep();
  const next = await fc2.weight.data();
  for (const column of OUTLIERS) {
    for (let row = 0; row < 64; row++) next[row * 128 + column] /= 8;
  }
  fc2.weight = tensor(next, { shape: [64, 128], device }).keep();
  return model;
}

/** Batches of normal numbers. */
export function normalBatches(count: number, shape: number[], device?: Device): Tensor[] {
  return Array.from({ length: count }, () => randn(shape, { device }));
}

/** SQNR of the output of a uint8 copy of `model` against `float`, which computes the same. */
export async function quantizedSqnr(
  model: Sequential,
  float: Module,
  batches: readonly Tensor[],
  x: Tensor,
): Promise<number> {
  const copy = await quantized(deepcopy(model), uint8, batches);
  return await computeError(float.forward(x), copy.forward(x));
}

/** Every tensor of a model as numbers, to see whether it changed. */
export async function snapshot(model: Module): Promise<Record<string, number[]>> {
  const numbers: Record<string, number[]> = {};
  for (const [name, t] of Object.entries(model.stateDict())) numbers[name] = [...await t.data()];
  return numbers;
}
