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
  insertObservers_,
  int8,
  isLinear,
  isObservedLinear,
  Linear,
  linear,
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
  replaceWithCustomFnIfMatchesFilter_,
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
    "insertObservers_: encoder.1 (ReLU) is not a Linear; narrow filterFn",
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
