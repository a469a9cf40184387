import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  bfloat16,
  computeError,
  Conv2d,
  deepcopy,
  init,
  Linear,
  linear,
  manualSeed,
  Module,
  randn,
  ReLU,
  relu,
  Sequential,
  smooth_,
  type Tensor,
  tensor,
  zeros,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { normalBatches, outlierModel, OUTLIERS, quantizedSqnr, snapshot } from "../outliers.ts";

const floatLinear = (model: Module, name: string) =>
  (model as unknown as Record<string, Linear & { weight: Tensor }>)[name];

eachBackend("smooth_ keeps the float function and helps the quantized one", async (device) => {
  const float = await outlierModel();
  const batches = normalBatches(4, [32, 64]);
  const x = randn([64, 64]);
  const plain = await quantizedSqnr(float, float, batches, x);
  const model = deepcopy(float);
  const report = await smooth_(model, batches);
  assertGreater(await computeError(float.forward(x), model.forward(x)), 120);
  const smoothed = await quantizedSqnr(model, float, batches, x);
  assertGreater(smoothed, plain + 6, `${device}: ${plain} dB, then ${smoothed} dB`);
  assertEquals(report.layers.map(({ layer, predecessor }) => [layer, predecessor]), [[
    "fc2",
    "fc1",
  ]]);
  assertEquals(report.skipped.map(({ layer }) => layer), ["fc1"]);
  assertLess(report.layers[0].inputMaxAfter, report.layers[0].inputMaxBefore / 3);
});

eachBackend("smooth_ scales by max|X|^α / max|W|^(1 − α)", async () => {
  manualSeed(1);
  for (const alpha of [0, 0.25, 1]) {
    const model = new Sequential({ a: new Linear(3, 4), r: new ReLU(), b: new Linear(4, 2) });
    const batches = normalBatches(2, [8, 3]);
    const float = deepcopy(model);
    const hidden = await Promise.all(
      batches.map((x) => relu(floatLinear(float, "a").forward(x)).data()),
    );
    const before = await snapshot(model);
    const { layers: [{ scale }] } = await smooth_(model, batches, { alpha });
    const after = await snapshot(model);
    for (let j = 0; j < 4; j++) {
      const x = Math.max(...hidden.flatMap((h) => [...h].filter((_, i) => i % 4 === j)));
      const w = Math.max(...[0, 1].map((row) => Math.abs(before["b.weight"][row * 4 + j])));
      const expected = x > 0 ? x ** alpha / w ** (1 - alpha) : 1;
      assertAlmostEquals(scale[j], expected, 1e-6 * expected);
      assertEquals(after["a.bias"][j], Math.fround(before["a.bias"][j] / scale[j]));
      for (let i = 0; i < 3; i++) {
        const value = Math.fround(before["a.weight"][j * 3 + i] / scale[j]);
        assertEquals(after["a.weight"][j * 3 + i], value);
      }
      for (let n = 0; n < 2; n++) {
        const value = Math.fround(before["b.weight"][n * 4 + j] * scale[j]);
        assertEquals(after["b.weight"][n * 4 + j], value);
      }
    }
    assertEquals(after["b.bias"], before["b.bias"]);
  }
});

Deno.test("smooth_ goes through a chain, and through rows flattened on the way", async () => {
  await init({ device: "cpu" });
  manualSeed(2);
  class Chain extends Module {
    a = new Linear(6, 8);
    b = new Linear(8, 8, { bias: false });
    c = new Linear(8, 2);
    act = new ReLU();
    override forward(x: Tensor): Tensor {
      const h = this.act.forward(this.b.forward(this.act.forward(this.a.forward(x))));
      return this.c.forward(h.reshape(-1, 8));
    }
  }
  const float = new Chain();
  const model = deepcopy(float);
  const x = randn([2, 5, 6]);
  const report = await smooth_(model, [x], { alpha: 0.7 });
  assertEquals(report.layers.map(({ layer, predecessor }) => `${predecessor}>${layer}`), [
    "a>b",
    "b>c",
  ]);
  assertGreater(await computeError(float.forward(x), model.forward(x)), 120);
});

/** What a normalization does after it has normalized, for a single channel. */
class Norm extends Module {
  weight = tensor([2]).keep();
  bias = tensor([0.5]).keep();
  override forward(x: Tensor): Tensor {
    return linear(x, this.weight.reshape(1, 1), this.bias);
  }
}

Deno.test("smooth_ smooths together what one normalization feeds", async () => {
  await init({ device: "cpu" });
  manualSeed(3);
  class Attention extends Module {
    norm = new Norm();
    q = new Linear(1, 4);
    k = new Linear(1, 4, { bias: false });
    out = new Linear(4, 2);
    override forward(x: Tensor): Tensor {
      const h = this.norm.forward(x);
      this.k.forward(h);
      return this.out.forward(this.q.forward(h));
    }
  }
  const float = new Attention();
  const model = deepcopy(float);
  const x = randn([16, 1]);
  const { layers } = await smooth_(model, [x]);
  assertEquals(layers.map(({ layer, predecessor }) => `${predecessor}>${layer}`), [
    "norm>q",
    "norm>k",
    "q>out",
  ]);
  assertEquals(layers[0].scale, layers[1].scale);
  const { scale: [s] } = layers[0];
  assertEquals(await model.norm.weight.item(), Math.fround(2 / s));
  assertEquals(await model.norm.bias.item(), Math.fround(0.5 / s));
  assertGreater(await computeError(float.forward(x), model.forward(x)), 120);

  const other = new Attention();
  const error = await assertRejects(() => smooth_(other, [x], { layers: ["q"] }), Error);
  assertStringIncludes(error.message, "also feeds k (Linear), which is not smoothed");
});

Deno.test("smooth_ keeps silent channels and 16-bit models", async () => {
  await init({ device: "cpu" });
  manualSeed(4);
  const float = new Sequential({ a: new Linear(8, 8), r: new ReLU(), b: new Linear(8, 4) });
  float.to(bfloat16);
  const a = floatLinear(float, "a");
  const [weight, bias] = [await a.weight.data(), await a.bias!.data()];
  weight.fill(0, 0, 8); // channel 0 is always 0
  bias[0] = 0;
  a.weight = tensor(weight, { shape: [8, 8], dtype: bfloat16 });
  a.bias = tensor(bias, { dtype: bfloat16 });
  const model = deepcopy(float);
  const x = randn([16, 8], { dtype: bfloat16 });
  const report = await smooth_(model, [x]);
  assertEquals(report.layers[0].scale[0], 1);
  assertEquals(floatLinear(model, "b").weight.dtype, bfloat16);
  assertGreater(await computeError(float.forward(x), model.forward(x)), 35);
});

class Residual extends Module {
  a = new Linear(4, 4);
  b = new Linear(4, 4);
  override forward(x: Tensor): Tensor {
    const h = this.a.forward(x);
    // A function that no module stands for reads what `a` wrote.
    return this.b.forward(h).shape.length > 1 ? relu(h) : h;
  }
}

class Functional extends Module {
  a = new Linear(4, 4);
  b = new Linear(4, 4);
  override forward(x: Tensor): Tensor {
    return this.b.forward(relu(this.a.forward(x)));
  }
}

class Twice extends Module {
  a = new Linear(4, 4);
  b = new Linear(4, 4);
  override forward(x: Tensor): Tensor {
    return this.b.forward(this.b.forward(this.a.forward(x)));
  }
}

class Exposed extends Module {
  a = new Linear(4, 4);
  b = new Linear(4, 4);
  override forward(x: Tensor): Tensor {
    const h = this.a.forward(x);
    this.b.forward(h);
    return h;
  }
}

Deno.test("smooth_ refuses what cannot absorb a scale, and changes nothing", async () => {
  await init({ device: "cpu" });
  manualSeed(5);
  const x = randn([4, 4]);
  const cases: [Module, string[] | undefined, string[]][] = [
    [new Sequential({ fc: new Linear(4, 4) }), undefined, ["fc", "its input is the model's own"]],
    [
      new Sequential({ fc1: new Linear(4, 4), fc2: new Linear(4, 4) }),
      ["fc1", "fc2"],
      ["fc1 is a layer whose predecessor cannot absorb the scale", "leave it out of layers"],
    ],
    [new Functional(), ["b"], ["b", "a function instead of a module"]],
    [new Twice(), ["b"], ["b", "on the outputs of several modules"]],
    [new Exposed(), ["b"], ["b", "the output of a (Linear) before it is the model's"]],
    [new Residual(), ["b"], ["would compute something else"]],
    [new Sequential({ fc: new Linear(4, 4) }), ["nope"], ["no module called nope", "fc (Linear)"]],
  ];
  for (const [model, layers, parts] of cases) {
    const before = await snapshot(model);
    const fields = Object.entries(model).map(([name, m]) => [name, (m as Linear).weight]);
    const { message } = await assertRejects(() => smooth_(model, [x], { layers }), Error);
    for (const part of parts) assertStringIncludes(message, part);
    assertEquals(await snapshot(model), before);
    fields.forEach(([name, weight]) =>
      assert(floatLinear(model, name as string).weight === weight)
    );
  }
});

Deno.test("smooth_ refuses bad options and inputs", async () => {
  await init({ device: "cpu" });
  const model = await outlierModel();
  const before = await snapshot(model);
  for (const alpha of [-0.1, 1.5, NaN]) {
    await assertRejects(() => smooth_(model, [zeros([1, 64])], { alpha }), RangeError, "alpha is");
  }
  await assertRejects(() => smooth_(model, []), RangeError, "no batch");
  await assertRejects(
    () => smooth_(model, zeros([1, 64]) as unknown as Tensor[]),
    TypeError,
    "put a single batch into a list",
  );
  const bad = tensor(new Float32Array(64).fill(NaN), { shape: [1, 64] });
  const error = await assertRejects(() => smooth_(model, [zeros([1, 64]), bad]), RangeError);
  assertStringIncludes(error.message, "batch 1");
  assertStringIncludes(error.message, "input of fc");
  await assertRejects(
    () => smooth_(model, [zeros([1, 64])], { signal: AbortSignal.abort(new Error("enough")) }),
    Error,
    "enough",
  );
  assertEquals(await snapshot(model), before);
});

Deno.test("a smoothing report prints and draws", async () => {
  await init({ device: "cpu" });
  const model = await outlierModel();
  const steps: number[] = [];
  const report = await smooth_(model, normalBatches(3, [8, 64]), {
    onProgress: ({ done }) => steps.push(done),
  });
  assertEquals(steps, [1, 2, 3]);
  assertStringIncludes(String(report), "absorbed by");
  assertStringIncludes(String(report), "fc1 is as it was");
  assertStringIncludes((await report.figure())!.svg, "fc2 before");
  const sizes = report.layers[0].scale;
  const rest = sizes.filter((_, j) => !OUTLIERS.includes(j));
  assertGreater(Math.min(...OUTLIERS.map((j) => sizes[j])), Math.max(...rest));
});

eachBackend("smooth_ takes convolutions whose channels fall into groups", async () => {
  manualSeed(31);
  const model = new Sequential({
    first: new Conv2d(3, 8, 3),
    relu: new ReLU(),
    depthwise: new Conv2d(8, 8, 3, { groups: 8 }),
    grouped: new Conv2d(8, 6, 1, { groups: 2 }),
    last: new Conv2d(6, 4, 1),
  });
  const float = deepcopy(model);
  const batches = [1, 2].map(() => randn([2, 3, 9, 9]));
  const report = await smooth_(model, batches, { alpha: 0.6 });
  assertEquals(report.layers.map(({ layer, predecessor }) => [layer, predecessor]), [
    ["depthwise", "first"],
    ["grouped", "depthwise"],
    ["last", "grouped"],
  ]);
  assertGreater(await computeError(float.forward(batches[0]), model.forward(batches[0])), 110);
  // An input channel of a group is multiplied by the weights of that group alone.
  const { weight } = (float as unknown as { grouped: Conv2d }).grouped;
  const weights = await weight.data();
  const [, { scale, weightMaxBefore }] = report.layers;
  assertEquals(scale.length, 8);
  assertAlmostEquals(weightMaxBefore, Math.max(...weights.map(Math.abs)), 1e-6);
});
