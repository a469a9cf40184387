import { assertAlmostEquals, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  AOBaseConfig,
  computeError,
  deepcopy,
  FqnToConfig,
  init,
  insertObservers_,
  int8,
  Int8StaticActivationInt8WeightConfig,
  isObservedLinear,
  Linear,
  manualSeed,
  PerAxis,
  PerTensor,
  quantize_,
  registerQuantizeModuleHandler,
  ReLU,
  sensitivity,
  Sequential,
  StaticQuantConfig,
  StaticQuantTensorConfig,
  type Tensor,
  tensor,
  toAffineQuantizedIntxStatic,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { minMax, single } from "../flow.ts";
import { normalBatches, snapshot } from "../outliers.ts";

function mlp(): Sequential {
  manualSeed(31);
  return new Sequential({
    a: new Linear(16, 32),
    r: new ReLU(),
    b: new Linear(32, 16),
    c: new Linear(16, 4, { bias: false }),
  });
}

/** The same the long way: one layer observed, calibrated and quantized in a copy. */
async function alone(float: Sequential, name: string, batches: Tensor[]): Promise<number> {
  const model = deepcopy(float);
  const only = (_: unknown, fullName: string) => fullName === name;
  insertObservers_(
    model,
    minMax("ASYMMETRIC", uint8),
    minMax("ASYMMETRIC", uint8, { granularity: new PerAxis(0) }),
    only,
  );
  for (const x of batches) model.forward(x);
  await quantize_(model, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
  const join = async (m: Sequential) => {
    const parts = await Promise.all(batches.map((x) => m.forward(x).data()));
    return tensor(parts.flatMap((part) => [...part]));
  };
  return await computeError(await join(float), await join(model));
}

eachBackend("sensitivity quantizes one layer at a time", async () => {
  const model = mlp();
  const batches = normalBatches(2, [16, 16]);
  const before = await snapshot(model);
  const fields = Object.values(model);
  const config = new StaticQuantConfig({ targetDtype: uint8 });
  const steps: (number | undefined)[][] = [];
  const report = await sensitivity(model, batches.values(), config, {
    onProgress: ({ done, total }) => steps.push([done, total]),
  });
  assertEquals(await snapshot(model), before);
  assertEquals(Object.values(model), fields);
  assertEquals(report.layers.length, 3);
  for (const { layer, sqnr } of report.layers) {
    assertAlmostEquals(sqnr, await alone(model, layer, batches), 1e-9);
  }
  const order = report.layers.map(({ sqnr }) => sqnr);
  assertEquals(order, order.toSorted((x, y) => x - y));
  assertEquals(steps.at(-1), [10, 10]);
  const a = report.layers.find(({ layer }) => layer === "a")!;
  assertEquals(a.floatBytes, 4 * (16 * 32 + 32));
  // integers, their sums, scales, zero points and bias; the input's scale and zero point
  assertEquals(a.bytes, 16 * 32 + 4 * 32 * 4 + 8);
});

Deno.test("sensitivity takes other configs, other observers and a choice of layers", async () => {
  await init({ device: "cpu" });
  const model = mlp();
  const batches = normalBatches(1, [16, 16]);

  class Rounded extends AOBaseConfig {}
  const seen: string[] = [];
  // A handler that changes the layer that it is given, as one may.
  registerQuantizeModuleHandler(Rounded, (module) => {
    const layer = module as Linear & { weight: Tensor };
    seen.push(layer.fullName);
    const block = layer.weight.shape;
    const weight = toAffineQuantizedIntxStatic(layer.weight, tensor([0.02]), null, block, int8);
    return Object.assign(layer, { weight });
  });
  const before = await snapshot(model);
  const rounded = await sensitivity(model, batches, new Rounded(), { layers: ["a", "c"] });
  assertEquals(rounded.layers.map(({ layer }) => layer).toSorted(), ["a", "c"]);
  assertEquals(seen, ["a", "c"]);
  assertEquals(await snapshot(model), before);

  const observer = (granularity: PerTensor | PerAxis) =>
    new AffineQuantizedMinMaxObserver("SYMMETRIC", int8, { granularity });
  const observers = { activation: observer(new PerTensor()), weight: observer(new PerAxis(0)) };
  for (const config of [StaticQuantConfig, StaticQuantTensorConfig]) {
    const report = await sensitivity(model, batches, new config({ targetDtype: int8 }), {
      observers,
      layers: (_, name) => name === "b",
    });
    assertEquals(report.layers.map(({ layer }) => layer), ["b"]);
    assertStringIncludes(report.config, "targetDtype=int8");
  }
});

Deno.test("sensitivity takes a config for each layer, and leaves what has none", async () => {
  await init({ device: "cpu" });
  const model = mlp();
  const batches = normalBatches(2, [16, 16]);
  const config = new FqnToConfig({
    a: new StaticQuantConfig({ targetDtype: uint8 }),
    b: new Int8StaticActivationInt8WeightConfig(),
    "re:c": null,
  });
  const { layers } = await sensitivity(model, batches, config);
  assertEquals(layers.at(-1)!.layer, "c");
  assertEquals(layers.at(-1)!.sqnr, Infinity);
  const a = layers.find(({ layer }) => layer === "a")!;
  assertAlmostEquals(a.sqnr, await alone(model, "a", batches), 1e-9);
  // A key that names nothing is passed over, as quantize_ does.
  const said: string[] = [];
  const { warn } = console;
  console.warn = (message: string) => said.push(message);
  try {
    const rest = await sensitivity(model, batches, new FqnToConfig({ z: null }));
    assertEquals(rest.layers.map(({ sqnr }) => sqnr), [Infinity, Infinity, Infinity]);
  } finally {
    console.warn = warn;
  }
  assertStringIncludes(said[0], "z matches none");
});

Deno.test("sensitivity refuses bad input, and leaves the model alone", async () => {
  await init({ device: "cpu" });
  const model = mlp();
  const batches = normalBatches(2, [4, 16]);
  const before = await snapshot(model);
  const config = new StaticQuantConfig({ targetDtype: uint8 });
  const reject = async (run: () => Promise<unknown>, ...parts: string[]) => {
    const { message } = await assertRejects(run, Error);
    for (const part of parts) assertStringIncludes(message, part);
    assertEquals(await snapshot(model), before);
  };
  await reject(() => sensitivity(model, [], config), "no batch");
  await reject(() => sensitivity(model, batches, config, { layers: ["x.y"] }), "x.y", "a (Linear)");
  await reject(() => sensitivity(model, batches, config, { layers: ["r"] }), "r (ReLU)");
  await reject(() => sensitivity(model, batches, config, { layers: () => false }), "no layer");
  class Unknown extends AOBaseConfig {}
  await reject(() => sensitivity(model, batches, new Unknown()), "no handler");
  const nan = tensor(new Float32Array(16).fill(NaN), { shape: [1, 16] });
  await reject(() => sensitivity(model, [nan], config), "a.actObs", "NaN");
  const stop = new AbortController();
  await reject(() =>
    sensitivity(model, batches, config, {
      signal: stop.signal,
      onProgress: ({ done }) => done === 6 && stop.abort(new Error("enough")),
    }), "enough");
  await assertRejects(() => sensitivity(single(4, 4), batches, config), RangeError, "inFeatures");
});

Deno.test("a sensitivity report prints and draws", async () => {
  await init({ device: "cpu" });
  const config = new StaticQuantConfig({ targetDtype: uint8 });
  const report = await sensitivity(mlp(), normalBatches(1, [4, 16]), config);
  assertStringIncludes(String(report), "StaticQuantConfig(targetDtype=uint8)");
  assertStringIncludes((await report.figure())!.svg, "dB");
});
