/** SmoothQuant by steps: what it wins, and that its layers are saved, compared, exported and refused. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type AOBaseConfig,
  compareModels,
  computeError,
  deepcopy,
  exportOnnx,
  Float8StaticActivationFloat8WeightConfig,
  FqnToConfig,
  init,
  int8,
  Int8DynamicActivationInt8WeightConfig,
  Int8StaticActivationInt8WeightConfig,
  Int8WeightOnlyConfig,
  Linear,
  loadQuantizedModel_,
  loadSafetensors,
  manualSeed,
  type Module,
  quantize_,
  randn,
  saveQuantizedModel,
  saveSafetensors,
  Sequential,
  SmoothQuantConfig,
  SmoothQuantObservedLinear,
  type SmoothQuantOptions,
  StateError,
  StaticQuantConfig,
  type Tensor,
  tensor,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { runFile } from "../../onnx/model.ts";
import { normalBatches, outlierModel } from "../outliers.ts";

const numbers = async (t: Tensor) => Array.from(await t.data());

const bases = (): AOBaseConfig[] => [
  new Int8DynamicActivationInt8WeightConfig(),
  new Int8StaticActivationInt8WeightConfig(),
  new StaticQuantConfig({ targetDtype: uint8, weightDtype: int8 }),
  new Float8StaticActivationFloat8WeightConfig(),
];

/** A copy of a model that went through both steps. */
async function smoothed(
  float: Module,
  batches: readonly Tensor[],
  options: Omit<SmoothQuantOptions, "step">,
): Promise<Sequential> {
  const model = deepcopy(float) as Sequential;
  await quantize_(model, new SmoothQuantConfig({ ...options, step: "prepare" }));
  batches.forEach((x) => model.forward(x).dispose());
  await quantize_(model, new SmoothQuantConfig({ ...options, step: "convert" }));
  return model;
}

const weightOf = (model: Module) => (model.namedChildren().at(-1)![1] as Linear).weight;

eachBackend("smoothing wins decibels where a few features are large", async (device) => {
  const float = await outlierModel(device);
  const batches = normalBatches(2, [32, 64], device);
  const x = randn([32, 64], { device });
  const expected = float.forward(x);
  const baseConfig = new Int8StaticActivationInt8WeightConfig();
  const sqnr = async (alpha: number | null) =>
    await computeError(
      expected,
      (await smoothed(float, batches, { baseConfig, alpha })).forward(x),
    );
  const [plain, half] = [await sqnr(null), await sqnr(0.5)];
  assert(half > plain + 4, `${plain} dB without, ${half} with`);
  // Without smoothing it is the base config.
  const base = deepcopy(float);
  await quantize_(base, new Int8StaticActivationInt8WeightConfig({ step: "prepare" }));
  batches.forEach((x) => base.forward(x).dispose());
  await quantize_(base, new Int8StaticActivationInt8WeightConfig({ step: "convert" }));
  assertAlmostEquals(await computeError(expected, base.forward(x)), plain, 1e-3);
});

eachBackend("smoothed models are saved, loaded, copied and compared", async (device) => {
  const float = await outlierModel(device);
  const batches = normalBatches(2, [16, 64], device);
  const x = randn([5, 64], { device });
  for (const baseConfig of bases()) {
    const model = await smoothed(float, batches, { baseConfig });
    const expected = await numbers(model.forward(x));
    assertEquals(await numbers(deepcopy(model).forward(x)), expected);
    assert(String(model).includes("act_pre_scale=[128]"), String(model));

    const loaded = deepcopy(float);
    loadQuantizedModel_(loaded, await saveQuantizedModel(model));
    assertEquals(await numbers(loaded.forward(x)), expected);

    const prepared = deepcopy(float);
    const step = "prepare_for_loading";
    assertEquals(
      await quantize_(prepared, new SmoothQuantConfig({ baseConfig, step })),
      ["fc1", "fc2"],
    );
    const state = loadSafetensors(await saveSafetensors(model.stateDict()), { device });
    prepared.loadStateDict(state);
    assertEquals(await numbers(prepared.forward(x)), expected);

    const { layers, outputSqnr } = await compareModels(float, model, [x]);
    assertEquals(layers.map(({ layer }) => layer), ["fc1", "fc2"]);
    assert(outputSqnr > 18, `${baseConfig.constructor.name}: ${outputSqnr}`);
    for (const { weightSqnr, weightClipped } of layers) {
      assert(weightSqnr! > 20 && weightClipped! < 0.03, `${weightSqnr} ${weightClipped}`);
    }
    const moved = await deepcopy(model).to("cpu");
    const there = await numbers(moved.forward(await x.to("cpu")));
    const largest = Math.max(...expected.map(Math.abs));
    expected.forEach((v, i) => assert(Math.abs(v - there[i]) < 0.02 * largest));
  }
});

Deno.test("smoothed layers are exported, and onnxruntime computes them", async () => {
  await init({ device: "cpu" });
  const float = await outlierModel();
  const batches = normalBatches(2, [16, 64]);
  for (const baseConfig of bases().slice(0, 3)) {
    const model = await smoothed(float, batches, { baseConfig });
    const file = await exportOnnx(model, randn([2, 64]));
    const x = randn([7, 64]);
    const expected = model.forward(x);
    const actual = tensor(await runFile(file, x), { shape: expected.shape });
    assert(await computeError(expected, actual) > 45);
  }
});

eachBackend("a feature without any signal, and layers that share a weight", async (device) => {
  manualSeed(9);
  const fc1 = new Linear(8, 8);
  const fc2 = new Linear(8, 8, { weight: fc1.weight, bias: null });
  const float = new Sequential({ fc1, fc2 });
  const x = tensor([[0, 1, -2, 3, 0, 0.5, 9, 1], [0, 2, 1, -1, 0, 0.25, 30, 2]]);
  const options = { baseConfig: new Int8DynamicActivationInt8WeightConfig() };
  const model = await smoothed(float, [x], options);
  assert(await computeError(float.forward(x), model.forward(x)) > 25);
  const prepared = deepcopy(float);
  await quantize_(prepared, new SmoothQuantConfig({ ...options, step: "prepare_for_loading" }));
  prepared.loadStateDict(loadSafetensors(await saveSafetensors(model.stateDict()), { device }));
  assertEquals(await numbers(prepared.forward(x)), await numbers(model.forward(x)));
});

eachBackend("the steps between change nothing, and what was not prepared stays", async () => {
  manualSeed(10);
  const model = new Sequential({ fc1: new Linear(8, 8), fc2: new Linear(8, 4) });
  const baseConfig = new Int8DynamicActivationInt8WeightConfig();
  const only = (_: Module, name: string) => name === "fc2";
  await quantize_(model, new SmoothQuantConfig({ baseConfig, step: "prepare" }), only);
  const [[, first], [, second]] = model.namedChildren();
  assert(second instanceof SmoothQuantObservedLinear);
  for (const step of ["SMOOTHING_FACTOR", "ACTIVATION_SCALES"] as const) {
    const between = new SmoothQuantConfig({
      baseConfig,
      step: `PREPARE_FOR_SMOOTHQUANT_${step}`,
    });
    assertEquals(await quantize_(model, between), []);
  }
  assertEquals(model.namedChildren().map(([, m]) => m), [first, second]);
  const convert = new SmoothQuantConfig({ baseConfig, step: "convert" });
  await assertRejects(() => quantize_(model, convert), Error, "before any data");
  model.forward(randn([3, 8]));
  assertEquals(await quantize_(model, convert), ["fc2"]);
  assertEquals(model.namedChildren()[0][1], first);
});

eachBackend("what cannot be smoothed is refused with a sentence", async () => {
  manualSeed(11);
  const make = (options: Partial<SmoothQuantOptions>) => () =>
    new SmoothQuantConfig({ baseConfig: bases()[0], step: "prepare", ...options });
  const refused: [Partial<SmoothQuantOptions>, string][] = [
    [{ baseConfig: undefined }, "config must say how to quantize"],
    [{ baseConfig: new FqnToConfig({}) }, "must be for one module"],
    [
      { baseConfig: new Int8StaticActivationInt8WeightConfig({ step: "prepare" }) },
      `with the step "prepare"`,
    ],
    [{ step: "smooth" as never }, "step is"],
  ];
  for (const [options, message] of refused) assertThrows(make(options), TypeError, message);
  assertThrows(make({ alpha: 1.5 }), RangeError, "from 0 to 1");
  const float = new Sequential({ fc: new Linear(8, 8) });
  await assertRejects(
    () => smoothed(float, [randn([2, 8])], { baseConfig: new Int8WeightOnlyConfig() }),
    TypeError,
    "nothing to smooth",
  );
});

eachBackend("a file whose factors are damaged is not loaded", async (device) => {
  const float = await outlierModel(device);
  const batches = normalBatches(1, [4, 64], device);
  const model = await smoothed(float, batches, { baseConfig: bases()[0] });
  const file = await saveQuantizedModel(model);
  const text = new TextDecoder("latin1").decode(file);
  const start = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const { data_offsets: [at] } = JSON.parse(text.slice(8, start))["fc1.actPreScale"];
  const spoilt = file.slice();
  spoilt.set([0, 0, 0x80, 0x7f], start + at);
  assertThrows(() => loadQuantizedModel_(deepcopy(float), spoilt), StateError, "is Infinity");
  assertEquals(weightOf(float).constructor.name, "Tensor");
});
