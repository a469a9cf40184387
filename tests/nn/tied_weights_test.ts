/** Layers that hold one weight go on holding one, whatever is done to the model. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  type AOBaseConfig,
  backendFor,
  compile,
  deepcopy,
  float16,
  init,
  insertObservers_,
  Int4WeightOnlyConfig,
  int8,
  Int8DynamicActivationInt8WeightConfig,
  Int8StaticActivationInt8WeightConfig,
  Int8WeightOnlyConfig,
  isObservedLinear,
  Linear,
  type LinearActivationQuantizedTensor,
  loadSafetensors,
  MappingType,
  Module,
  PerAxis,
  PerTensor,
  quantize_,
  type QuantizedLinear,
  randn,
  saveSafetensors,
  Sequential,
  StaticQuantConfig,
  StaticQuantTensorConfig,
  type Tensor,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

/** An embedding's way in and out: one weight, two biases. */
class Tied extends Module {
  a = new Linear(32, 32);
  b = new Linear(32, 32);
  c = new Linear(32, 32);
  constructor() {
    super();
    this.b.weight = this.a.weight;
  }
  override forward(x: Tensor): Tensor {
    return this.c.forward(this.b.forward(this.a.forward(x)));
  }
}

eachBackend("a state dict with both names or one leaves them tied", async (device) => {
  const m = new Tied();
  const x = randn([2, 32], { device });
  const expected = await m.forward(x).data();
  const whole = m.stateDict();
  for (const missing of [[], ["a.weight"], ["b.weight"]]) {
    const state = { ...whole };
    for (const name of missing) delete state[name];
    for (const saved of [state, loadSafetensors(await saveSafetensors(state), { device })]) {
      const other = new Tied();
      other.loadStateDict(saved);
      assertStrictEquals(other.a.weight, other.b.weight);
      assert(other.a.weight !== m.a.weight);
      assertEquals(await other.forward(x).data(), expected);
    }
  }
  const neither = { ...whole };
  delete neither["a.weight"];
  delete neither["b.weight"];
  assertThrows(
    () => new Tied().loadStateDict(neither),
    Error,
    "missing: a.weight\n  missing: b.weight",
  );
  assertThrows(
    () => new Tied().loadStateDict({ ...whole, "a.weight": zeros([3]) }),
    Error,
    "shape of a.weight",
  );
});

eachBackend("of two tensors for one weight the last counts, as in PyTorch", async (device) => {
  const m = new Tied();
  const last = randn([32, 32], { device });
  m.loadStateDict({ ...m.stateDict(), "a.weight": zeros([32, 32], { device }), "b.weight": last });
  assertStrictEquals(m.a.weight, m.b.weight);
  assertEquals(await (m.a.weight as Tensor).data(), await last.data());
});

eachBackend("a model that is not tied is not tied by a state dict that is", () => {
  const shared = new Tied().stateDict();
  const free = new Tied();
  free.b.weight = (free.a.weight as Tensor).clone().keep();
  free.loadStateDict(shared);
  assert(free.a.weight !== free.b.weight);
});

eachBackend("casting, copying and moving leave them tied", async (device) => {
  const m = deepcopy(new Tied());
  assertStrictEquals(m.a.weight, m.b.weight);
  m.to(float16);
  assertStrictEquals(m.a.weight, m.b.weight);
  await m.to(device === "cpu" ? "webgpu" : "cpu");
  assertStrictEquals(m.a.weight, m.b.weight);
});

const weightOf = (layer: Module) => {
  const { weight, qweight } = layer as { weight?: unknown; qweight?: unknown };
  return (weight as LinearActivationQuantizedTensor)?.originalWeight ?? weight ?? qweight;
};

const configs: Record<string, AOBaseConfig> = {
  int8: new Int8WeightOnlyConfig(),
  int4: new Int4WeightOnlyConfig({ groupSize: 32 }),
  dynamic: new Int8DynamicActivationInt8WeightConfig(),
  static: new Int8StaticActivationInt8WeightConfig({ actQuantScale: 0.05 }),
};

for (const [name, config] of Object.entries(configs)) {
  eachBackend(`quantize_ leaves them tied: ${name}`, async (device) => {
    const apart = new Tied();
    const m = new Tied();
    m.loadStateDict(apart.stateDict());
    apart.b.weight = (apart.a.weight as Tensor).clone().keep();
    await quantize_(m, config);
    await quantize_(apart, config);
    const x = randn([3, 32], { device });
    const y = await m.forward(x).data();
    assertEquals(y, await apart.forward(x).data());
    assertStrictEquals(weightOf(m.a), weightOf(m.b));
    assert(weightOf(m.a) !== weightOf(m.c) && weightOf(apart.a) !== weightOf(apart.b));
    const copy = deepcopy(m);
    assertStrictEquals(weightOf(copy.a), weightOf(copy.b));
    assert(weightOf(copy.a) !== weightOf(m.a));
    assertEquals(await copy.forward(x).data(), y);
  });
}

for (const Config of [StaticQuantConfig, StaticQuantTensorConfig]) {
  eachBackend(`observed layers stay tied: ${Config.name}`, async (device) => {
    const m = new Tied();
    const observer = (granularity: PerTensor | PerAxis) =>
      new AffineQuantizedMinMaxObserver(MappingType.SYMMETRIC, int8, { granularity });
    insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0)));
    assertStrictEquals(m.a.weight, m.b.weight);
    const x = randn([8, 32], { device });
    const float = await m.forward(x).data();
    await quantize_(m, new Config({ targetDtype: int8 }), isObservedLinear);
    assertStrictEquals(weightOf(m.a), weightOf(m.b));
    const y = await m.forward(x).data();
    assert(y.every((v, i) => Math.abs(v - float[i]) < 0.1));
    const copy = deepcopy(m);
    assertStrictEquals(weightOf(copy.a), weightOf(copy.b));
    assertEquals(await copy.forward(x).data(), y);
  });
}

eachBackend("a layer in two places stays one", async (device) => {
  const layer = new Linear(32, 32, { device });
  const m = new Sequential({ first: layer, again: layer });
  const observer = (granularity: PerTensor | PerAxis) =>
    new AffineQuantizedMinMaxObserver(MappingType.SYMMETRIC, int8, { granularity });
  assertEquals(insertObservers_(m, observer(new PerTensor()), observer(new PerAxis(0))), [
    "first",
    "again",
  ]);
  const [[, first], [, again]] = m.namedChildren();
  assertStrictEquals(first, again);
  m.forward(randn([8, 32], { device }));
  const { liveBuffers } = backendFor(device).memory();
  await quantize_(m, new StaticQuantConfig({ targetDtype: int8 }), isObservedLinear);
  assert(backendFor(device).memory().liveBuffers < liveBuffers + 12);
  const [[, q], [, p]] = m.namedChildren();
  assertStrictEquals(q as QuantizedLinear, p as QuantizedLinear);
});

Deno.test("moving a quantized model leaves its weights tied", async () => {
  await init({ device: "webgpu" });
  const m = new Tied();
  await quantize_(m, new Int8WeightOnlyConfig());
  const x = randn([2, 32]);
  const expected = await m.forward(x).data();
  await m.to("cpu");
  assertStrictEquals(m.a.weight, m.b.weight);
  const y = await m.forward(await x.to("cpu")).data();
  assert(y.every((v, i) => Math.abs(v - expected[i]) < 1e-4));
  using compiled = compile(m, { backend: "onnxruntime" });
  const z = await (await compiled.forward(await x.to("cpu"))).data();
  assert(z.every((v, i) => Math.abs(v - expected[i]) < 1e-3));
});
