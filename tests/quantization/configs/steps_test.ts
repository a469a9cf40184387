/** Quantizing by steps: observers put in, ranges fixed, and models that take a saved state. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  compareModels,
  deepcopy,
  FqnToConfig,
  int32,
  Int8StaticActivationInt4WeightConfig,
  Int8StaticActivationInt8WeightConfig,
  type Int8StaticActivationInt8WeightOptions,
  Int8WeightOnlyConfig,
  Linear,
  loadQuantizedModel_,
  loadSafetensors,
  manualSeed,
  MappingType,
  type Module,
  ObservedLinear,
  PerBlock,
  PerRow,
  PerTensor,
  QuantizationStep,
  quantize_,
  QuantizedLinear,
  randn,
  ReLU,
  saveQuantizedModel,
  saveSafetensors,
  sensitivity,
  Sequential,
  StateError,
  type Tensor,
  tensor,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";

const build = () =>
  new Sequential({ fc1: new Linear(32, 24), relu: new ReLU(), fc2: new Linear(24, 8) });

const config = (options: Int8StaticActivationInt8WeightOptions) =>
  new Int8StaticActivationInt8WeightConfig(options);

const layers = (model: Module) => Object.fromEntries(model.namedChildren());

/** A model that went through both steps, on two batches. */
async function converted(options: Int8StaticActivationInt8WeightOptions = {}): Promise<Sequential> {
  const model = build();
  await quantize_(model, config({ ...options, step: QuantizationStep.PREPARE }));
  for (let i = 0; i < 2; i++) model.forward(randn([6, 32]));
  await quantize_(model, config({ ...options, step: QuantizationStep.CONVERT }));
  return model;
}

const numbers = async (t: Tensor) => Array.from(await t.data());

eachBackend("prepare puts observers in, convert fixes what they saw", async () => {
  manualSeed(1);
  const model = build();
  const float = deepcopy(model);
  assertEquals(await quantize_(model, config({ step: "prepare" })), ["fc1", "fc2"]);
  assert(layers(model).fc1 instanceof ObservedLinear);
  const batches = [randn([6, 32]), randn([3, 32])];
  batches.forEach((x) => model.forward(x).dispose());
  assertEquals(await quantize_(model, config({ step: "convert" })), ["fc1", "fc2"]);
  assert(layers(model).fc2 instanceof QuantizedLinear);
  const { layers: rows, outputSqnr } = await compareModels(float, model, batches);
  assertEquals(rows.map(({ layer }) => layer), ["fc1", "fc2"]);
  assert(outputSqnr > 30, `${outputSqnr} dB`);
  // Any number of rows, whatever was observed.
  assertEquals(model.forward(randn([1, 32])).shape, [1, 8]);
});

eachBackend("convert leaves alone what was not prepared", async () => {
  manualSeed(2);
  const model = build();
  await quantize_(model, config({ step: "prepare" }), (_, name) => name === "fc1");
  model.forward(randn([4, 32]));
  const all = (module: Module) => module instanceof Linear;
  assertEquals(await quantize_(model, config({ step: "convert" }), all), ["fc1"]);
  assertEquals(layers(model).fc2.constructor, Linear);
});

eachBackend("a step names a layer that saw nothing, and changes nothing", async () => {
  const model = build();
  await quantize_(model, config({ step: "prepare" }));
  await assertRejects(
    () => quantize_(model, config({ step: "convert" })),
    Error,
    "fc1",
  );
  assert(layers(model).fc1 instanceof ObservedLinear);
});

eachBackend("each layer goes its own steps by name", async () => {
  manualSeed(3);
  const model = build();
  const configs = (step: QuantizationStep) =>
    new FqnToConfig({
      fc1: config({ step, actMappingType: MappingType.ASYMMETRIC }),
      fc2: new Int8StaticActivationInt4WeightConfig({ step, groupSize: 32 }),
    });
  model.namedChildren();
  const wide = new Sequential({ fc1: new Linear(32, 64), fc2: new Linear(64, 8) });
  assertEquals(await quantize_(wide, configs("prepare")), ["fc1", "fc2"]);
  wide.forward(randn([4, 32]));
  assertEquals(await quantize_(wide, configs("convert")), ["fc1", "fc2"]);
  const { fc1, fc2 } = layers(wide) as Record<string, QuantizedLinear>;
  assertEquals([fc1.qweight.targetDtype.name, fc2.qweight.targetDtype.name], ["int8", "uint4"]);
});

for (
  const [what, options] of [
    ["symmetric", {}],
    ["asymmetric", { actMappingType: MappingType.ASYMMETRIC, reduceRange: true }],
    ["one scale a weight", { granularity: new PerTensor() }],
  ] as const
) {
  eachBackend(`a prepared model takes a saved state: ${what}`, async (device) => {
    manualSeed(4);
    const model = await converted(options);
    const x = randn([5, 32]);
    const expected = await numbers(model.forward(x));
    const state = await saveSafetensors(model.stateDict());
    const whole = await saveQuantizedModel(model);

    const other = build();
    const prepare = config({ ...options, step: "prepare_for_loading" });
    assertEquals(await quantize_(other, prepare), ["fc1", "fc2"]);
    assert((await numbers(other.forward(x))).some((v, i) => v !== expected[i]));
    other.loadStateDict(loadSafetensors(state, { device }));
    assertEquals(await numbers(other.forward(x)), expected);

    const third = build();
    await quantize_(third, prepare);
    loadQuantizedModel_(third, whole);
    assertEquals(await numbers(third.forward(x)), expected);
  });
}

eachBackend("a state of another scheme is refused whole", async (device) => {
  manualSeed(5);
  const state = (await converted({ granularity: new PerTensor() })).stateDict();
  const other = build();
  await quantize_(other, config({ step: "prepare_for_loading" }));
  const x = randn([2, 32]);
  const before = await numbers(other.forward(x));
  assertThrows(() => other.loadStateDict(state), StateError, "fc1.qweight.scale");
  assertEquals(await numbers(other.forward(x)), before);
  assertEquals(other.stateDict()["fc1.qweight.scale"].device, device);
});

eachBackend("weights with dynamic inputs and shared ones take a state too", async () => {
  manualSeed(6);
  const tied = () => {
    const fc1 = new Linear(16, 16);
    const fc2 = new Linear(16, 16, { weight: fc1.weight, bias: fc1.bias });
    return new Sequential({ fc1, fc2 });
  };
  const [model, other] = [tied(), tied()];
  for (const m of [model, other]) await quantize_(m, new Int8WeightOnlyConfig());
  const x = randn([3, 16]);
  other.loadStateDict(model.stateDict());
  assertEquals(await numbers(other.forward(x)), await numbers(model.forward(x)));
  const { fc1, fc2 } = layers(other) as Record<string, Linear>;
  assert(fc1.weight === fc2.weight);
});

eachBackend(
  "a scale for each row is saved and loaded, and asks for as many rows",
  async (device) => {
    manualSeed(7);
    const model = new Sequential({ fc: new Linear(16, 8) });
    const scale = tensor([[0.02], [0.03]], { device });
    await quantize_(
      model,
      config({ actQuantScale: scale, granularity: [new PerRow(), new PerRow()] }),
    );
    const x = randn([2, 16]);
    const expected = await numbers(model.forward(x));
    const other = new Sequential({ fc: new Linear(16, 8) });
    loadQuantizedModel_(other, await saveQuantizedModel(model));
    assertEquals(await numbers(other.forward(x)), expected);
    assertThrows(() => other.forward(randn([3, 16])), RangeError, "its scales were fixed for 2");
  },
);

eachBackend("analyses calibrate configs without a step, and refuse one with it", async () => {
  manualSeed(8);
  const inputs = [randn([8, 32])];
  const options = { actMappingType: MappingType.ASYMMETRIC, reduceRange: true };
  const report = await sensitivity(build(), inputs, config(options));
  assert(report.layers.every(({ sqnr }) => sqnr > 25 && sqnr < 60), String(report));
  await assertRejects(
    () => sensitivity(build(), inputs, config({ step: "prepare" })),
    TypeError,
    "give it without a step",
  );
});

eachBackend("options that do not go together are refused with a sentence", async (device) => {
  const refused: [Int8StaticActivationInt8WeightOptions, string][] = [
    [{ step: "convrt" as never }, `did you mean "convert"?`],
    [{ step: "prepare_for_smoothquant_smoothing_factor" }, "SmoothQuantConfig's alone"],
    [{ step: "prepare", actQuantScale: 1 }, "leave actQuantScale out"],
    [{ actQuantScale: 1, actQuantZeroPoint: 3 }, "MappingType.ASYMMETRIC"],
    [{ actQuantZeroPoint: 3, actMappingType: "ASYMMETRIC" }, "needs the actQuantScale"],
    [{ actMappingType: "SYMMETRIC_NO_CLIPPING_ERR" }, "SYMMETRIC or ASYMMETRIC"],
    [{ granularity: [new PerRow()] as never }, "a list of 1"],
    [{ granularity: [new PerRow(), 3] as never }, "the granularity of weights must be one"],
  ];
  for (const [options, message] of refused) {
    assertThrows(() => config(options), TypeError, message);
  }
  for (
    const [options, message] of [
      [{ granularity: new PerBlock([1, 8]) }, "must be PerTensor or PerRow"],
      [{ granularity: new PerRow(0) }, "run along the last dimension"],
      [
        { granularity: new PerTensor(), actQuantScale: tensor([1, 2], { device }) },
        "got 2 of them",
      ],
    ] as const
  ) assertThrows(() => config(options), RangeError, message);
  const model = new Sequential({ fc: new Linear(16, 8) });
  const asymmetric = { actMappingType: MappingType.ASYMMETRIC } as const;
  for (
    const [zeroPoint, message] of [
      [99, "an integer from -64 to 63, got 99"],
      [tensor([1, 2], { dtype: int32, device }), "1 scales of inputs and 2 zero points"],
    ] as const
  ) {
    const all = {
      ...asymmetric,
      reduceRange: true,
      actQuantScale: 1,
      actQuantZeroPoint: zeroPoint,
    };
    await assertRejects(() => quantize_(model, config(all)), RangeError, message);
  }
});
