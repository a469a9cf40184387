/** Applying remedies to small models. */
import { assert, assertEquals } from "@std/assert";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import { calibrateOnnx } from "../../../lib/onnx/calibration/calibrate.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import type { Remedy } from "../../../lib/onnx/improve/remedy.ts";
import {
  type ImprovedModel,
  ImproveTools,
  quantizedState,
} from "../../../lib/onnx/improve/state.ts";
import { type OnnxFeeds, OnnxRuntime } from "../../../lib/onnx/run/runtime.ts";
import { floats } from "../small_models.ts";

/** Numbers from −1 to 1 that look random; the same for the same seed. */
export function* numbers(seed: number): Generator<number, never> {
  for (let state = seed;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 31 - 1;
  }
}

/** A constant whose element `i` is a random number times a factor. */
export function constant(
  name: string,
  dims: readonly number[],
  seed: number,
  factor: (index: number) => number = () => 1,
) {
  const random = numbers(seed);
  const size = dims.reduce((a, b) => a * b, 1);
  return floats(
    name,
    dims,
    Array.from({ length: size }, (_, i) => random.next().value * factor(i)),
  );
}

/** Samples of one input `x`. */
export function samplesOf(dims: readonly number[], count: number, seed = 1): OnnxFeeds[] {
  const random = numbers(seed);
  const size = dims.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, () => ({
    x: { data: Float32Array.from({ length: size }, () => random.next().value), dims },
  }));
}

/** SQNR of the only output over some samples, in dB. */
export async function sqnrOf(
  float: OnnxModel,
  other: OnnxModel,
  samples: readonly OnnxFeeds[],
): Promise<number> {
  await using a = await OnnxRuntime.open("test", float);
  await using b = await OnnxRuntime.open("test", other);
  let [signal, off] = [0, 0];
  for (const feeds of samples) {
    const [x, y] = [await a.run(feeds), await b.run(feeds)].map((outputs) =>
      Object.values(outputs)[0].data as Float32Array
    );
    x.forEach((value, i) => [signal, off] = [signal + value ** 2, off + (value - y[i]) ** 2]);
  }
  return off === 0 ? Infinity : 10 * Math.log10(signal / off);
}

/** Asserts that ranges, some of which were taken from before, are those that the samples have in the model of now. */
async function assertRanges({ calibration, options }: ImprovedModel, data: OnnxFeeds[]) {
  const fresh = await calibrateOnnx(calibration.model, data, { ...options, prepare: false });
  const [own, all] = await Promise.all([calibration, fresh].map((each) => each.ranges()));
  assertEquals([...own.keys()], [...all.keys()]);
  for (const [name, { min, max }] of all) {
    const off = Math.max(Math.abs(own.get(name)!.min - min), Math.abs(own.get(name)!.max - max));
    assert(
      off <= 1e-3 * (max - min),
      `${name}: ${JSON.stringify(own.get(name))}, not ${min} ${max}`,
    );
  }
}

/** Applies a remedy to a model's plain state, and measures before and after on samples that were not seen. */
export async function remedied(
  model: OnnxModel,
  dims: readonly number[],
  remedy: Remedy,
  options: ImprovedModel["options"] = {},
  data: OnnxFeeds[] = samplesOf(dims, 8),
) {
  const float = await prepareOnnx(model);
  const heldOut = samplesOf(dims, 4, 99);
  const calibration = await calibrateOnnx(float, data, { ...options, prepare: false });
  const state: ImprovedModel = { calibration, options, weights: new Map() };
  const tools = new ImproveTools(data, { reference: float });
  const before = await sqnrOf(float, (await quantizedState(state)).model, heldOut);
  const done = await remedy.apply(state, tools);
  assert(done, `${remedy.name} finds nothing to do`);
  const quantized = (await quantizedState(done.state)).model;
  quantized.check();
  if (remedy.rewrites) await assertRanges(done.state, data);
  return {
    ...{ state, tools, done, before, quantized, float },
    after: await sqnrOf(float, quantized, heldOut),
    function: await sqnrOf(float, done.state.calibration.model, heldOut),
  };
}
