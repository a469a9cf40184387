import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  AffineQuantizedEntropyObserver,
  AffineQuantizedHistogramObserver,
  AffineQuantizedMinMaxObserver,
  AffineQuantizedMovingAverageMinMaxObserver,
  AffineQuantizedMSEHistogramObserver,
  AffineQuantizedMSEObserver,
  type AffineQuantizedObserverBase,
  AffineQuantizedPercentileObserver,
  type AOBaseConfig,
  deepcopy,
  init,
  insertObservers_,
  int8,
  Int8DynamicActivationInt8WeightConfig,
  isObservedLinear,
  Linear,
  loadCalibration_,
  manualSeed,
  MappingType,
  mergeCalibration_,
  PerAxis,
  PerTensor,
  quantize_,
  randn,
  type RangeObserver,
  ReLU,
  saveCalibration,
  saveQuantizedModel,
  Sequential,
  SmoothQuantConfig,
  StaticQuantConfig,
  type Tensor,
  tensor,
  uint8,
} from "../../../mod.ts";
import { SafetensorsError, StateError } from "../../../mod.ts";

await init({ device: "cpu" });

const perTensor = { granularity: new PerTensor() };
const KINDS: Record<string, () => AffineQuantizedObserverBase> = {
  "min-max": () => new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, perTensor),
  histogram: () => new AffineQuantizedHistogramObserver(MappingType.ASYMMETRIC, uint8, perTensor),
  "line search on histograms": () =>
    new AffineQuantizedMSEHistogramObserver(MappingType.SYMMETRIC, int8, perTensor),
  "moving average": () =>
    new AffineQuantizedMovingAverageMinMaxObserver(MappingType.ASYMMETRIC, uint8, perTensor),
};

/** A model under observation; the same each time. */
function observed(kind: string): Sequential {
  manualSeed(3);
  const model = new Sequential({ a: new Linear(6, 5), relu: new ReLU(), b: new Linear(5, 3) });
  const weights = new AffineQuantizedMinMaxObserver(MappingType.SYMMETRIC, int8, {
    granularity: new PerAxis(0),
  });
  insertObservers_(model, KINDS[kind](), weights);
  return model;
}

manualSeed(4);
const batches: Tensor[] = Array.from({ length: 7 }, () => randn([4, 6]).keep());

/** What one process of several saves. */
async function part(kind: string, index: number, of: number): Promise<Uint8Array> {
  const model = observed(kind);
  batches.forEach((x, i) => i % of === index && model.forward(x).dispose());
  return await saveCalibration(model, { shard: { index, of } });
}

for (const kind of Object.keys(KINDS)) {
  Deno.test(`modules, ${kind}: shards merged in any order, twice given or not, are the same`, async () => {
    const parts = await Promise.all([0, 1, 2].map((index) => part(kind, index, 3)));
    const merge = async (...order: number[]) => {
      const model = observed(kind);
      await mergeCalibration_(model, order.map((i) => parts[i]));
      return await saveCalibration(model);
    };
    const all = await merge(0, 1, 2);
    assertEquals(await merge(2, 1, 0, 1), all);
    assertEquals(await merge(1, 2, 2, 0), all);
    const loaded = observed(kind);
    await loadCalibration_(loaded, all);
    assertEquals(await saveCalibration(loaded), all);
    if (kind === "moving average") return; // which weighs batches by their order
    const one = observed(kind);
    for (const x of batches) one.forward(x).dispose();
    // Each process has looked at the weights, so that these were seen more often.
    const seen = async (model: Sequential) =>
      await Promise.all(
        model.namedModules().filter(([name]) => name.endsWith("actObs")).map(([, observer]) =>
          (observer as RangeObserver).saved()
        ),
      );
    assertEquals(await seen(one), await seen(loaded));
    assertEquals((await seen(one)).length, 2);
  });
}

/** How a model is observed, and quantized from what was seen. */
interface Method {
  readonly observe: (model: Sequential) => unknown;
  readonly config: AOBaseConfig;
}

const asymmetric = (Observer: typeof AffineQuantizedPercentileObserver, options = {}) => () =>
  new Observer(MappingType.ASYMMETRIC, uint8, { ...perTensor, ...options });

/** Observers of inputs by the names of methods; those of weights look for the least and the greatest. */
function observing(make: () => AffineQuantizedObserverBase): Method {
  const weights = new AffineQuantizedMinMaxObserver(MappingType.SYMMETRIC, int8, {
    granularity: new PerAxis(0),
  });
  return {
    observe: (model) => insertObservers_(model, make(), weights),
    config: new StaticQuantConfig({ targetDtype: make().targetDtype, weightDtype: int8 }),
  };
}

function smoothing(baseConfig: AOBaseConfig): Method {
  return {
    observe: (model) => quantize_(model, new SmoothQuantConfig({ baseConfig, step: "prepare" })),
    config: new SmoothQuantConfig({ baseConfig, step: "convert" }),
  };
}

const METHODS: Record<string, () => Method> = {
  ...Object.fromEntries(
    Object.entries(KINDS).filter(([kind]) => kind !== "moving average")
      .map(([kind, make]) => [kind, () => observing(make)]),
  ),
  percentile: () => observing(asymmetric(AffineQuantizedPercentileObserver, { percentile: 99 })),
  entropy: () => observing(asymmetric(AffineQuantizedEntropyObserver as never)),
  "SmoothQuant, static": () =>
    smoothing(new StaticQuantConfig({ targetDtype: uint8, weightDtype: int8 })),
  "SmoothQuant, dynamic": () => smoothing(new Int8DynamicActivationInt8WeightConfig()),
};

for (const [name, method] of Object.entries(METHODS)) {
  Deno.test(`modules, ${name}: 1 process, 4 shards, 16 shards, with retries: the same quantized model`, async () => {
    const { observe, config } = method();
    const list = Array.from({ length: 17 }, (_, i) => {
      manualSeed(20 + i);
      return randn([3, 6]).keep();
    });
    const prepared = async () => {
      manualSeed(3);
      const model = new Sequential({ a: new Linear(6, 5), relu: new ReLU(), b: new Linear(5, 3) });
      await observe(model);
      return model;
    };
    const quantized = async (model: Sequential) => {
      await quantize_(
        model,
        config,
        config instanceof StaticQuantConfig ? isObservedLinear : undefined,
      );
      return await saveQuantizedModel(model);
    };
    const one = await prepared();
    for (const x of list) one.forward(x).dispose();
    const expected = await quantized(one);
    for (const count of [1, 4, 16]) {
      const parts = await Promise.all(Array.from({ length: count }, async (_, index) => {
        const model = await prepared();
        list.forEach((x, i) => i % count === index && model.forward(x).dispose());
        return await saveCalibration(model, { shard: { index, of: count } });
      }));
      const merged = await prepared();
      await mergeCalibration_(
        merged,
        parts.toReversed().flatMap((part, i) => i % 3 === 0 ? [part, part] : [part]),
      );
      assertEquals(await quantized(merged), expected, `${count} shards`);
    }
  });
}

Deno.test("modules: what does not belong together is named, and nothing is taken over", async () => {
  const model = observed("histogram");
  model.forward(batches[0]).dispose();
  const before = await saveCalibration(model);
  const parts = await Promise.all([0, 1, 2].map((index) => part("histogram", index, 3)));
  const refused = async (
    list: Uint8Array[],
    message: string,
    kind: new (message: string) => Error = StateError,
  ) => {
    await assertRejects(() => mergeCalibration_(model, list), kind, message);
    assertEquals(await saveCalibration(model), before);
  };
  await refused([parts[0], parts[2]], "of 3 shards 1 are missing: 1;");
  await refused([parts[0], await part("histogram", 1, 4)], "part 1 is of other shards");
  await refused([parts[0], await part("min-max", 1, 3)], "part 1");
  await refused([], "there is no part");
  await refused([parts[0], parts[1].slice(0, 500)], "part 1", SafetensorsError);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(parts[1].length - 1),
      fc.integer({ min: 1, max: 255 }),
      async (at, by) => {
        const altered = parts[1].slice();
        altered[at] ^= by;
        const error = await assertRejects(() =>
          mergeCalibration_(model, [parts[0], altered])
        ) as Error;
        assert(error instanceof StateError || error instanceof SafetensorsError, String(error));
        assert(error.message.startsWith("mergeCalibration_: part 1"), error.message);
      },
    ),
    { seed: 6, numRuns: 100 },
  );
  assertEquals(await saveCalibration(model), before);
  const other = deepcopy(model);
  (other as unknown as { a: { weight: Tensor } }).a.weight = randn([5, 6]).keep();
  await refused([await saveCalibration(other, { shard: { index: 0, of: 3 } })], "other weights");
  const again = await saveCalibration(model, { shard: { index: 0, of: 3 } });
  await refused([parts[0], again], "part 1 is shard 0/3, but that was given already");
  await assertRejects(() => saveCalibration(new Sequential()), StateError, "no observers");
  const line = new Sequential({ a: new Linear(6, 5) });
  const mse = new AffineQuantizedMSEObserver(MappingType.SYMMETRIC, int8, perTensor);
  insertObservers_(line, mse, mse);
  await assertRejects(() => saveCalibration(line), Error, "AffineQuantizedMSEHistogramObserver");
});

const numbers = fc.array(fc.float({ noNaN: true, min: -1000, max: 1000 }), { maxLength: 5 });
const lists = fc.array(numbers, { maxLength: 4 });

for (const kind of Object.keys(KINDS)) {
  Deno.test(`observers, ${kind}: merging is associative and commutative bit for bit`, async () => {
    await fc.assert(
      fc.asyncProperty(lists, lists, lists, async (x, y, z) => {
        const seen = (list: readonly number[][]) => () => {
          const observer = KINDS[kind]() as RangeObserver;
          for (const batch of list) observer.forward(tensor(batch, { shape: [batch.length] }));
          return observer;
        };
        const merged = async (...all: RangeObserver[]) => {
          const [first, ...others] = all;
          for (const other of others) await first.merge(other);
          return first;
        };
        const [a, b, c] = [seen(x), seen(y), seen(z)];
        const states = await Promise.all([
          merged(await merged(a(), b()), c()),
          merged(a(), await merged(b(), c())),
          merged(c(), b(), a()),
        ].map(async (o) => {
          const { words, ...rest } = await (await o).saved();
          return [rest, words];
        }));
        assertEquals(states[1], states[0]);
        assertEquals(states[2], states[0]);
      }),
      { seed: 5, numRuns: 60 },
    );
  });
}

Deno.test("on one batch the line search and that on its histogram find nearly the same range", async () => {
  for (const steps of [20, 50, 100]) {
    const options = { ...perTensor, steps };
    const exact = new AffineQuantizedMSEObserver(MappingType.SYMMETRIC, int8, options);
    const counted = new AffineQuantizedMSEHistogramObserver(MappingType.SYMMETRIC, int8, options);
    manualSeed(steps);
    const x = randn([64, 64]);
    for (const observer of [exact, counted]) observer.forward(x);
    const [[, a], [, b]] = [await exact.minMax(), await counted.minMax()];
    const [most, found] = [await a.item(), await b.item()];
    if (Math.abs(most - found) > 2 * 4.5 / steps) throw new Error(`${steps}: ${most} ${found}`);
  }
});
