import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  calibrateOnnx,
  compareOnnx,
  exportOnnx,
  init,
  Linear,
  manualSeed,
  OnnxCalibration,
  type OnnxFeeds,
  quantizeStatic,
  randn,
  ReLU,
  Sequential,
  Softmax,
} from "../../../mod.ts";
import { isMseBetter } from "../../../lib/onnx/calibration/best_method.ts";

await init({ device: "cpu" });

manualSeed(3);
const float = await exportOnnx(
  new Sequential([new Linear(16, 32), new ReLU(), new Linear(32, 8)]),
  randn([1, 16]),
);

/** Samples of eight rows, in which a number is so many times as large in so many of them. */
async function samples(large: number, count: number): Promise<OnnxFeeds[]> {
  manualSeed(4);
  const list = [];
  for (let i = 0; i < 72; i++) {
    const data = await randn([8, 16]).data() as Float32Array<ArrayBuffer>;
    for (let k = 0; k < count; k++) data[16 * k + 5] *= large;
    list.push({ input: { data, dims: [8, 16] } });
  }
  return list;
}

Deno.test("auto: the method whose output is better on the samples", async () => {
  const found = new Set<string>();
  for (const [large, count] of [[1, 0], [10, 8]]) {
    const list = await samples(large, count);
    const { bestMethod, model, warnings } = await quantizeStatic(float, list, {
      calibrationMethod: "auto",
    });
    const { method, sqnr, samples: seen } = bestMethod!;
    assertEquals([seen, warnings], [64, []]);
    assertEquals(method, sqnr.minmax > sqnr.mse ? "minmax" : "mse");
    found.add(method);

    for (const calibrationMethod of ["mse", "minmax"] as const) {
      const plain = await quantizeStatic(float, list, { calibrationMethod });
      const { sqnr: worth } = await compareOnnx(float, plain.model, list.slice(0, 64), {
        tensors: false,
      });
      assert(Math.abs(worth - sqnr[calibrationMethod]) < 1e-6, `${worth} ${JSON.stringify(sqnr)}`);
      if (calibrationMethod === method) assertEquals(model.toBytes(), plain.model.toBytes());
    }
  }
  assertEquals(found.size, 2, "it is not the same one for all");
});

Deno.test("auto: reads its samples once, and gives the same file again", async () => {
  const list = await samples(10, 8);
  let read = 0;
  const streamed = async function* () {
    for (const sample of list) {
      read++;
      yield sample;
      (sample.input as { data: Float32Array }).data.fill(0); // whose memory it is no longer
    }
  };
  const first = await quantizeStatic(float, await samples(10, 8), { calibrationMethod: "auto" });
  const second = await quantizeStatic(float, streamed(), { calibrationMethod: "auto" });
  assertEquals(read, 72);
  assertEquals(second.model.toBytes(), first.model.toBytes());
  assertEquals(second.bestMethod, first.bestMethod);
});

Deno.test("auto: what was saved is a calibration of mse, and says that it cannot be chosen on", async () => {
  const list = await samples(1, 0);
  const options = { calibrationMethod: "auto" } as const;
  const calibration = await calibrateOnnx(float, list, options);
  const mse = await calibrateOnnx(float, list, { calibrationMethod: "mse" });
  const file = await calibration.save();
  assertEquals(file, await mse.save());
  assert((await quantizeStatic(float, calibration, options)).bestMethod);
  const loaded = await OnnxCalibration.from(float, file);
  for (const other of [loaded, mse, await calibrateOnnx(float, list)]) {
    await assertRejects(
      () => quantizeStatic(float, other, options),
      Error,
      "give samples, or name a method",
    );
  }
});

Deno.test("auto: a Softmax is judged by what it reads too", async () => {
  manualSeed(4);
  const layers = { fc1: new Linear(8, 8), relu: new ReLU(), fc2: new Linear(8, 2) };
  const shares = new Sequential({ ...layers, softmax: new Softmax(-1) });
  const data = Array.from({ length: 8 }, () => ({ input: randn([1, 8]) }));
  const found = [];
  for (const model of [new Sequential(layers), shares]) {
    const float = await exportOnnx(model, randn([1, 8]));
    const { bestMethod, model: quantized } = await quantizeStatic(float, data, {
      calibrationMethod: "auto",
    });
    const { method, sqnr } = bestMethod!;
    const { sqnr: worth } = await compareOnnx(float, quantized, data, { tensors: false });
    assert(Math.abs(worth - sqnr[method]) < 1e-6, "what is told is of the outputs");
    found.push(method);
  }
  assertEquals(found[1], found[0]);
});

Deno.test("auto: a difference counts by how sure it is", () => {
  const estimate = (value: number, error: number) => ({ value, error });
  assert(isMseBetter([]), "as it is on most networks");
  assert(!isMseBetter([estimate(-0.8, 0.3)]));
  assert(isMseBetter([estimate(-4, 4)]), "one sample may have been all of it");
  assert(isMseBetter([estimate(-4, 4), estimate(1.7, 1.2)]));
  assert(!isMseBetter([estimate(-0.3, 0.4), estimate(-1.5, 0.6)]));
  assert(isMseBetter([estimate(-0.03, 0.25)]));
});
