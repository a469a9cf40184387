import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  AOBaseConfig,
  bfloat16,
  deepcopy,
  type Device,
  dynamicInputQuantizer,
  getDefaultDevice,
  init,
  insertObservers_,
  Int4WeightOnlyConfig,
  int8,
  Int8DynamicActivationInt8WeightConfig,
  Int8StaticActivationInt4WeightConfig,
  Int8StaticActivationInt8WeightConfig,
  Int8WeightOnlyConfig,
  isLinear,
  isObservedLinear,
  Linear,
  loadQuantizedModel_,
  manualSeed,
  Module,
  PerAxis,
  quantize_,
  type QuantizedLinear,
  randn,
  registerQuantizeModuleHandler,
  ReLU,
  SafetensorsError,
  saveQuantizedModel,
  saveSafetensors,
  Sequential,
  StateError,
  StaticQuantConfig,
  StaticQuantTensorConfig,
  type Tensor,
  tensor,
  toAffineQuantizedIntxStatic,
  toLinearActivationQuantized,
  uint8,
} from "../../../mod.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  serializeSafetensors,
} from "../../../lib/files/safetensors.ts";
import { eachBackend, few } from "../../backends.ts";
import { minMax } from "../flow.ts";

/** Layers of two kinds of bias, and one that stays float. */
function build(): Sequential {
  return new Sequential({
    fc1: new Linear(64, 48),
    relu: new ReLU(),
    inner: new Sequential({ fc2: new Linear(48, 64, { bias: false }) }),
    head: new Linear(64, 5),
  });
}

const isBody = (module: Module, name: string) => name !== "head" && isLinear(module, name);

/** A quantized model and inputs for it. */
async function saved(
  config: AOBaseConfig,
  dtype = uint8,
  act: Parameters<typeof minMax>[2] = {},
): Promise<{ model: Sequential; x: Tensor }> {
  manualSeed(51);
  const model = build();
  const x = randn([7, 64]);
  const mapping = dtype === int8 ? "SYMMETRIC" : "ASYMMETRIC";
  insertObservers_(
    model,
    minMax(mapping, dtype, act),
    minMax(mapping, dtype, { granularity: new PerAxis(0) }),
    isBody,
  );
  model.forward(x);
  await quantize_(model, config, isObservedLinear);
  return { model, x };
}

const cases: [string, AOBaseConfig, typeof uint8, Parameters<typeof minMax>[2]?][] = [
  ["QuantizedLinear uint8", new StaticQuantConfig({ targetDtype: uint8 }), uint8],
  ["QuantizedLinear int8", new StaticQuantConfig({ targetDtype: int8 }), int8],
  [
    "QuantizedLinear, narrower range",
    new StaticQuantConfig({ targetDtype: uint8 }),
    uint8,
    { quantMin: 3, quantMax: 200, scaleDtype: bfloat16 },
  ],
  ["static weight uint8", new StaticQuantTensorConfig({ targetDtype: uint8 }), uint8],
  ["static weight int8", new StaticQuantTensorConfig({ targetDtype: int8 }), int8],
  ["static int8 × int8", new Int8StaticActivationInt8WeightConfig(), int8],
];

for (const [name, config, dtype, act] of few(cases, 3)) {
  eachBackend(`a saved model comes back with the same bits: ${name}`, async () => {
    const { model, x } = await saved(config, dtype, act);
    await comesBack(model, x);
  });
}

const calibrationFree: [string, AOBaseConfig, number][] = [
  ["int8 weights", new Int8WeightOnlyConfig(), 64],
  ["int8 weights in groups", new Int8WeightOnlyConfig({ groupSize: 16 }), 64],
  ["int4 weights", new Int4WeightOnlyConfig({ groupSize: 32 }), 64],
  ["dynamic int8", new Int8DynamicActivationInt8WeightConfig(), 64],
  [
    "static int8 × uint4",
    new Int8StaticActivationInt4WeightConfig({ actQuantScale: 0.03, groupSize: 32 }),
    64,
  ],
];

for (const [name, config] of few(calibrationFree, 3)) {
  eachBackend(`a saved model comes back with the same bits: ${name}`, async () => {
    manualSeed(52);
    const model = build();
    const only = (_: Module, fullName: string) => fullName === "fc1";
    await quantize_(model, config, only);
    await comesBack(model, randn([7, 64]));
  });
}

async function comesBack(model: Sequential, x: Tensor): Promise<void> {
  const before = await model.forward(x).bytes();
  const file = await saveQuantizedModel(model, { note: "spring" });
  const loaded = build();
  assertEquals(loadQuantizedModel_(loaded, file), { note: "spring" });
  assertEquals(await loaded.forward(x).bytes(), before);
  assertEquals(String(loaded), String(model));
  assertEquals(loaded.namedModules().map(([, m]) => m.fullName), [
    "",
    "fc1",
    "relu",
    "inner",
    "inner.fc2",
    "head",
  ]);
  assertEquals(await saveQuantizedModel(loaded, { note: "spring" }), file);
  assertEquals(await model.forward(x).bytes(), before); // saving changed nothing
}

Deno.test("a file goes from one device to the other", async () => {
  await init({ device: "webgpu" });
  const { model } = await saved(cases[0][1]);
  const file = await saveQuantizedModel(model);
  for (const device of ["cpu", "webgpu"] as Device[]) {
    await init({ device });
    const loaded = build();
    loadQuantizedModel_(loaded, file);
    const devices = Object.values(loaded.stateDict()).map((t) => t.device);
    assert(devices.every((d) => d === device && d === getDefaultDevice()));
    assertEquals(await saveQuantizedModel(loaded), file);
  }
});

Deno.test("16-bit models come back in their dtypes, whatever the fresh model has", async () => {
  await init({ device: "cpu" });
  manualSeed(53);
  const model = build().to(bfloat16);
  const x = randn([4, 64], { dtype: bfloat16 });
  insertObservers_(model, minMax("ASYMMETRIC", uint8), minMax("ASYMMETRIC", uint8), isBody);
  model.forward(x);
  await quantize_(model, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
  const loaded = build();
  loadQuantizedModel_(loaded, await saveQuantizedModel(model));
  assertEquals(await loaded.forward(x).bytes(), await model.forward(x).bytes());
});

Deno.test("a model without quantized layers is saved too", async () => {
  await init({ device: "cpu" });
  const model = build();
  const loaded = build();
  loadQuantizedModel_(loaded, await saveQuantizedModel(model));
  const x = randn([2, 64]);
  assertEquals(await loaded.forward(x).bytes(), await model.forward(x).bytes());
});

/** A file with something changed in it. */
function changed(
  file: Uint8Array,
  edit: (
    tensors: Map<string, SafetensorsEntry>,
    // deno-lint-ignore no-explicit-any -- hostile files hold anything
    description: any,
    metadata: Record<string, string>,
  ) => void,
): Uint8Array {
  const { tensors, metadata } = parseSafetensors(file);
  const description = JSON.parse(metadata.staticquant);
  const texts = { ...metadata };
  edit(tensors, description, texts);
  if (texts.staticquant === metadata.staticquant) texts.staticquant = JSON.stringify(description);
  return serializeSafetensors(tensors, texts);
}

Deno.test("loadQuantizedModel_ refuses files that do not fit, and changes nothing", async () => {
  await init({ device: "cpu" });
  const { model } = await saved(cases[0][1]);
  const file = await saveQuantizedModel(model);
  const fresh = build();
  const fields = fresh.namedModules().map(([, m]) => Object.values(m));
  const refused = (bad: Uint8Array, type: new (message: string) => Error, ...parts: string[]) => {
    const { message } = assertThrows(() => loadQuantizedModel_(fresh, bad), type);
    for (const part of parts) assertStringIncludes(message, part);
    assertEquals(fresh.namedModules().map(([, m]) => Object.values(m)), fields);
  };
  const u8 = (shape: number[], value = 0): SafetensorsEntry => ({
    dtype: "U8",
    shape,
    bytes: new Uint8Array(shape.reduce((a, b) => a * b)).fill(value),
  });
  const f32 = (...values: number[]): SafetensorsEntry => ({
    dtype: "F32",
    shape: [values.length],
    bytes: new Uint8Array(new Float32Array(values).buffer),
  });

  // the version, and what describes the layers
  refused(changed(file, (_, d) => d.version = 3), SafetensorsError, "version 3", "up to 2");
  refused(changed(file, (_, d) => d.version = "1"), SafetensorsError, 'version is "1"');
  refused(changed(file, (_, d) => d.layers = []), SafetensorsError, "layers is []");
  refused(changed(file, (_, d) => d.copied = 3), SafetensorsError, "copied is 3");
  for (
    const counts of [3, { inputs: 1 }, { inputs: 0.5, outputs: 0 }, { inputs: 0, outputs: -1 }]
  ) {
    const bad = changed(file, (_, d) => d.copied = { fc1: counts });
    refused(bad, SafetensorsError, "copied of fc1 is ");
  }
  refused(
    changed(file, (_, d) => d.copied = { ["__proto__"]: { inputs: 1, outputs: 1 } }),
    StateError,
    "no module __proto__",
  );
  refused(
    changed(file, (_, d) => d.copied = { fc1: { inputs: 2 ** 40, outputs: 0 } }),
    StateError,
    "shape of fc1",
  );
  refused(changed(file, (_, __, m) => m.staticquant = "{"), SafetensorsError, "not JSON");
  refused(changed(file, (_, __, m) => m.staticquant = "null"), SafetensorsError, "it is null");
  refused(await saveSafetensors({}), SafetensorsError, "saveQuantizedModel", "loadStateDict");
  // deno-lint-ignore no-explicit-any -- hostile files hold anything
  const specs: [(fc1: any) => void, string][] = [
    [(l) => l.kind = "Conv", 'the kind of fc1 is "Conv"'],
    [(l) => l.kind = "__proto__", 'the kind of fc1 is "__proto__"'],
    [(l) => l.kind = "CustomInputLinear", 'the kind of fc1 is "CustomInputLinear"'],
    [(l) => l.input.targetDtype = ["uint8"], 'targetDtype of the input of fc1 is ["uint8"]'],
    [(l) => l.bias = 1, "the bias of fc1 is 1"],
    [(l) => l.input = null, "the input of fc1 is null"],
    [(l) => l.input.zeroPoint = false, "the input of fc1"],
    [(l) => l.input.targetDtype = "uint9", 'targetDtype of the input of fc1 is "uint9"'],
    [(l) => l.input.quantMax = 256, "the integer range of the input of fc1 is [0,256]"],
    [(l) => delete l.weight, "the weight of fc1 is missing"],
    [(l) => l.weight.dtype = "uint8", "the dtype of fc1"],
    [(l) => l.weight.dtype = "toString", "the dtype of fc1"],
    [(l) => l.weight.blockSize = [1, 7], "blockSize of fc1 is [1,7]"],
    [(l) => l.weight.blockSize = [0, 64], "blockSize of fc1 is [0,64]"],
    [(l) => l.weight.shape = [48], "shape of fc1 is [48]"],
    [(l) => l.weight.quantMin = 0.5, "the integer range of the weight of fc1"],
  ];
  for (const [edit, part] of specs) {
    refused(changed(file, (_, d) => edit(d.layers.fc1)), SafetensorsError, part);
  }

  // tensors
  refused(changed(file, (t) => t.delete("fc1.actScale")), Error, "missing: fc1.actScale");
  refused(
    changed(file, (t) => {
      t.delete("inner.fc2.qweight.intData");
      t.delete("head.bias");
      t.set("extra", u8([1]));
    }),
    Error,
    "missing: inner.fc2.qweight.intData",
    "missing: head.bias",
    "unknown: extra",
    "nothing was loaded",
  );
  const tensors: [string, SafetensorsEntry, string][] = [
    ["fc1.qweight.intData", u8([64, 48]), "shape of fc1.qweight.intData: (48, 64) wanted"],
    [
      "fc1.qweight.intData",
      { ...u8([48, 64]), dtype: "I8" },
      "dtype of fc1.qweight.intData: uint8",
    ],
    ["fc1.qweight.scale", f32(1, 2), "shape of fc1.qweight.scale: 48 elements wanted"],
    ["fc1.actScale", f32(0), "values of fc1.actScale: element 0 is 0"],
    ["fc1.actScale", f32(NaN), "values of fc1.actScale: element 0 is NaN"],
    ["fc1.actScale", u8([1], 1), "dtype of fc1.actScale"],
    ["fc1.actZeroPoint", f32(Infinity), "values of fc1.actZeroPoint"],
    ["fc1.bias", f32(1), "shape of fc1.bias: (48,) wanted"],
    ["head.bias", f32(1), "shape of head.bias: (5,) wanted"],
    ["head.bias", u8([5]), "dtype of head.bias"],
  ];
  for (const [key, entry, part] of tensors) {
    refused(changed(file, (t) => t.set(key, entry)), Error, part);
  }
  refused(
    changed(file, (t, d) => {
      d.layers.fc1.weight.quantMax = 100;
      t.set("fc1.qweight.intData", u8([48, 64], 101));
    }),
    Error,
    "values of fc1.qweight.intData: element 0 is 101, beyond 0 … 100",
  );

  // layers
  refused(
    changed(file, (_, d) => d.layers["nope.fc"] = d.layers.fc1),
    Error,
    "the model has no module nope.fc",
  );
  refused(
    changed(file, (t, d) => {
      d.layers.relu = d.layers.fc1;
      for (const key of [...t.keys()]) {
        if (key.startsWith("fc1.")) t.set(key.replace("fc1", "relu"), t.get(key)!);
      }
    }),
    Error,
    "relu is a ReLU in the model, not a Linear",
  );
  refused(
    changed(file, (t, d) => {
      d.layers.fc1.weight.blockSize = [2, 64];
      t.set("fc1.qweight.scale", f32(...new Array(24).fill(1)));
      t.set("fc1.qweight.zeroPoint", f32(...new Array(24).fill(0)));
    }),
    Error,
    "fc1: ",
    "nothing was loaded",
  );
  const narrower = build();
  Object.assign(narrower, { fc1: new Linear(64, 32) });
  const { message } = assertThrows(() => loadQuantizedModel_(narrower, file), Error);
  assertStringIncludes(message, "shape of fc1: the model has (32, 64), the file (48, 64)");
  const { message: twice } = assertThrows(
    () => loadQuantizedModel_(new Sequential([]), file),
    Error,
  );
  assertStringIncludes(twice, "the model has no module fc1");
  assertStringIncludes(twice, "unknown: head.weight");

  // bytes
  for (const length of [0, 7, 100, file.length - 1]) {
    refused(file.subarray(0, length), SafetensorsError, "safetensors:");
  }
  loadQuantizedModel_(fresh, file);
  loadQuantizedModel_(fresh, file); // a second time does no harm
});

Deno.test("a dynamic input of the user's own range is in the file, the usual one is not", async () => {
  await init({ device: "cpu" });
  manualSeed(54);
  const own = { quantMin: -64, quantMax: 63, eps: 0.01 };
  for (const options of [{}, own]) {
    const model = build();
    const fc1 = model.namedChildren()[0][1] as Linear;
    const scale = tensor([0.01]);
    const weight = toAffineQuantizedIntxStatic(fc1.weight as Tensor, scale, null, [48, 64], int8);
    fc1.weight = toLinearActivationQuantized(weight, dynamicInputQuantizer(options));
    await comesBack(model, randn([7, 64]));
    const file = await saveQuantizedModel(model);
    const { input } = JSON.parse(parseSafetensors(file).metadata.staticquant).layers.fc1;
    assertEquals(input, options === own ? { targetDtype: "int8", ...own } : null);
    if (options !== own) continue;
    for (const edit of [{ eps: 0 }, { eps: "1" }, { quantMin: 0 }, { targetDtype: "uint8" }]) {
      const bad = changed(file, (_, d) => Object.assign(d.layers.fc1.input, edit));
      assertThrows(() => loadQuantizedModel_(build(), bad), SafetensorsError, "the input of fc1");
    }
  }
});

Deno.test("saveQuantizedModel refuses what a file cannot hold", async () => {
  await init({ device: "cpu" });
  const refused = async (model: Module, ...parts: string[]) => {
    const { message } = await assertRejects(() => saveQuantizedModel(model), Error);
    for (const part of parts) assertStringIncludes(message, part);
  };
  const observed = build();
  insertObservers_(observed, minMax("ASYMMETRIC", uint8), minMax("ASYMMETRIC", uint8), isBody);
  await refused(observed, "fc1 (ObservedLinear)", "quantize_");

  const { model, x } = await saved(cases[0][1]);
  const { fc1 } = model as unknown as { fc1: QuantizedLinear };
  await refused(fc1, "the model itself", "Sequential");
  await assertRejects(() => saveQuantizedModel(model, { staticquant: "" }), Error, "staticquant");

  const own = build();
  const { head } = own as unknown as { head: Linear };
  head.weight = toLinearActivationQuantized(
    fc1.qweight,
    function mine(input: Tensor) {
      const scale = fc1.actScale.clone(); // other tensors each time
      return toAffineQuantizedIntxStatic(input, scale, fc1.actZeroPoint, input.shape, uint8);
    },
  );
  await refused(own, "head (Linear)", "mine");

  class Mine extends AOBaseConfig {}
  class MyLinear extends Module {
    constructor(readonly qweight: QuantizedLinear["qweight"]) {
      super();
    }
    override forward(input: Tensor): Tensor {
      return this.qweight.linear(input, null);
    }
  }
  registerQuantizeModuleHandler(Mine, () => new MyLinear(fc1.qweight));
  const other = deepcopy(build());
  await quantize_(other, new Mine(), (_, name) => name === "fc1");
  await refused(other, "fc1 (MyLinear)", "qweight");
  assert(x);
});
