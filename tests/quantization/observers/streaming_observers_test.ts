import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  AffineQuantizedEntropyObserver,
  AffineQuantizedHistogramObserver,
  AffineQuantizedMinMaxObserver,
  AffineQuantizedMovingAverageMinMaxObserver,
  AffineQuantizedMSEObserver,
  AffineQuantizedPercentileObserver,
  backendFor,
  chooseQParamsAffineWithMinMax,
  type Device,
  type DType,
  init,
  int32,
  int8,
  loadSafetensors,
  manualSeed,
  MappingType,
  PerAxis,
  PerBlock,
  PerGroup,
  PerRow,
  PerTensor,
  PerToken,
  rand,
  randn,
  type RangeObserver,
  saveSafetensors,
  StateError,
  type Tensor,
  tensor,
  tensorFromBytes,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";

const perTensor = { granularity: new PerTensor() };

const kinds: Record<string, (options?: { granularity: PerTensor | PerAxis }) => RangeObserver> = {
  "min-max": (options = perTensor) =>
    new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, options),
  "moving average": (options = perTensor) =>
    new AffineQuantizedMovingAverageMinMaxObserver(MappingType.ASYMMETRIC, uint8, options),
  "histogram": (options = perTensor) =>
    new AffineQuantizedHistogramObserver(MappingType.ASYMMETRIC, uint8, options),
  "percentile": (options = perTensor) =>
    new AffineQuantizedPercentileObserver(MappingType.ASYMMETRIC, uint8, {
      ...options,
      percentile: 99,
    }),
  "entropy": (options = perTensor) =>
    new AffineQuantizedEntropyObserver(MappingType.SYMMETRIC, int8, options),
};

/** Finite float32 numbers from subnormal to huge. */
const numbers = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -8, max: 8 }),
  fc.constantFrom(0, -0, 1, -1, 2 ** -140, -(2 ** -140), 3.4e38, -3.4e38, 1000.0625),
);
const batches = fc.array(fc.array(numbers, { minLength: 1, maxLength: 40 }), {
  minLength: 1,
  maxLength: 6,
});

function observe(observer: RangeObserver, data: number[][], device: Device): RangeObserver {
  for (const batch of data) observer.forward(tensor(batch, { device }));
  return observer;
}

async function stateOf(observer: RangeObserver): Promise<Uint8Array> {
  return await observer.stateDict().state.bytes();
}

Deno.test("histograms have the same bits on both backends", async () => {
  await init({ device: "webgpu" });
  await fc.assert(
    fc.asyncProperty(batches, async (data) => {
      const [cpu, gpu] = await Promise.all(
        (["cpu", "webgpu"] as const).map((device) =>
          stateOf(observe(kinds.histogram(), data, device))
        ),
      );
      assertEquals(gpu, cpu);
    }),
    { seed: 1, numRuns: 60 },
  );
});

eachBackend(
  "a histogram counts every value, in the bin it belongs to, as it grows",
  async (device) => {
    const observer = new AffineQuantizedHistogramObserver(MappingType.ASYMMETRIC, uint8, perTensor);
    const data = [1, 10, 100, 1000].map((size) =>
      Array.from({ length: 500 }, (_, i) => Math.fround(Math.sin(i * 7.1 + size) * size))
    );
    observe(observer, data, device);
    const [{ counts, start, width, min, max }] = await observer.histograms();
    const all = data.flat();
    assertEquals([min, max], [Math.min(...all), Math.max(...all)]);
    const expected = new Float64Array(counts.length);
    for (const x of all) expected[Math.floor((x - start) / width)]++;
    assertEquals(counts, expected);
    assert((max - min) / width > counts.length / 2 - 2, "more than half of the bins are used");
  },
);

eachBackend("per-channel histograms are those of the channels alone", async (device) => {
  const make = (granularity: PerTensor | PerAxis) =>
    new AffineQuantizedHistogramObserver(MappingType.ASYMMETRIC, uint8, { granularity });
  const rows = [0.1, 3, 700].map((size) =>
    Array.from({ length: 50 }, (_, i) => Math.fround(Math.cos(i * 3.3) * size))
  );
  const together = make(new PerAxis(0));
  together.forward(tensor(rows, { device }));
  const histograms = await together.histograms();
  for (const [i, row] of rows.entries()) {
    const alone = make(new PerTensor());
    alone.forward(tensor(row, { device }));
    assertEquals(histograms[i], (await alone.histograms())[0]);
  }
});

for (const [kind, make] of Object.entries(kinds)) {
  const exact = kind !== "moving average";

  eachBackend(`${kind}: merging halves gives what one pass gives`, async (device) => {
    await fc.assert(
      fc.asyncProperty(batches, fc.nat(6), async (data, at) => {
        const one = observe(make(), data, device);
        const [a, b] = [data.slice(0, at), data.slice(at)].map((half) =>
          observe(make(), half, device)
        );
        await a.merge(b);
        assertEquals(a.batchCount, one.batchCount);
        if (exact) assertEquals(await stateOf(a), await stateOf(one));
      }),
      { seed: 2, numRuns: 12 },
    );
  });

  Deno.test(`${kind}: merging is commutative and associative`, async () => {
    await fc.assert(
      fc.asyncProperty(batches, batches, batches, async (x, y, z) => {
        // An average may overflow between the ends of float32, so its numbers stay smaller.
        const tame = (v: number) => exact ? v : v / 1024;
        const [a, b, c] = [x, y, z].map((data) => () =>
          observe(make(), data.map((batch) => batch.map(tame)), "cpu")
        );
        const merged = async (first: RangeObserver, ...others: RangeObserver[]) => {
          for (const other of others) await first.merge(other);
          return first;
        };
        const ab = await merged(a(), b());
        const ba = await merged(b(), a());
        const left = await merged(await merged(a(), b()), c());
        const right = await merged(a(), await merged(b(), c()));
        const ranges = await Promise.all(
          [ab, ba, left, right].map(async (o) =>
            (await Promise.all((await o.minMax()).map((t) => t.data()))).map((d) => d[0])
          ),
        );
        if (exact) {
          assertEquals(await stateOf(ba), await stateOf(ab));
          assertEquals(await stateOf(right), await stateOf(left));
        } else {
          const size = Math.max(...ranges.flat().map(Math.abs), 1e-30);
          for (const [i, j] of [[0, 1], [2, 3]]) {
            ranges[i].forEach((v, k) => assert(Math.abs(v - ranges[j][k]) <= 1e-6 * size));
          }
        }
      }),
      { seed: 3, numRuns: 25 },
    );
  });

  eachBackend(`${kind}: a saved state goes on where it stopped`, async (device) => {
    const data = [[1, -2, 3], [4, 5], [-60, 0.5, 0.25]];
    const whole = observe(make(), data, device);
    const file = await saveSafetensors(observe(make(), data.slice(0, 2), device).stateDict());
    const resumed = make();
    await resumed.loadStateDict(loadSafetensors(file, { device }));
    observe(resumed, data.slice(2), device);
    assertEquals(await stateOf(resumed), await stateOf(whole));
    const [a, b] = [await resumed.calculateQParams(), await whole.calculateQParams()];
    assertEquals(await a[0].data(), await b[0].data());
    assertEquals(await a[1].data(), await b[1].data());
  });

  eachBackend(`${kind}: state is of one size and nothing is read back`, (device) => {
    const observer = make();
    const backend = backendFor(device);
    const x = tensor([1, 2, 3, -4], { device });
    observer.forward(x);
    const before = backend.memory();
    const { read } = backend;
    let reads = 0;
    backend.read = (buffer) => (reads++, read.call(backend, buffer));
    try {
      for (let i = 0; i < 200; i++) observer.forward(x);
    } finally {
      backend.read = read;
    }
    assertEquals(reads, 0);
    assertEquals(backend.memory().liveBytes, before.liveBytes);
    assertEquals(observer.batchCount, 201);
  });

  eachBackend(`${kind}: refuses what does not fit and stays as it was`, async (device) => {
    const observer = observe(make(), [[1, -1]], device);
    const before = await stateOf(observer);
    const refuse = (other: RangeObserver, ...parts: string[]) =>
      refused(() => observer.merge(other), ...parts);
    const another = kind === "min-max" ? kinds.histogram : kinds["min-max"];
    await refuse(observe(another(), [[1]], device), "merge", "observer");
    await refuse(make({ granularity: new PerAxis(0) }), "granularity", "PerAxis(0)");
    await refused(
      () => observer.loadStateDict(another().stateDict()),
      "loadStateDict",
      "nothing was loaded",
    );
    await refused(() => observer.loadStateDict({}), "description", "missing");
    const { description } = observer.stateDict();
    await refused(() => observer.loadStateDict({ description }), '"state" is missing');
    const state = tensor([1, 2, 3], { device });
    await refused(() => observer.loadStateDict({ description, state }), "bytes");
    assertEquals(await stateOf(observer), before);

    const axis = make({ granularity: new PerAxis(0) });
    axis.forward(tensor([[1], [2]], { device }));
    const wider = make({ granularity: new PerAxis(0) });
    wider.forward(tensor([[1], [2], [3]], { device }));
    await refused(() => axis.merge(wider), "(2, 1)", "(3, 1)");
    assertThrows(() => axis.forward(tensor([[1], [2], [3]], { device })), RangeError, "(3, 1)");
  });

  eachBackend(`${kind}: names the batch that held a NaN, through a merge too`, async (device) => {
    const first = observe(make(), [[1], [2]], device);
    const second = observe(make(), [[3], [NaN], [4]], device);
    await refused(() => second.calculateQParams(), "batch 1");
    await first.merge(second);
    await refused(() => first.calculateQParams(), "batch 3");
  });

  eachBackend(`${kind}: works for every granularity`, async (device) => {
    const x = tensor(Array.from({ length: 64 }, (_, i) => Math.sin(i)), { shape: [4, 16], device });
    const shapes: [PerTensor | PerAxis, number[]][] = [
      [new PerTensor(), []],
      [new PerAxis(0), [4]],
      [new PerAxis(1), [16]],
      [new PerRow(), [4]],
      [new PerToken(), [4]],
      [new PerGroup(8), [4, 2]],
      [new PerBlock([2, 4]), [2, 4]],
    ];
    for (const [granularity, shape] of shapes) {
      const observer = make({ granularity });
      observer.forward(x);
      observer.forward(x);
      const [scale, zeroPoint] = await observer.calculateQParams();
      assertEquals([...scale.shape], shape, String(granularity));
      assertEquals([...zeroPoint.shape], shape);
      for (const s of await scale.data()) assert(s > 0 && s < 0.02, `${granularity}: ${s}`);
    }
  });
}

async function refused(run: () => Promise<unknown>, ...parts: string[]): Promise<void> {
  const error = await assertRejects(run, Error);
  for (const part of parts) assertStringIncludes(error.message, part);
}

eachBackend("percentile leaves out what onnxruntime's would", async (device) => {
  const values = Array.from({ length: 10_000 }, (_, i) => i / 100); // 0 to 99.99
  const range = async (mapping: MappingType, percentile: number) => {
    const observer = new AffineQuantizedPercentileObserver(mapping, uint8, {
      ...perTensor,
      percentile,
    });
    observer.forward(tensor(values, { device }));
    return Promise.all((await observer.minMax()).map((t) => t.item()));
  };
  const width = 1 / 32; // of a bin
  const [low, high] = await range(MappingType.ASYMMETRIC, 90);
  assert(Math.abs(low - 5) <= width && Math.abs(high - 95) <= width, `${low} to ${high}`);
  const [, most] = await range(MappingType.SYMMETRIC, 90);
  assert(Math.abs(most - 90) <= width, `${most}`);
  assertEquals(await range(MappingType.ASYMMETRIC, 100), [0, Math.fround(99.99)]);
});

eachBackend("entropy clips outliers that min-max would keep", async (device) => {
  const values = Array.from({ length: 20_000 }, (_, i) => Math.sin(i * 1.7) + Math.cos(i * 0.61));
  const observer = kinds.entropy();
  observer.forward(tensor([...values, 100], { device }));
  const [, max] = await observer.minMax();
  const threshold = await max.item();
  assert(threshold > 1.5 && threshold < 20, `${threshold}`);
});

eachBackend("more steps of the line search never raise the error", async (device) => {
  const values = Array.from({ length: 512 }, (_, i) => Math.sin(i * 2.3) ** 5 * (i % 97 ? 1 : 9));
  const x = tensor(values, { device });
  let before = Infinity;
  for (const steps of [1, 2, 4, 8, 16, 32, 64]) { // each tries the ranges of the one before
    const observer = new AffineQuantizedMSEObserver(MappingType.SYMMETRIC, int8, {
      ...perTensor,
      steps,
    });
    observer.forward(x);
    const [scale] = await observer.calculateQParams();
    const s = await scale.item();
    const error = values.reduce((sum, v) => {
      const q = Math.min(Math.max(Math.round(Math.fround(v) / s), -128), 127);
      return sum + (q * s - v) ** 2;
    }, 0);
    assert(error <= before * (1 + 1e-5), `${steps} steps: ${error} after ${before}`);
    before = error;
  }
});

eachBackend("runOnce keeps the first batch, else the last one counts", async (device) => {
  const range = async (runOnce: boolean) => {
    const observer = new AffineQuantizedMSEObserver(MappingType.SYMMETRIC, int8, {
      ...perTensor,
      steps: 1,
      runOnce,
    });
    observer.forward(tensor([1, -2], { device }));
    observer.forward(tensor([5, 4], { device }));
    return (await observer.minMax())[1].item();
  };
  assertEquals(await range(true), 2);
  assertEquals(await range(false), 5);
});

Deno.test("bad settings are refused by name", () => {
  const make = (Observer: typeof AffineQuantizedPercentileObserver, options: object) => () =>
    new Observer(MappingType.ASYMMETRIC, uint8, { ...perTensor, ...options });
  for (const percentile of [0, -1, 101, NaN]) {
    assertThrows(make(AffineQuantizedPercentileObserver, { percentile }), RangeError, "(0, 100]");
  }
  for (const steps of [0, 1.5, -3]) {
    assertThrows(
      make(AffineQuantizedMSEObserver as unknown as typeof AffineQuantizedPercentileObserver, {
        steps,
      }),
      RangeError,
      "steps",
    );
  }
  for (const averagingConstant of [0, 1.1]) {
    assertThrows(
      make(
        AffineQuantizedMovingAverageMinMaxObserver as unknown as typeof AffineQuantizedPercentileObserver,
        { averagingConstant },
      ),
      RangeError,
      "averagingConstant",
    );
  }
});

/** A state dict with another description, or other words. */
async function altered(
  observer: RangeObserver,
  change: (description: Record<string, unknown>, words: Int32Array) => void,
): Promise<Record<string, Tensor>> {
  const { description, state } = observer.stateDict();
  const told = JSON.parse(new TextDecoder().decode(await description.bytes()));
  const words = new Int32Array((await state.bytes()).slice().buffer);
  change(told, words);
  const text = new TextEncoder().encode(JSON.stringify(told));
  return {
    description: tensorFromBytes(text, { shape: [text.length], dtype: uint8, device: "cpu" }),
    state: tensorFromBytes(new Uint8Array(words.buffer), {
      shape: [words.length],
      dtype: int32,
      device: "cpu",
    }),
  };
}

for (const [kind, make] of Object.entries(kinds)) {
  Deno.test(`${kind}: a state that no observer can have come to is refused, and nothing is loaded`, async () => {
    const seen = () => observe(make({ granularity: new PerAxis(0) }), [[1, -2, 3]], "cpu");
    const observer = observe(make({ granularity: new PerAxis(0) }), [[4, 5, -6]], "cpu");
    const before = await stateOf(observer);
    const blocks = 3;
    const prefix = 2 * blocks + 1;
    const nested = "[".repeat(30_000) + "]".repeat(30_000);
    const changes: Record<string, Parameters<typeof altered>[1]> = {
      "more blocks": (told) => told.blocks = 2 ** 28,
      "no blocks": (told) => told.blocks = 0,
      "blocks of text": (told) => told.blocks = "3",
      "another shape": (told) => told.shape = [7, 7],
      "an endless shape": (told) => told.shape = Array(100).fill(1),
      "no batches": (told) => told.batches = 0,
      "batches beyond what is counted": (told) => told.batches = 2 ** 32,
      "an inherited dtype": (told) => told.dtype = "constructor",
      "an integer dtype": (told) => told.dtype = "int8",
      "no dtype": (told) => told.dtype = null,
      "no signature": (told) => told.signature = "null",
      "a signature of a list": (told) => told.signature = "[]",
      "a nested signature": (told) => told.signature = nested,
      "a setting nested": (told) =>
        told.signature = (told.signature as string).replace(/}$/, `,"more":${nested}}`),
      "a setting named as what objects inherit": (told) =>
        told.signature = (told.signature as string).replace(/}$/, `,"__proto__":1}`),
      "a bad batch to come": (_, words) => words[prefix - 1] = 1,
    };
    if (kind === "moving average") {
      const averages = (words: Int32Array) => new Float32Array(words.buffer, 4 * prefix);
      changes["averages the wrong way round"] = (_, words) => averages(words)[0] = 1e6;
      changes["an average that is no number"] = (_, words) => averages(words)[4] = NaN;
    } else {
      changes["a range the wrong way round"] = (_, words) => words[0] = words[blocks] + 1;
      changes["a range without end"] = (_, words) => words[blocks] = -1;
    }
    if (kind !== "moving average" && kind !== "min-max") {
      changes["wider bins"] = (_, words) => words[prefix]++;
      changes["bins without end"] = (_, words) => words[prefix + 1] = 2 ** 31 - 1;
      changes["bins elsewhere"] = (_, words) => words[prefix + blocks]--;
      changes["values that were not counted"] = (_, words) => words.fill(0, prefix + 2 * blocks);
      changes["values beyond the range"] = (_, words) => words[prefix + 2 * blocks + 4095] = 1;
      changes["more than can be counted"] = (_, words) => words[words.length - 4096 * blocks] = -1;
    }
    for (const [what, change] of Object.entries(changes)) {
      const dict = await altered(seen(), change);
      await assertRejects(
        () => observer.loadStateDict(dict),
        StateError,
        "nothing was loaded",
        what,
      );
      assertEquals(await stateOf(observer), before, what);
      assertEquals(observer.batchCount, 1);
    }
    await observer.loadStateDict(await altered(seen(), () => {}));
    assertEquals(await stateOf(observer), await stateOf(seen()));
    for (
      const dict of [{}, { description: 1 }, { description: null }, {
        ...seen().stateDict(),
        state: undefined,
      }]
    ) await assertRejects(() => observer.loadStateDict(dict as never), StateError);
  });
}

for (const [kind, make] of Object.entries(kinds)) {
  Deno.test(`${kind}: what was really seen is always loaded`, async () => {
    await fc.assert(
      fc.asyncProperty(batches, async (data) => {
        const observer = observe(make(), data, "cpu");
        // Differences beyond float32 are no average.
        if (kind === "moving average" && data.flat().some((x) => Math.abs(x) > 1e37)) return;
        const resumed = make();
        await resumed.loadStateDict(observer.stateDict());
        assertEquals(await stateOf(resumed), await stateOf(observer));
        await resumed.merge(observer);
        const again = make();
        await again.loadStateDict(resumed.stateDict());
      }),
      { seed: 3, numRuns: 100 },
    );
  });
}
/** The signal-to-noise ratio of numbers that were quantized by a range, in decibels. */
async function sqnrOf(
  values: Float32Array,
  [low, high]: readonly [number, number],
  mapping: MappingType,
  dtype: DType,
): Promise<number> {
  const [scale, zeroPoint] = await chooseQParamsAffineWithMinMax(
    tensor([low]),
    tensor([high]),
    mapping,
    dtype,
  );
  const [s, z] = [await scale.item(), await zeroPoint.item()];
  let [signal, noise] = [0, 0];
  for (const v of values) {
    const q = Math.min(Math.max(Math.round(v / s) + z, dtype.min), dtype.max);
    signal += v ** 2;
    noise += ((q - z) * s - v) ** 2;
  }
  return 10 * Math.log10(signal / noise);
}

eachBackend("entropy costs little beside min-max, whatever the distribution", async (device) => {
  manualSeed(4);
  const normal = await randn([20_000], { device: "cpu" }).data() as Float32Array;
  const coin = await rand([20_000], { device: "cpu" }).data();
  // Each with what onnxruntime's entropy calibration has on such numbers, less a decibel.
  const distributions: [string, (v: number, i: number) => number, number, number][] = [
    ["behind ReLU", (v) => Math.max(v, 0), 45.4, 39.3],
    ["95 % zeros", (v) => Math.max(v - 1.645, 0), 44.5, 38.5],
    ["99.9 % zeros", (v, i) => coin[i] < 0.001 ? v : 0, 41, 40],
    ["off centre", (v) => 5 + 0.1 * v, 57.2, 51.1],
    ["off centre, negative", (v) => -5 + 0.1 * v, 57.2, 51.1],
    ["far off centre", (v) => 100 + v, 57.5, 51.5],
    ["normal", (v) => v, 39.3, 39.3],
    ["uniform", (_, i) => coin[i] * 2 - 1, 47, 47],
    ["two lumps", (v, i) => (coin[i] < 0.5 ? -3 : 3) + 0.2 * v, 49, 49],
    ["ReLU with a bias", (v) => Math.max(0.3 * v + 0.2, 0), 46.4, 40.4],
    ["sigmoid", (v) => 1 / (1 + Math.exp(-3 * v)), 53.5, 47.5],
    ["exponential", (_, i) => -Math.log(1 - coin[i]), 38, 33],
  ];
  for (const [name, make, ...floors] of distributions) {
    const values = Float32Array.from(normal, make);
    for (
      const [i, [mapping, dtype]] of ([
        [MappingType.ASYMMETRIC, uint8],
        [MappingType.SYMMETRIC, int8],
      ] as const).entries()
    ) {
      const observer = new AffineQuantizedEntropyObserver(mapping, dtype, perTensor);
      for (let k = 0; k < 4; k++) {
        observer.forward(tensor(values.subarray(k * 5000, k * 5000 + 5000), { device }));
      }
      const [low, high] = await observer.minMax();
      const range = [await low.item(), await high.item()] as const;
      const whole = [Math.min(...values), Math.max(...values)] as const;
      const [sqnr, best] = [
        await sqnrOf(values, range, mapping, dtype),
        await sqnrOf(values, whole, mapping, dtype),
      ];
      assert(sqnr > best - 1, `${name}, ${mapping}: ${sqnr} dB, min-max has ${best}`);
      assert(sqnr > floors[i], `${name}, ${mapping}: ${sqnr} dB, the floor is ${floors[i]}`);
    }
  }
});

eachBackend("entropy of nothing but zeros, or of one number", async (device) => {
  for (const value of [0, 2.5, -1e-30]) {
    const observer = new AffineQuantizedEntropyObserver(MappingType.ASYMMETRIC, uint8, perTensor);
    observer.forward(tensor(new Float32Array(50).fill(value), { device }));
    const [low, high] = await observer.minMax();
    assertEquals([await low.item(), await high.item()], [Math.fround(value), Math.fround(value)]);
  }
});
