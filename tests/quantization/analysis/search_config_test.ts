import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreaterOrEqual,
  assertLess,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  AffineQuantizedMinMaxObserver,
  AOBaseConfig,
  backendFor,
  compareModels,
  computeError,
  type ConfigCandidate,
  deepcopy,
  FqnToConfig,
  init,
  Int4WeightOnlyConfig,
  Int8DynamicActivationInt8WeightConfig,
  Int8WeightOnlyConfig,
  Linear,
  manualSeed,
  PerAxis,
  PerTensor,
  quantize_,
  registerQuantizeModuleHandler,
  ReLU,
  searchConfig,
  sensitivity,
  Sequential,
  StaticQuantConfig,
  tensor,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { normalBatches, snapshot } from "../outliers.ts";

function mlp(): Sequential {
  manualSeed(41);
  return new Sequential({
    a: new Linear(64, 96),
    r1: new ReLU(),
    b: new Linear(96, 64),
    r2: new ReLU(),
    c: new Linear(64, 8),
  });
}

const config = new StaticQuantConfig({ targetDtype: uint8 });

/** The same integers in memory, but fewer levels. */
function levels(quantMax: number): ConfigCandidate {
  const observer = (granularity: PerTensor | PerAxis, options = {}) =>
    new AffineQuantizedMinMaxObserver("ASYMMETRIC", uint8, { granularity, ...options });
  return {
    name: `${quantMax + 1} levels`,
    config: new StaticQuantConfig({ targetDtype: uint8 }),
    observers: {
      activation: observer(new PerTensor()),
      weight: observer(new PerAxis(0), { quantMin: 0, quantMax }),
    },
  };
}

eachBackend("searchConfig keeps the target and leaves in float what it must", async () => {
  const model = mlp();
  const batches = normalBatches(2, [32, 64]);
  const before = await snapshot(model);
  const all = await searchConfig(model, batches, { target: 20 });
  assertEquals(Object.values(all.assignment).map((c) => c instanceof StaticQuantConfig), [
    true,
    true,
    true,
  ]);
  assertLess(all.bytes, all.floatBytes / 3);

  const some = await searchConfig(model, batches, { target: all.sqnr + 1, candidates: [config] });
  const kept = Object.entries(some.assignment).filter(([, c]) => c === null);
  assert(kept.length > 0 && kept.length < 3);
  assertGreaterOrEqual(some.sqnr, some.target);
  assertLess(some.bytes, some.floatBytes);

  const none = await searchConfig(model, batches, { target: 500, candidates: [config] });
  assertEquals(none.assignment, { a: null, b: null, c: null });
  assertEquals([none.sqnr, none.bytes], [Infinity, none.floatBytes]);
  assertEquals(await snapshot(model), before);

  // Applied, it is what was measured.
  const applied = deepcopy(model);
  const names = await some.apply_(applied, batches);
  assertEquals(names, some.layers.filter((l) => l.config).map((l) => l.layer));
  const join = async (m: Sequential) => {
    const parts = await Promise.all(batches.map((x) => m.forward(x).data()));
    return tensor(parts.flatMap((part) => [...part]));
  };
  assertAlmostEquals(await computeError(await join(model), await join(applied)), some.sqnr, 1e-9);
  const bytes = Object.values(applied.stateDict()).reduce((sum, t) => sum + t.nbytes, 0);
  assertEquals(bytes, some.bytes);
  assertEquals(await snapshot(model), before);
});

Deno.test("searchConfig passes over what cannot be used, and what is no better", async () => {
  await init({ device: "cpu" });
  const model = mlp();
  const batches = normalBatches(1, [32, 64]);
  class Odd extends AOBaseConfig {}
  registerQuantizeModuleHandler(Odd, (module) => {
    throw new RangeError(`${module.displayName}: no group of 7 divides it`);
  });
  const result = await searchConfig(model, batches, {
    target: 35,
    candidates: [new Odd(), levels(15), config],
  });
  assertEquals(result.refused.map(({ layer }) => layer), ["a", "b", "c"]);
  assertStringIncludes(result.refused[0].reason, "no group of 7");
  // Both take the same bytes, so 16 levels never win.
  assert(result.layers.every(({ choice }) => choice !== "16 levels"));
  await assertRejects(
    () => searchConfig(model, batches, { target: 35, candidates: [new Odd()] }),
    RangeError,
    "no candidate can be used on any layer: a: Odd(): a (Linear): no group of 7",
  );
});

eachBackend("searchConfig mixes configs, and FqnToConfig takes what it found", async () => {
  const model = mlp();
  const batches = normalBatches(2, [32, 64]);
  const candidates = [
    new Int4WeightOnlyConfig({ groupSize: 32 }),
    new Int8WeightOnlyConfig(),
    new Int8DynamicActivationInt8WeightConfig(),
  ];
  const result = await searchConfig(model, batches, { target: 25, candidates });
  const chosen = new Set(result.layers.map(({ choice }) => choice));
  assert(chosen.size > 1, [...chosen].join(", "));
  const applied = deepcopy(model);
  await result.apply_(applied, batches);
  const other = deepcopy(model);
  await quantize_(other, new FqnToConfig(result.assignment));
  const y = await other.forward(batches[0]).bytes();
  assertEquals(await applied.forward(batches[0]).bytes(), y);
  const rows = (await compareModels(model, other, batches)).layers;
  assert(rows.every(({ weightSqnr, outputSqnr }) => weightSqnr! > 15 && outputSqnr > 15));
  const several = new FqnToConfig({ a: null });
  await assertRejects(
    () => searchConfig(model, batches, { target: 30, candidates: [several] }),
    TypeError,
    "stands for several configs",
  );
});

eachBackend("analyses give back the memory that they took", async (device) => {
  const model = mlp();
  const batches = normalBatches(2, [32, 64]);
  const quantized = deepcopy(model);
  await (await searchConfig(model, batches, { target: 10 })).apply_(quantized, batches);
  const { liveBytes } = backendFor(device).memory();
  for (let i = 0; i < 3; i++) {
    await compareModels(model, quantized, batches);
    await sensitivity(model, batches, config);
    await searchConfig(model, batches.values(), { target: 40, candidates: [config] });
  }
  // What is left are a few numbers a layer, which the garbage collector takes.
  assertLess(backendFor(device).memory().liveBytes - liveBytes, 40_000);
});

Deno.test("searchConfig refuses bad input, and leaves the model alone", async () => {
  await init({ device: "cpu" });
  const model = mlp();
  const batches = normalBatches(2, [4, 64]);
  const before = await snapshot(model);
  for (const target of [NaN, Infinity, undefined as unknown as number]) {
    await assertRejects(() => searchConfig(model, batches, { target }), RangeError, "the target");
  }
  const target = 30;
  await assertRejects(() => searchConfig(model, [], { target }), RangeError, "no batch");
  await assertRejects(
    () => searchConfig(model, batches, { target, candidates: [] }),
    RangeError,
    "no candidates",
  );
  await assertRejects(
    () => searchConfig(model, batches, { target, layers: ["z"] }),
    Error,
    "no module called z",
  );
  for (let after = 1; after < 12; after += 3) {
    const stop = new AbortController();
    const onProgress = ({ done }: { done: number }) =>
      done === after && stop.abort(new Error("enough"));
    await assertRejects(
      () => searchConfig(model, batches, { target, signal: stop.signal, onProgress }),
      Error,
      "enough",
    );
  }
  assertEquals(await snapshot(model), before);
  const result = await searchConfig(model, batches, { target: 10 });
  const other = new Sequential({ a: new Linear(64, 96) });
  await assertRejects(() => result.apply_(other, batches), Error, "no module called b, c");
});

Deno.test("a search result prints and draws", async () => {
  await init({ device: "cpu" });
  const result = await searchConfig(mlp(), normalBatches(1, [4, 64]), { target: 20 });
  assertStringIncludes(String(result), "SQNR alone");
  assertStringIncludes(String(result), "of the 20.0 dB asked for");
  assertStringIncludes((await result.figure())!.svg, "bytes");
});
