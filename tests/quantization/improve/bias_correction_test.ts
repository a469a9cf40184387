import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  bfloat16,
  computeError,
  correctBias_,
  deepcopy,
  init,
  Linear,
  manualSeed,
  type QuantizedLinear,
  randn,
  ReLU,
  Sequential,
  StaticQuantTensorConfig,
  type Tensor,
  tensor,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { quantized, single } from "../flow.ts";
import { normalBatches, outlierModel, snapshot } from "../outliers.ts";

/** The mean of each column. */
async function columnMeans(y: Tensor): Promise<number[]> {
  const [rows, columns] = y.shape;
  const values = await y.data();
  return Array.from({ length: columns }, (_, j) => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += values[i * columns + j];
    return sum / rows;
  });
}

const narrow = { quantMin: 0, quantMax: 15 };

/** Weights of 16 levels, whose errors do not average out. */
function coarse(model: Sequential, batches: readonly Tensor[]): Promise<Sequential> {
  return quantized(deepcopy(model), uint8, batches, { weight: narrow });
}

eachBackend("correctBias_ brings the means of one layer together", async () => {
  for (const bias of [true, false]) {
    manualSeed(11);
    const float = single(32, 8, { bias });
    const x = randn([64, 32]);
    const model = await coarse(float, [x]);
    const before = (model as unknown as { fc: QuantizedLinear }).fc.bias;
    const wanted = await columnMeans(float.forward(x));
    const got = await columnMeans(model.forward(x));
    const report = await correctBias_(model, float, [x]);
    const after = await columnMeans(model.forward(x));
    wanted.forEach((mean, j) => {
      assertAlmostEquals(after[j], mean, 1e-5);
      assertAlmostEquals(report.layers[0].change[j], mean - got[j], 1e-6);
    });
    const { bias: now } = (model as unknown as { fc: QuantizedLinear }).fc;
    assert(now !== null && now !== before);
    assertEquals(report.layers[0].biasAdded, !bias);
    assertGreater(report.sqnrAfter, report.sqnrBefore);
  }
});

eachBackend("correctBias_ goes layer by layer, each after those before it", async () => {
  manualSeed(12);
  const float = new Sequential({
    fc1: new Linear(16, 32),
    r: new ReLU(),
    fc2: new Linear(32, 8, { bias: false }),
  });
  const batches = normalBatches(3, [32, 16]);
  const model = await coarse(float, batches);
  const untouched = await snapshot(float);
  const before = await computeError(float.forward(batches[0]), model.forward(batches[0]));
  const report = await correctBias_(model, float, batches);
  assertEquals(report.layers.map(({ layer }) => layer), ["fc1", "fc2"]);
  assertGreater(await computeError(float.forward(batches[0]), model.forward(batches[0])), before);
  assertEquals(await snapshot(float), untouched);
  // What is left of the mean error over all batches is rounding.
  const [wanted, got] = [new Float64Array(8), new Float64Array(8)];
  for (const x of batches) {
    (await columnMeans(float.forward(x))).forEach((mean, j) => wanted[j] += mean / 3);
    (await columnMeans(model.forward(x))).forEach((mean, j) => got[j] += mean / 3);
  }
  wanted.forEach((mean, j) => assertAlmostEquals(got[j], mean, 1e-5));
  const again = await correctBias_(model, float, batches);
  assertLess(Math.max(...again.layers.map(({ maxChange }) => maxChange)), 1e-5);
});

Deno.test("correctBias_ takes quantized weights in a Linear, generators and 16-bit models", async () => {
  await init({ device: "cpu" });
  manualSeed(13);
  const float = single(16, 4);
  float.to(bfloat16);
  const batches = normalBatches(2, [32, 16]).map((x) => x.to(bfloat16));
  const model = await quantized(deepcopy(float), uint8, batches, {
    weight: narrow,
    config: (targetDtype) => new StaticQuantTensorConfig({ targetDtype }),
  });
  async function* generated() {
    for (const x of batches) {
      await Promise.resolve();
      using copy = x.clone(); // gone when the next is asked for
      yield [copy];
    }
  }
  const steps: string[] = [];
  const report = await correctBias_(model, float, generated(), {
    onProgress: ({ step, done, total }) => steps.push(`${step} ${done}/${total}`),
  });
  assertEquals((model as unknown as { fc: Linear }).fc.bias!.dtype, bfloat16);
  assertGreater(report.sqnrAfter, report.sqnrBefore);
  assertEquals(steps.at(0), "float model 1/6");
  assertEquals(steps.at(-1), "corrected model 6/6");
});

Deno.test("correctBias_ refuses what does not fit, and changes nothing", async () => {
  await init({ device: "cpu" });
  const float = await outlierModel();
  const batches = normalBatches(2, [8, 64]);
  const model = await coarse(float, batches);
  const before = await snapshot(model);
  const { fc1 } = model as unknown as { fc1: QuantizedLinear };
  const reject = async (run: () => Promise<unknown>, ...parts: string[]) => {
    const { message } = await assertRejects(run, Error);
    for (const part of parts) assertStringIncludes(message, part);
    assertEquals(await snapshot(model), before);
    assertStrictEquals((model as unknown as { fc1: QuantizedLinear }).fc1, fc1);
  };
  await reject(() => correctBias_(model, float, []), "no batch");
  await reject(() => correctBias_(float, float, batches), "no quantized layer");
  await reject(() => correctBias_(float, model, batches), "no float Linear");
  await reject(() => correctBias_(model, single(4, 4), batches), "no module called fc");
  const bad = tensor(new Float32Array(64).fill(NaN), { shape: [1, 64] });
  await reject(() => correctBias_(model, float, [bad]), "fc1 (QuantizedLinear)", "NaN");
  let runs = 0;
  const stop = new AbortController();
  await reject(() =>
    correctBias_(model, float, batches, {
      signal: stop.signal,
      onProgress: () => ++runs === 5 && stop.abort(new Error("enough")),
    }), "enough");
});

Deno.test("a bias correction report prints and draws", async () => {
  await init({ device: "cpu" });
  const float = await outlierModel();
  const batches = normalBatches(1, [8, 64]);
  const report = await correctBias_(await coarse(float, batches), float, batches);
  assertStringIncludes(String(report), "mean |change|");
  assertStringIncludes((await report.figure())!.svg, "before");
});
