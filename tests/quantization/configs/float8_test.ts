/** Layers and tensors of 8-bit floats: what they compute, and that they are saved, compared, ranked and shown. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  AffineQuantizedTensor,
  compareModels,
  compile,
  deepcopy,
  type DType,
  exportOnnx,
  float16,
  float32,
  float8_e4m3fn,
  float8_e5m2,
  Float8DynamicActivationFloat8WeightConfig,
  float8InputQuantizer,
  Float8StaticActivationFloat8WeightConfig,
  Float8WeightOnlyConfig,
  FqnToConfig,
  int8,
  Int8WeightOnlyConfig,
  Linear,
  type LinearActivationQuantizedTensor,
  loadQuantizedModel_,
  loadSafetensors,
  manualSeed,
  PerAxis,
  PerGroup,
  PerRow,
  PerTensor,
  quantize_,
  quantizeAffineFloat8,
  randn,
  ReLU,
  SafetensorsError,
  saveQuantizedModel,
  saveSafetensors,
  sensitivity,
  Sequential,
  StateError,
  type Tensor,
  tensor,
  tensorFromBytes,
  toAffineQuantizedFloat8,
  toAffineQuantizedPerToken,
} from "../../../mod.ts";
import { float8Value } from "../../../lib/numbers/rounding.ts";
import { eachBackend, eachTiling, few } from "../../backends.ts";

const FLOAT8: readonly DType[] = [float8_e4m3fn, float8_e5m2];

const build = () =>
  new Sequential({ fc1: new Linear(40, 24), relu: new ReLU(), fc2: new Linear(24, 8) });

const numbers = async (t: Tensor) => Array.from(await t.data());

const configs = () => [
  new Float8WeightOnlyConfig(),
  new Float8WeightOnlyConfig({ granularity: new PerTensor(), weightDtype: float8_e5m2 }),
  new Float8DynamicActivationFloat8WeightConfig(),
  new Float8DynamicActivationFloat8WeightConfig({
    granularity: [new PerRow(), new PerRow()],
    activationDtype: float8_e5m2,
    activationValueLb: 0.5,
    activationValueUb: 3,
  }),
  new Float8StaticActivationFloat8WeightConfig({ actQuantScale: 4 / 448 }),
];

/** All 256 bytes as a weight of one column. */
function everyByte(dtype: DType): AffineQuantizedTensor {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  return new AffineQuantizedTensor({
    intData: tensorFromBytes(bytes, { shape: [256, 1], dtype }),
    scale: tensor([1]),
    zeroPoint: null,
    blockSize: [256, 1],
    dtype: float32,
  });
}

eachBackend("kernels read every 8-bit float as the number that it is", async (device) => {
  for (const dtype of FLOAT8) {
    const expected = Array.from({ length: 256 }, (_, bits) => float8Value(bits, dtype));
    await eachTiling(device, async () => {
      using weight = everyByte(dtype);
      // Zeros have a sign that a sum need not keep.
      assertEquals(
        (await numbers(weight.linear(tensor([[1]]), null))).map((v) => v + 0),
        expected.map((v) => v + 0),
      );
      assert(weight.isPacked);
      using back = weight.intData();
      assertEquals([...await back.bytes()], Array.from({ length: 256 }, (_, i) => i));
    });
  }
});

eachBackend("products of 8-bit floats are those of their numbers", async (device) => {
  manualSeed(20);
  for (const dtype of FLOAT8) {
    const shapes = [[1, 40, 6], [9, 33, 16], [40, 64, 24]] as const;
    const all = shapes.flatMap((shape) =>
      [new PerTensor(), new PerRow()].map((granularity) => ({ shape, granularity }))
    );
    for (const { shape: [rows, k, n], granularity } of few(all, 2)) {
      const perRow = granularity instanceof PerRow;
      using x = toAffineQuantizedFloat8(randn([rows, k]), { perRow });
      const layer = new Linear(k, n);
      const m = new Sequential({ layer });
      await quantize_(m, new Float8WeightOnlyConfig({ weightDtype: dtype, granularity }));
      const { weight, bias } = m.namedChildren()[0][1] as Linear;
      const w = weight as AffineQuantizedTensor;
      const plain = { x: await numbers(x.dequantize()), w: await numbers(w.dequantize()) };
      const b = await numbers(bias!);
      await eachTiling(device, async () => {
        using y = w.linear(x, bias);
        const actual = await numbers(y);
        for (let i = 0; i < rows * n; i++) {
          let sum = b[i % n];
          for (let t = 0; t < k; t++) {
            sum += plain.x[Math.floor(i / n) * k + t] * plain.w[(i % n) * k + t];
          }
          assert(Math.abs(actual[i] - sum) < 1e-4, `${dtype.name} ${i}: ${actual[i]} for ${sum}`);
        }
      });
    }
  }
});

eachBackend(
  "a row of zeros stays zeros, and what is no number spoils its own row alone",
  async () => {
    const x = tensor([[0, 0], [1, NaN], [2, -4]]);
    using q = toAffineQuantizedFloat8(x, { perRow: true });
    const y = await numbers(q.dequantize());
    assertEquals([y[0], y[1], y[4], y[5]].map((v) => v + 0), [0, 0, 2, -4]);
    assert(Number.isNaN(y[3]));
    const layer = new Linear(4, 2, { bias: false });
    layer.weight = tensor([[0, 0, 0, 0], [1, 2, 3, 4]]);
    const m = new Sequential({ fc: layer });
    await quantize_(
      m,
      new Float8DynamicActivationFloat8WeightConfig({ granularity: new PerRow() }),
    );
    const [zero, thirty] = await numbers(m.forward(tensor([[1, 2, 3, 4]])));
    assertEquals(zero, 0);
    assert(Math.abs(thirty - 30) < 1);
  },
);

eachBackend("float8 models are saved, loaded, copied and moved bit for bit", async (device) => {
  manualSeed(21);
  for (const config of few(configs(), 2)) {
    const model = build();
    const float = model.stateDict()["fc1.weight"].nbytes;
    await quantize_(model, config);
    const x = randn([5, 40]);
    const expected = await numbers(model.forward(x));
    const { weight } = model.namedChildren()[0][1] as Linear;
    assert((weight as { nbytes: number }).nbytes < float / 2);
    const other = build();
    loadQuantizedModel_(other, await saveQuantizedModel(model));
    assertEquals(await numbers(other.forward(x)), expected);
    assertEquals(await numbers(deepcopy(model).forward(x)), expected);
    assertEquals(String(other), String(model));
    assert(String(model).includes("float8_e"));
    const third = build();
    await quantize_(third, config);
    third.loadStateDict(loadSafetensors(await saveSafetensors(model.stateDict()), { device }));
    assertEquals(await numbers(third.forward(x)), expected);
    const there = await deepcopy(model).to("cpu");
    const moved = await numbers(there.forward(await x.to("cpu")));
    expected.forEach((v, i) => assert(Math.abs(v - moved[i]) < 1e-4));
  }
});

eachBackend("float8 layers of half precision give half precision", async () => {
  manualSeed(22);
  for (const config of few(configs(), 2)) {
    const model = build().to(float16);
    const x = randn([3, 40]).to(float16);
    const before = await numbers(model.forward(x));
    await quantize_(model, config);
    const y = model.forward(x);
    assertEquals(y.dtype, float16);
    const after = await numbers(y);
    const worst = Math.max(...before.map((v, i) => Math.abs(v - after[i])));
    assert(worst < 0.4, `${config.constructor.name}: ${worst}`);
  }
});

eachBackend("float8 configs are compared, ranked, mixed by name and compiled", async (device) => {
  manualSeed(23);
  const inputs = [randn([16, 40])];
  const float = build();
  for (const config of few(configs(), 2)) {
    const model = deepcopy(float);
    await quantize_(model, config);
    const { layers, outputSqnr } = await compareModels(float, model, inputs);
    assert(outputSqnr > 12 && outputSqnr < 60, `${config.constructor.name}: ${outputSqnr}`);
    assert(
      layers.every(({ weightSqnr, weightClipped }) => weightSqnr! > 20 && weightClipped === 0),
    );
    if (device === "cpu") continue;
    const compiled = compile(model);
    const [expected, actual] = [
      await numbers(model.forward(inputs[0])),
      await numbers(compiled.forward(inputs[0])),
    ];
    assertEquals(actual, expected);
  }
  const report = await sensitivity(float, inputs, new Float8StaticActivationFloat8WeightConfig());
  assert(report.layers.every(({ sqnr, bytes, floatBytes }) => sqnr > 20 && bytes < floatBytes / 2));
  const mixed = deepcopy(float);
  const byName = new FqnToConfig({
    "re:fc1": new Float8WeightOnlyConfig({ granularity: new PerRow() }),
    _default: new Int8WeightOnlyConfig(),
  });
  assertEquals(await quantize_(mixed, byName), ["fc1", "fc2"]);
});

eachBackend("static float8 goes its steps, and takes a saved state", async (device) => {
  manualSeed(24);
  const config = (step: "prepare" | "convert" | "prepare_for_loading") =>
    new Float8StaticActivationFloat8WeightConfig({ step });
  const model = build();
  const float = deepcopy(model);
  const x = randn([8, 40]);
  await quantize_(model, config("prepare"));
  model.forward(x);
  assertEquals(await quantize_(model, config("convert")), ["fc1", "fc2"]);
  assert((await compareModels(float, model, [x])).outputSqnr > 20);
  const other = build();
  await quantize_(other, config("prepare_for_loading"));
  other.loadStateDict(loadSafetensors(await saveSafetensors(model.stateDict()), { device }));
  assertEquals(await numbers(other.forward(x)), await numbers(model.forward(x)));
});

eachBackend("what has no float8 form is refused with a sentence", async (device) => {
  const wrong = { weightDtype: int8 };
  assertThrows(() => new Float8WeightOnlyConfig(wrong), TypeError, "must be float8_e4m3fn or");
  assertThrows(
    () => new Float8DynamicActivationFloat8WeightConfig({ activationDtype: float32 }),
    TypeError,
    "activationDtype must be float8_e4m3fn or",
  );
  for (
    const [make, message] of [
      [() => new Float8WeightOnlyConfig({ granularity: new PerAxis(0) }), "PerRow or PerGroup"],
      [() => new Float8WeightOnlyConfig({ granularity: new PerGroup(8) }), "a multiple of 16"],
      [
        () =>
          new Float8DynamicActivationFloat8WeightConfig({
            granularity: [new PerTensor(), new PerRow()],
          }),
        "granularities of one kind",
      ],
      [
        () => new Float8StaticActivationFloat8WeightConfig({ granularity: new PerRow() }),
        "granularity must be PerTensor",
      ],
      [() => float8InputQuantizer({ valueLb: 0 }), "valueLb must be a finite number above 0"],
      [() => float8InputQuantizer({ valueLb: 3, valueUb: 2 }), "lies above valueUb"],
    ] as const
  ) assertThrows(make, RangeError, message);
  const kernel = { kernelPreference: "cutlass" as never };
  assertThrows(() => new Float8StaticActivationFloat8WeightConfig(kernel), TypeError, `"mslk"`);
  assertThrows(() => quantizeAffineFloat8(tensor([1]), [1], tensor([1]), int8), TypeError);
  const groups = new Float8WeightOnlyConfig({ granularity: new PerGroup(32) });
  await assertRejects(() => quantize_(build(), groups), RangeError, "does not divide");
  const spoilt = build();
  (spoilt.namedChildren()[0][1] as Linear).weight = tensor(
    Float32Array.from({ length: 24 * 40 }, (_, i) => i === 7 ? NaN : 1),
    { shape: [24, 40], device },
  );
  await assertRejects(
    () => quantize_(spoilt, new Float8WeightOnlyConfig()),
    RangeError,
    "the weight of fc1 (Linear) holds a NaN",
  );
  const model = build();
  await quantize_(model, new Float8DynamicActivationFloat8WeightConfig());
  await assertRejects(() => exportOnnx(model, [randn([1, 40])]), TypeError, "no ONNX form");
  const { weight } = model.namedChildren()[0][1] as Linear;
  using q = toAffineQuantizedPerToken(randn([2, 40]));
  const own = (weight as LinearActivationQuantizedTensor).originalWeight;
  assertThrows(() => own.linear(q, null), RangeError, "takes inputs of 8-bit floats");
});

eachBackend("files with float8 layers are not believed", async () => {
  manualSeed(25);
  const model = build();
  await quantize_(model, new Float8DynamicActivationFloat8WeightConfig());
  const file = await saveQuantizedModel(model);
  const text = Array.from(file, (b) => String.fromCharCode(b)).join("");
  const changed = (from: string, to: string) => {
    assertEquals(from.length, to.length);
    assert(text.includes(from));
    return Uint8Array.from(text.replace(from, to), (c) => c.charCodeAt(0));
  };
  for (
    const [from, to] of [[`perTensor\\":true`, `perTensor\\":null`], [
      `quantMin\\":-448`,
      `quantMin\\":-449`,
    ]]
  ) {
    const bad = changed(from, to);
    assertThrows(() => loadQuantizedModel_(build(), bad), SafetensorsError, "fc1");
  }
  // A NaN among the weights.
  const start = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(text.slice(8, start));
  const at = start + header["fc1.weight.intData"].data_offsets[0];
  const spoilt = file.slice();
  spoilt[at] = 0x7f;
  assertThrows(() => loadQuantizedModel_(build(), spoilt), StateError, "is NaN, beyond -448 … 448");
});
