/** Layers that hand bytes on: observing, quantizing, analysing, saving, loading and compiling them. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  AdaptiveAvgPool2d,
  Add,
  add,
  AffineQuantizedMinMaxObserver,
  AvgPool2d,
  Cat,
  compareModels,
  compile,
  computeError,
  Conv2d,
  correctBias_,
  deepcopy,
  Flatten,
  GELU,
  type Granularity,
  Hardswish,
  init,
  insertObservers_,
  int8,
  isObserved,
  Linear,
  loadQuantizedModel_,
  manualSeed,
  MappingType,
  MaxPool2d,
  Module,
  Mul,
  PerAxis,
  PerTensor,
  PReLU,
  quantize_,
  QuantizedAdd,
  type QuantizedConv2d,
  randn,
  ReLU,
  removeObservers_,
  saveQuantizedModel,
  searchConfig,
  sensitivity,
  Sequential,
  Sigmoid,
  StateError,
  StaticQuantConfig,
  Tensor,
  tensor,
  tidy,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";

/** A residual block, squeeze and excitation, a concatenation, and a head. */
class Net extends Module {
  stem = new Sequential(new Conv2d(3, 8, 3, { padding: 1 }), new ReLU(), new MaxPool2d(2));
  conv = new Conv2d(8, 8, 3, { padding: 1, groups: 8 });
  act = new Hardswish();
  skip = new Add({ relu: true });
  squeeze = new AdaptiveAvgPool2d(1);
  excite = new Sequential(new Conv2d(8, 4, 1), new PReLU(), new Conv2d(4, 8, 1));
  gate = new Sigmoid();
  scale = new Mul();
  cat = new Cat(1);
  pool = new AvgPool2d(2);
  flat = new Flatten();
  head = new Sequential(new Linear(64, 32), new GELU(), new Linear(32, 10));
  override forward(x: Tensor): Tensor {
    const a = this.stem.forward(x);
    const b = this.skip.forward(a, this.act.forward(this.conv.forward(a)));
    const gate = this.gate.forward(this.excite.forward(this.squeeze.forward(b)));
    const c = this.cat.forward(b, this.scale.forward(b, gate));
    return this.head.forward(this.flat.forward(this.pool.forward(c)));
  }
}

const observer = (granularity: Granularity, dtype = uint8) =>
  new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, dtype, { granularity });
const activationPostProcess = observer(new PerTensor());
const batches = () => [1, 2].map(() => randn([2, 3, 8, 8]));

async function quantized(float: Module, inputs: readonly Tensor[]): Promise<Module> {
  const model = deepcopy(float);
  const weights = observer(new PerAxis(0), int8);
  insertObservers_(model, observer(new PerTensor()), weights, undefined, { activationPostProcess });
  for (const x of inputs) tidy(() => model.forward(x)).dispose();
  await quantize_(
    model,
    new StaticQuantConfig({ targetDtype: uint8, weightDtype: int8 }),
    isObserved,
  );
  return model;
}

/** The classes of a model's quantized layers, by name. */
function kindsOf(model: Module): Record<string, string> {
  const layers = model.namedModules().filter(([, { constructor: { name } }]) =>
    name.startsWith("Quantized")
  );
  return Object.fromEntries(layers.map(([name, module]) => [name, module.constructor.name]));
}

const KINDS = {
  "stem.0": "QuantizedConv2d",
  "conv": "QuantizedConv2d",
  "act": "QuantizedTable",
  "skip": "QuantizedAdd",
  "squeeze": "QuantizedPool",
  "excite.0": "QuantizedConv2d",
  "excite.1": "QuantizedTable",
  "excite.2": "QuantizedConv2d",
  "gate": "QuantizedTable",
  "scale": "QuantizedMul",
  "cat": "QuantizedCat",
  "pool": "QuantizedPool",
  "head.0": "QuantizedLinear",
  "head.1": "QuantizedTable",
  "head.2": "QuantizedLinear",
};

eachBackend("bytes stay bytes from layer to layer", async (device) => {
  manualSeed(11);
  const float = new Net();
  const inputs = batches();
  const model = await quantized(float, inputs);
  assertEquals(kindsOf(model), KINDS);
  // Every layer but the first gets bytes that it takes as they are.
  const seen = new Set<string>();
  for (const [name, module] of model.namedModules()) {
    if (!Object.hasOwn(KINDS, name)) continue;
    const forward = module.forward.bind(module);
    Object.defineProperty(module, "forward", {
      configurable: true,
      value: (...xs: Tensor[]) => {
        if (xs.every((x) => x.isQuantized)) seen.add(name);
        return forward(...xs);
      },
    });
  }
  using y = tidy(() => model.forward(inputs[0]));
  assertEquals([...seen].sort(), Object.keys(KINDS).filter((name) => name !== "stem.0").sort());
  for (const name of Object.keys(KINDS)) {
    delete (new Map(model.namedModules()).get(name) as Partial<Module>).forward;
  }
  assert(y.isQuantized && y.qDtype() === uint8);
  using exact = tidy(() => float.forward(inputs[0]));
  assert(await computeError(exact, y).then(Number) > 25);

  // Bytes are only a way to keep numbers: floats of the same values give the same.
  const block = model as Net;
  using a = tidy(() => block.stem.forward(inputs[0]));
  assert(a.isQuantized);
  using plain = tensor(await a.data(), { shape: a.shape, device });
  using fromBytes = block.conv.forward(a);
  using fromFloats = block.conv.forward(plain);
  assertEquals(await fromFloats.bytes(), await fromBytes.bytes());
});

Deno.test("compiled, they give the same bits", async () => {
  manualSeed(12);
  await init({ device: "webgpu" });
  const inputs = batches();
  const model = await quantized(new Net(), inputs);
  using compiled = compile(model);
  for (const x of [...inputs, ...batches()]) {
    using expected = tidy(() => model.forward(x));
    using y = compiled.forward(x);
    assertEquals(await y.bytes(), await expected.bytes());
  }
});

eachBackend("they are saved and loaded, and give the same bits", async () => {
  manualSeed(13);
  const inputs = batches();
  const model = await quantized(new Net(), inputs);
  const file = await saveQuantizedModel(model, { source: "test" });
  const loaded = new Net();
  assertEquals(loadQuantizedModel_(loaded, file), { source: "test" });
  assertEquals(String(loaded), String(model));
  using expected = tidy(() => model.forward(inputs[0]));
  using y = tidy(() => loaded.forward(inputs[0]));
  assert(y.isQuantized);
  assertEquals(await y.bytes(), await expected.bytes());
  assertEquals(await saveQuantizedModel(loaded, { source: "test" }), file);

  // What does not fit is refused as a whole.
  const other = new Net();
  other.act = new Sigmoid() as unknown as Hardswish;
  other.skip = new Mul() as unknown as Add;
  const error = assertThrows(() => loadQuantizedModel_(other, file), StateError);
  assert(
    error.message.includes("skip is a Mul in the model, which does not become a QuantizedAdd"),
  );
  assertEquals(kindsOf(other), {});
});

eachBackend("analyses look at all of them", async () => {
  manualSeed(14);
  const float = new Net();
  const inputs = batches();
  const model = await quantized(float, inputs);
  const comparison = await compareModels(float, model, inputs);
  assertEquals(comparison.layers.map(({ layer }) => layer).sort(), Object.keys(KINDS).sort());
  for (const { layer, kind, outputSqnr, weightSqnr, inputClipped } of comparison.layers) {
    assertEquals(kind, KINDS[layer as keyof typeof KINDS]);
    assert(outputSqnr > 20, `${layer}: ${outputSqnr} dB`);
    const weighted = /Conv2d|Linear/.test(kind);
    assertEquals(weightSqnr !== null, weighted, layer);
    assertEquals(inputClipped !== null, weighted || /Table|Pool/.test(kind), layer);
  }
  const corrected = await correctBias_(model, float, inputs);
  assertEquals(corrected.layers.length, 6);

  const config = new StaticQuantConfig(uint8);
  const observers = {
    activation: observer(new PerTensor()),
    weight: observer(new PerAxis(0)),
    activationPostProcess,
  };
  const report = await sensitivity(float, inputs, config, { observers });
  assertEquals(report.layers.map(({ layer }) => layer).sort(), Object.keys(KINDS).sort());
  assert(report.layers.every(({ sqnr }) => sqnr > 20 && sqnr < 100));
  const alone = await sensitivity(float, inputs, config);
  assertEquals(
    alone.layers.length,
    6,
    "without an observer of outputs, layers with a weight alone",
  );

  const candidates = [{ config, observers }];
  const found = await searchConfig(float, inputs, { target: 20, candidates });
  assertEquals(found.layers.filter(({ config }) => config).length, 15);
  assert(found.sqnr >= 20);
  const applied = deepcopy(float);
  await found.apply_(applied, inputs);
  assertEquals(kindsOf(applied), KINDS);
  const spared = await searchConfig(float, inputs, { target: 60, candidates });
  assert(spared.layers.some(({ config }) => !config) && spared.sqnr >= 60);
});

eachBackend(
  "only what somebody takes as bytes becomes bytes, as far as the model tells",
  async () => {
    manualSeed(15);
    const conv = () => new Conv2d(4, 4, 1);
    const model = new Sequential({
      first: conv(),
      relu: new ReLU(),
      second: conv(),
      gate: new Sigmoid(),
      last: conv(),
      end: new Sigmoid(),
    });
    const names = insertObservers_(
      model,
      observer(new PerTensor()),
      observer(new PerAxis(0)),
      undefined,
      { activationPostProcess },
    );
    assertEquals(
      names,
      ["first", "second", "gate", "last"],
      "the caller wants the floats of the end",
    );
    for (const x of [randn([1, 4, 5, 5])]) model.forward(x);
    await quantize_(model, new StaticQuantConfig(uint8), isObserved);
    const layers = new Map(model.namedModules());
    const outputs = ["first", "second", "last"].map((name) =>
      (layers.get(name) as QuantizedConv2d).output
    );
    assertEquals(outputs[0]!.zeroPoint, 0, "what the ReLU leaves was observed");
    assert(outputs[1]!.zeroPoint > 0);
    assertEquals(outputs[2], null);
    using y = model.forward(randn([1, 4, 5, 5]));
    assert(!y.isQuantized);
  },
);

/** A chain with a shortcut around it, of which nobody can tell who reads what. */
class Shortcut extends Sequential {
  override forward(x: Tensor): Tensor {
    using y = super.forward(x);
    return add(y, x);
  }
}

Deno.test("where a class computes in its own way, no ReLU is taken for granted", async () => {
  await init({ device: "cpu" });
  manualSeed(18);
  const model = new Sequential({
    block: new Shortcut(new Conv2d(4, 4, 1)),
    relu: new ReLU(),
    last: new Conv2d(4, 4, 1),
  });
  const x = randn([2, 4, 5, 5]);
  const expected = model.forward(x);
  insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)), undefined, {
    activationPostProcess,
  });
  model.forward(x);
  await quantize_(model, new StaticQuantConfig(uint8), isObserved);
  const { output } = new Map(model.namedModules()).get("block.0") as QuantizedConv2d;
  assert(output && output.quantMin < output.zeroPoint);
  assert(await computeError(expected, model.forward(x)).then(Number) > 25);
});

eachBackend("without an observer of outputs all is as before", async () => {
  manualSeed(16);
  const model = new Net();
  const names = insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)));
  assertEquals(
    names,
    Object.keys(KINDS).filter((name) => /Conv2d|Linear/.test(KINDS[name as "act"])),
  );
  for (const x of batches()) tidy(() => model.forward(x)).dispose();
  await quantize_(model, new StaticQuantConfig(uint8), isObserved);
  using y = tidy(() => model.forward(batches()[0]));
  assert(!y.isQuantized);
});

eachBackend("observers are taken out again, and what cannot be is refused", async () => {
  manualSeed(17);
  const model = new Net();
  const before = String(model);
  const [x] = batches();
  using expected = tidy(() => model.forward(x));
  insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)), undefined, {
    activationPostProcess,
  });
  using observed = tidy(() => model.forward(x));
  assertEquals(await observed.data(), await expected.data());
  await assertRejects(() => saveQuantizedModel(model), Error, "is under observation");
  await assertRejects(
    () => quantize_(model, new StaticQuantConfig(int8), isObserved),
    TypeError,
    "calibrated for uint8",
  );
  assertEquals(removeObservers_(model).length, 15);
  assertEquals(String(model), before);

  assertThrows(
    () =>
      insertObservers_(
        model,
        observer(new PerTensor()),
        observer(new PerAxis(0)),
        (_, name) => name === "act",
      ),
    TypeError,
    "activationPostProcess",
  );
  const perChannel = observer(new PerAxis(1));
  insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)), undefined, {
    activationPostProcess: perChannel,
  });
  tidy(() => model.forward(x)).dispose();
  await assertRejects(
    () => quantize_(model, new StaticQuantConfig(uint8), isObserved),
    RangeError,
    "observe them PerTensor",
  );
});

eachBackend("bytes of another scale are brought to the layer's own", async (device) => {
  const bytes = tensor([[0, 10, 200, 255]], { dtype: uint8, device });
  const output = { scale: 0.5, zeroPoint: 100, targetDtype: uint8, quantMin: 0, quantMax: 255 };
  const add = new QuantizedAdd({ input: null, output, table: null });
  using x = Tensor.fromBytes(bytes, { scale: 0.25, zeroPoint: 100 });
  using y = add.forward(x, tensor([[1, 1, 1, 1]], { device }));
  assertEquals([...await y.intRepr().data()], [52, 57, 152, 180]);
});
