import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  AOBaseConfig,
  bfloat16,
  computeError,
  deepcopy,
  FqnToConfig,
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
  linear,
  loadQuantizedModel_,
  manualSeed,
  MappingType,
  Module,
  ObservedLinear,
  PerAxis,
  quantize_,
  QuantizedLinear,
  randn,
  registerQuantizeModuleHandler,
  ReLU,
  removeObservers_,
  replaceWithCustomFnIfMatchesFilter_,
  saveQuantizedModel,
  sensitivity,
  Sequential,
  StaticQuantConfig,
  StaticQuantTensorConfig,
  type Tensor,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { withWarnings } from "../../oracles.ts";
import { minMax } from "../flow.ts";

const observers = () =>
  [
    minMax(MappingType.ASYMMETRIC, uint8),
    minMax(MappingType.ASYMMETRIC, uint8, { granularity: new PerAxis(0) }),
  ] as const;

const nested = () =>
  new Sequential({
    encoder: new Sequential([new Linear(4, 4), new ReLU(), new Linear(4, 4)]),
    head: new Linear(4, 2),
  });

eachBackend("insertObservers_ swaps every Linear and names it", async () => {
  const m = nested();
  const [weights, before] = [m.stateDict(), randn([2, 4])];
  const expected = await m.forward(before).data();
  assertEquals(insertObservers_(m, ...observers()), ["encoder.0", "encoder.2", "head"]);
  const layers = m.namedModules().filter(([, module]) => module instanceof ObservedLinear);
  assertEquals(layers.map(([name]) => name), ["encoder.0", "encoder.2", "head"]);
  assertEquals(layers.map(([, module]) => module.fullName), ["encoder.0", "encoder.2", "head"]);
  assertEquals(await m.forward(before).data(), expected, "observing changes nothing");
  for (const [name, t] of Object.entries(weights)) {
    assertStrictEquals(m.stateDict()[name], t, "weights are shared with the float layer");
  }
});

eachBackend("each layer has observers of its own", async () => {
  const m = nested();
  const [act, weight] = observers();
  insertObservers_(m, act, weight);
  const seen = m.namedModules().flatMap(([, module]) =>
    module instanceof ObservedLinear ? [module.actObs, module.weightObs] : []
  );
  assertEquals(new Set([act, weight, ...seen]).size, 8);
  m.forward(randn([3, 4]));
  await assertRejects(() => act.calculateQParams(), Error, "before any data");
  await seen[0].calculateQParams();
});

eachBackend("inserting observers draws no random numbers", async () => {
  manualSeed(5);
  const expected = await randn([3]).data();
  const m = nested();
  manualSeed(5);
  insertObservers_(m, ...observers());
  assertEquals(await randn([3]).data(), expected);
});

eachBackend("a filter narrows what is observed; none is warned about", async () => {
  const m = nested();
  const [act, weight] = observers();
  const heads = insertObservers_(
    m,
    act,
    weight,
    (module, name) => isLinear(module, name) && name === "head",
  );
  assertEquals(heads, ["head"]);
  assert(!(m.namedModules().find(([name]) => name === "encoder.0")![1] instanceof ObservedLinear));
  const { result, warnings } = await withWarnings(() =>
    insertObservers_(m, act, weight, () => false)
  );
  assertEquals(result, []);
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0], "insertObservers_: no module passed the filter");
});

eachBackend("a filter that picks something else than a Linear is refused", () => {
  const m = nested();
  assertThrows(
    () =>
      insertObservers_(
        m,
        ...observers(),
        (module) => module instanceof ReLU || isLinear(module, ""),
      ),
    TypeError,
    "insertObservers_: encoder.1 (ReLU) is no layer that can be observed, such as a Linear; narrow filterFn",
  );
  assert(
    !m.namedModules().some(([, module]) => module instanceof ObservedLinear),
    "none was swapped",
  );
});

eachBackend("replacing swaps the topmost matches and returns their names", () => {
  const m = nested();
  const names = replaceWithCustomFnIfMatchesFilter_(
    m,
    () => new ReLU(),
    (module, name) => name !== "" && (module instanceof Sequential || module instanceof Linear),
  );
  assertEquals(names, ["encoder", "head"]);
  assertEquals(String(m), "Sequential(\n  (encoder): ReLU()\n  (head): ReLU()\n)");
  assertThrows(
    () => replaceWithCustomFnIfMatchesFilter_(m, () => new ReLU(), () => true),
    Error,
    "replaceWithCustomFnIfMatchesFilter_: the model itself is a module to swap",
  );
});

eachBackend("quantize_ returns names, in order, and leaves other modules in place", async () => {
  const m = nested();
  const relu = m.namedModules().find(([name]) => name === "encoder.1")![1];
  insertObservers_(m, ...observers());
  m.forward(randn([3, 4]));
  const { result, warnings } = await withWarnings(() =>
    quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear)
  );
  assertEquals(result, ["encoder.0", "encoder.2", "head"]);
  assertEquals(warnings, []);
  for (const [name, module] of m.namedModules()) {
    if (result.includes(name)) assertInstanceOf(module, QuantizedLinear);
  }
  assertStrictEquals(m.namedModules().find(([name]) => name === "encoder.1")![1], relu);
  assertEquals(
    String(m),
    `Sequential(
  (encoder): Sequential(
    (0): QuantizedLinear()
    (1): ReLU()
    (2): QuantizedLinear()
  )
  (head): QuantizedLinear()
)`,
  );
});

eachBackend("quantize_ warns where nothing passes the filter, and lists the modules", async () => {
  const m = nested();
  const { result, warnings } = await withWarnings(() =>
    quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear)
  );
  assertEquals(result, []);
  assertEquals(warnings.length, 1);
  assertStringIncludes(
    warnings[0],
    "quantize_: no module passed the filter, so Sequential is unchanged",
  );
  assertStringIncludes(warnings[0], "encoder.2 (Linear)");
});

eachBackend("if one layer fails, none is swapped", async () => {
  class FailingConfig extends AOBaseConfig {}
  const order: string[] = [];
  registerQuantizeModuleHandler(FailingConfig, async (module) => {
    await Promise.resolve();
    order.push(module.fullName);
    if (module.fullName === "encoder.2") throw new RangeError("cannot do encoder.2");
    return new ReLU();
  });
  const m = nested();
  const text = String(m);
  await assertRejects(() => quantize_(m, new FailingConfig()), RangeError, "cannot do encoder.2");
  assertEquals(order, ["encoder.0", "encoder.2"]);
  assertEquals(String(m), text);
  assertEquals((await m.forward(randn([1, 4])).data()).length, 2);
});

eachBackend("an uncalibrated layer among calibrated ones stops the whole", async () => {
  const m = nested();
  insertObservers_(m, ...observers());
  m.namedChildren()[0][1].forward(randn([1, 4])); // the encoder alone
  const text = String(m);
  await assertRejects(
    () => quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear),
    Error,
    "head.actObs (AffineQuantizedMinMaxObserver): calculateQParams() before any data; run sample inputs",
  );
  assertEquals(String(m), text);
});

eachBackend("an unregistered config is refused by name, with the call to make", async () => {
  class Unheard extends AOBaseConfig {}
  await assertRejects(
    () => quantize_(nested(), new Unheard()),
    Error,
    "quantize_: no handler is registered for Unheard; tell what it does with registerQuantizeModuleHandler(Unheard",
  );
});

eachBackend("a registered handler gets each module and the config", async () => {
  class Negate extends AOBaseConfig {
    constructor(readonly factor: number) {
      super();
    }
  }
  class Scaled extends Module {
    constructor(readonly inner: Linear, readonly factor: number) {
      super();
    }
    override forward(x: Tensor): Tensor {
      return linear(x, this.inner.weight as Tensor);
    }
  }
  registerQuantizeModuleHandler(
    Negate,
    (module, config) => new Scaled(module as Linear, config.factor),
  );
  const m = nested();
  assertEquals(await quantize_(m, new Negate(-1), (_, name) => name === "head"), ["head"]);
  const [, head] = m.namedChildren()[1];
  assertInstanceOf(head, Scaled);
  assertEquals(head.factor, -1);
  assertEquals(head.fullName, "head");
  assertEquals(head.inner.fullName, "head.inner");
});

eachBackend(
  "a config says by a method what it makes of a module, and a handler comes first",
  async () => {
    class Rectify extends AOBaseConfig {
      constructor(readonly made: () => Module) {
        super();
      }
      override replacement(_module: Module): Module {
        return this.made();
      }
    }
    const isHead = (_: Module, name: string) => name === "head";
    const m = nested();
    assertEquals(await quantize_(m, new Rectify(() => new ReLU()), isHead), ["head"]);
    assertInstanceOf(m.namedChildren()[1][1], ReLU);
    // What is derived from a config does as that does, until something else is registered for it.
    class Derived extends Rectify {}
    const other = nested();
    await quantize_(other, new Derived(() => new ReLU()), isHead);
    assertInstanceOf(other.namedChildren()[1][1], ReLU);
    registerQuantizeModuleHandler(Derived, (module) => module);
    const left = nested();
    assertEquals(await quantize_(left, new Derived(() => new ReLU()), isHead), []);
    assertInstanceOf(left.namedChildren()[1][1], Linear);
  },
);

eachBackend("the model itself cannot be swapped", async () => {
  const [act, weight] = observers();
  const m = ObservedLinear.fromFloat(new Linear(2, 2), act, weight);
  await assertRejects(
    () => quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear),
    Error,
    "quantize_: the model itself is a module to swap, which cannot be done in place; put it into a Sequential",
  );
});

eachBackend("static configs want observed layers of their own dtype", async () => {
  for (const Config of [StaticQuantConfig, StaticQuantTensorConfig]) {
    const m = nested();
    await assertRejects(
      () => quantize_(m, new Config({ targetDtype: uint8 })),
      TypeError,
      `quantize_: ${Config.name} takes observed layers, but encoder.0 (Linear) is not one; call insertObservers_`,
    );
    insertObservers_(m, ...observers());
    m.forward(randn([2, 4]));
    await assertRejects(
      () => quantize_(m, new Config({ targetDtype: int8 }), isObservedLinear),
      TypeError,
      "encoder.0 (ObservedLinear): actObs was calibrated for uint8, but the config asks for int8",
    );
  }
});

eachBackend("a model of another dtype quantizes as well", async () => {
  const m = nested().to(bfloat16);
  insertObservers_(m, ...observers());
  const x = randn([2, 4], { dtype: bfloat16 });
  m.forward(x);
  await quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
  assertStrictEquals(m.forward(x).dtype, bfloat16);
});

eachBackend("an argument that is none of its kind is named, with what to give", async () => {
  const m = nested();
  const text = String(m);
  const config = new Int8WeightOnlyConfig();
  const calls: [unknown[], string][] = [
    [
      [m],
      "quantize_: config must say how to quantize, such as new Int8WeightOnlyConfig(), got undefined",
    ],
    [[m, Int8WeightOnlyConfig], "got the class Int8WeightOnlyConfig; make one with new"],
    [[m, { targetDtype: uint8 }], "quantize_: config must say how to quantize"],
    [[undefined, config], "quantize_: model must be a Module, got undefined"],
    [[Promise.resolve(m), config], "got a Promise; `await` it first"],
    [
      [m, config, "fc1"],
      'quantize_: filterFn must be a function such as isObservedLinear, got the text "fc1"',
    ],
  ];
  for (const [args, message] of calls) {
    await assertRejects(
      () => quantize_(...args as Parameters<typeof quantize_>),
      TypeError,
      message,
    );
  }
  assertEquals(String(m), text);
});

eachBackend("a handler that gives no module changes nothing", async () => {
  class Nothing extends AOBaseConfig {}
  for (
    const [gives, got] of [[undefined, "undefined"], [{}, "an object"], [ReLU, "the class ReLU"]]
  ) {
    registerQuantizeModuleHandler(Nothing, () => gives as never);
    const m = nested();
    const text = String(m);
    const { message } = await assertRejects(() => quantize_(m, new Nothing()), TypeError);
    assertStringIncludes(message, `the handler of Nothing gave ${got}`);
    assertStringIncludes(message, "for encoder.0 (Linear)");
    assertEquals(String(m), text);
  }
});

eachBackend("a Linear alone takes over a quantized weight, where it stays a Linear", async () => {
  const configs = [
    new Int8WeightOnlyConfig(),
    new Int4WeightOnlyConfig({ groupSize: 32 }),
    new Int8DynamicActivationInt8WeightConfig(),
    new FqnToConfig({ _default: new Int8WeightOnlyConfig() }),
  ];
  for (const config of configs) {
    manualSeed(3);
    const alone = new Linear(64, 8);
    const inside = new Sequential({ fc: deepcopy(alone) });
    const { bias } = alone;
    assertEquals(await quantize_(alone, config), [""]);
    await quantize_(inside, config);
    const x = randn([3, 64]);
    assertEquals(await alone.forward(x).data(), await inside.forward(x).data());
    assertStrictEquals(alone.bias, bias);
  }
  const alone = new Linear(64, 8);
  const { weight } = alone;
  await assertRejects(
    () => quantize_(alone, new Int8StaticActivationInt8WeightConfig({ actQuantScale: 0.03 })),
    Error,
    "quantize_: the model itself is a module to swap, which cannot be done in place; put it into a Sequential",
  );
  assertStrictEquals(alone.weight, weight);
});

eachBackend("uint8 inputs go with int8 weights", async (device) => {
  const observe = (m: Module, x: Tensor) => {
    const weights = minMax("SYMMETRIC", int8, { granularity: new PerAxis(0) });
    insertObservers_(m, minMax("ASYMMETRIC", uint8), weights);
    m.forward(x);
  };
  for (const Config of [StaticQuantConfig, StaticQuantTensorConfig]) {
    manualSeed(4);
    const float = nested();
    const [m, x] = [deepcopy(float), randn([16, 4])];
    observe(m, x);
    await assertRejects(
      () => quantize_(m, new Config(uint8), isObservedLinear),
      TypeError,
      "weightObs was calibrated for int8, but the config asks for uint8; make them the same, such as with " +
        "the config's weightDtype",
    );
    const config = new Config({ targetDtype: uint8, weightDtype: int8 });
    await quantize_(m, config, isObservedLinear);
    assert(await computeError(float.forward(x), m.forward(x)) > 25);
    const loaded = nested();
    loadQuantizedModel_(loaded, await saveQuantizedModel(m));
    assertEquals(await loaded.forward(x).bytes(), await m.forward(x).bytes());
    const { layers } = await sensitivity(float, [x], config); // observes as the config wants it
    assertEquals(layers.length, 3);
    assertEquals(Object.values(m.stateDict())[0].device, device);
  }
});

Deno.test("static configs take a dtype as the tutorial gives it, and say what is misspelt", () => {
  for (const Config of [StaticQuantConfig, StaticQuantTensorConfig]) {
    assertEquals(new Config(uint8), new Config({ targetDtype: uint8 }));
    const wrong: [unknown, string][] = [
      [undefined, `${Config.name}: targetDtype must be a dtype`],
      ["uint8", `${Config.name}: the options must be an object`],
      [{ targetDtpye: uint8 }, "did you mean targetDtype?"],
      [{ targetDtype: "uint8" }, "give the value uint8"],
      [{ targetDtype: uint8, weightDtype: "int8" }, "weightDtype must be a dtype"],
    ];
    for (const [options, message] of wrong) {
      assertThrows(() => new Config(options as never), TypeError, message);
    }
  }
  const others = [
    Int4WeightOnlyConfig,
    Int8WeightOnlyConfig,
    Int8StaticActivationInt8WeightConfig,
    Int8StaticActivationInt4WeightConfig,
  ];
  for (const Config of others) {
    const misspelt = { groupsize: 32, actQuantscale: 1 } as never;
    assertThrows(() => new Config(misspelt), TypeError, `${Config.name}: there is no option`);
  }
});

eachBackend("observers are taken out again, and nothing of them stays", async () => {
  const m = nested();
  const [weights, text, x] = [m.stateDict(), String(m), randn([2, 4])];
  const expected = await m.forward(x).data();
  insertObservers_(m, ...observers());
  m.forward(x);
  assertEquals(Object.keys(m.stateDict()), Object.keys(weights), "what was seen is no state");
  nested().loadStateDict(m.stateDict());
  m.loadStateDict(nested().stateDict());
  m.loadStateDict(weights);
  assertEquals(removeObservers_(m, (_, name) => name === "head"), ["head"]);
  assertEquals(removeObservers_(m), ["encoder.0", "encoder.2"]);
  assertEquals(removeObservers_(m), []);
  assertEquals(String(m), text);
  assertEquals(await m.forward(x).data(), expected);
  const alone = ObservedLinear.fromFloat(new Linear(2, 2), ...observers());
  assertThrows(() => removeObservers_(alone), Error, "toFloat()");
  assertStrictEquals(alone.toFloat().weight, alone.weight);
  assertStrictEquals(alone.toFloat().constructor, Linear);
});
