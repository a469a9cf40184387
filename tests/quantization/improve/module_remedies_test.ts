import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import {
  AvgPool2d,
  backendFor,
  BatchNorm2d,
  computeError,
  Conv1d,
  Conv2d,
  Conv3d,
  Convolution,
  deepcopy,
  exportOnnx,
  Flatten,
  Identity,
  importOnnx,
  init,
  LayerNorm,
  Linear,
  manualSeed,
  type Module,
  mul,
  ReLU,
  Sequential,
  type Tensor,
} from "../../../mod.ts";
import { absorbShifts } from "../../../lib/quantization/improve/absorb_shifts.ts";
import { chooseRanges } from "../../../lib/quantization/improve/choose_ranges.ts";
import { copyOutliers } from "../../../lib/quantization/improve/copy_outliers.ts";
import { correctLayers } from "../../../lib/quantization/improve/correct_layers.ts";
import { equalizeLayers, smoothLayers } from "../../../lib/quantization/improve/divide_channels.ts";
import { leaveLayersFloat } from "../../../lib/quantization/improve/float_layers.ts";
import {
  type ImprovedModule,
  type ImprovedOptions,
  quantizedModule,
} from "../../../lib/quantization/improve/improved_module.ts";
import { MODULE_REMEDIES } from "../../../lib/quantization/improve/module_remedies.ts";
import { moveRanges } from "../../../lib/quantization/improve/move_ranges.ts";
import { type ModuleRemedy, ModuleTools } from "../../../lib/quantization/improve/module_tools.ts";
import { roundLayers } from "../../../lib/quantization/improve/round_weights.ts";
import { roundInTurn } from "../../../lib/quantization/improve/round_in_turn.ts";
import { shiftNorms } from "../../../lib/quantization/improve/shift_norms.ts";
import { splitOutliers } from "../../../lib/quantization/improve/split_outliers.ts";
import { SplitLinear } from "../../../lib/quantization/layers/split_linear.ts";
import { nameModules } from "../../../lib/nn/module.ts";
import { freeModule } from "../../../lib/quantization/analysis/layers.ts";
import { eachBackend } from "../../backends.ts";
import { normalBatches, outlierModel, OUTLIERS, snapshot } from "../outliers.ts";
import {
  convolutions,
  lifted,
  liftedConvolutions,
  Residual,
  scaled,
  spiky,
  spikyConvolutions,
  Unseen,
} from "../tune/networks.ts";

/** A model in plain integers, and what remedies ask of the batches. */
async function plain(model: Module, batches: readonly Tensor[]) {
  const float = deepcopy(model);
  nameModules(float);
  const layers = float.namedModules()
    .filter(([, m]) => m instanceof Linear || m instanceof Convolution).map(([name]) => name);
  const options: ImprovedOptions = {
    ...{ activationType: "uint8", activationSymmetric: false, calibrationMethod: "minmax", layers },
  };
  const tools = new ModuleTools(float, batches.map((x) => [x]));
  const none = new Map();
  const state: ImprovedModule = {
    ...{ float, options, ranges: await tools.calibrate(float, options) },
    ...{ weights: none, biases: none, norms: none, floats: new Set() },
  };
  return { state, tools };
}

/** SQNR of the quantized model of a state on a batch, in dB. */
async function sqnr(state: ImprovedModule, model: Module, x: Tensor): Promise<number> {
  const quantized = await quantizedModule(state);
  return await computeError(model.forward(x), quantized.forward(x));
}

/** Applies a remedy that rewrites: the float function stays, and the quantized model gains so many dB. */
async function rewrites(
  remedy: ModuleRemedy,
  model: Module,
  batches: readonly Tensor[],
  gain: number,
): Promise<void> {
  const before = await snapshot(model);
  const { state, tools } = await plain(model, batches);
  const done = (await remedy.apply(state, tools))!;
  const [x] = batches;
  const float = await computeError(model.forward(x), done.state.float.forward(x));
  assert(float > 100, `the float model changed: ${float} dB`); // 1e-5 of the signal
  const [a, b] = [await sqnr(state, model, x), await sqnr(done.state, model, x)];
  assert(b > a + gain, `${a} dB before, ${b} dB after`);
  // What was found does the same again.
  const again = (await remedy.apply(state, tools, JSON.parse(JSON.stringify(done.found))))!;
  assertEquals(await snapshot(again.state.float), await snapshot(done.state.float));
  assertEquals(await snapshot(model), before);
}

eachBackend(
  "equalize: layers divide what others read, and compute what they did",
  async (device) => {
    await rewrites(
      equalizeLayers,
      await outlierModel(device),
      normalBatches(2, [32, 64], device),
      12,
    );
    const batches = normalBatches(2, [4, 3, 8, 8], device);
    await rewrites(equalizeLayers, await convolutions(device), batches, 5);
  },
);

eachBackend("smooth: a normalization divides what three layers read", async (device) => {
  await rewrites(smoothLayers, await Residual.of(device), normalBatches(2, [64, 32], device), 10);
});

eachBackend("absorb: what channels always hold goes into the biases behind", async (device) => {
  await rewrites(absorbShifts, await lifted(device), normalBatches(4, [32, 16], device), 15);
  const batches = normalBatches(4, [2, 3, 8, 8], device);
  await rewrites(absorbShifts, await liftedConvolutions(device), batches, 15);
});

Deno.test("absorb: without a ReLU channels are brought to the middle, and stay so for any input", async () => {
  await init({ device: "cpu" });
  const model = await lifted("cpu", new Identity());
  const batches = normalBatches(4, [32, 16], "cpu");
  await rewrites(absorbShifts, model, batches, 10);
  const { state, tools } = await plain(model, batches);
  const done = (await absorbShifts.apply(state, tools))!;
  const [x] = normalBatches(1, [8, 16], "cpu");
  const far = mul(x, 100);
  const float = await computeError(model.forward(far), done.state.float.forward(far));
  assert(float > 90, `${float} dB`);
});

Deno.test("absorb: nothing before zeros around a picture, or where nothing takes the sum up", async () => {
  await init({ device: "cpu" });
  const batches = normalBatches(2, [2, 3, 8, 8], "cpu");
  for (const options of [{ padding: 1 }, { norm: false }]) {
    const model = await liftedConvolutions("cpu", options);
    const { state, tools } = await plain(model, batches);
    assertEquals(await absorbShifts.apply(state, tools), undefined);
  }
});

eachBackend("copy: outlier channels are made twice, and ranges are halved", async (device) => {
  const linear = await spiky(device);
  await rewrites(copyOutliers, linear, normalBatches(4, [64, 16], device), 4);
  const batches = normalBatches(4, [2, 3, 8, 8], device);
  await rewrites(copyOutliers, await spikyConvolutions(device), batches, 3);
});

Deno.test("copy: the layers that make the channels and read them are those that grow", async () => {
  await init({ device: "cpu" });
  const model = await spikyConvolutions("cpu");
  const { state, tools } = await plain(model, normalBatches(4, [2, 3, 8, 8], "cpu"));
  const done = (await copyOutliers.apply(state, tools))!;
  const found = done.found as { module: string; channels: number[] }[];
  assertEquals(
    new Map(found.map(({ module, channels }) => [module, channels])),
    new Map([
      ["norm", [5]],
      ["conv2", [0]],
    ]),
  );
  const { conv1, norm, conv2, conv3 } = done.state.float as unknown as Record<string, Conv2d>;
  assertEquals([conv1.weight.shape, norm.weight.shape], [[17, 3, 3, 3], [17]]);
  assertEquals([conv2.weight.shape, conv2.bias!.shape, conv3.weight.shape], [
    [17, 17, 3, 3],
    [17],
    [4, 17, 1, 1],
  ]);
  assertEquals([conv2.inChannels, conv2.outChannels, conv3.inChannels], [17, 17, 17]);
  // A normalization of a row would see what is made twice, and channels alike have no outliers.
  const parts = { fc1: new Linear(4, 4), norm: new LayerNorm([4]), fc2: new Linear(4, 4) };
  const others = [[new Sequential(parts), 4], [await Residual.of("cpu"), 32]] as const;
  for (const [other, n] of others) {
    const own = await plain(other, normalBatches(2, [8, n], "cpu"));
    assertEquals(await copyOutliers.apply(own.state, own.tools), undefined);
  }
});

eachBackend(
  "split: outlier channels are multiplied with floats, beside the others",
  async (device) => {
    const batches = normalBatches(4, [32, 64], device);
    await rewrites(splitOutliers, await outlierModel(device), batches, 14);
    await rewrites(
      splitOutliers,
      await Residual.of(device),
      normalBatches(4, [2, 16, 32], device),
      10,
    );
  },
);

Deno.test("split: the layers that read outliers are split, and go on to be mended", async () => {
  await init({ device: "cpu" });
  const model = await outlierModel("cpu");
  const { state, tools } = await plain(model, normalBatches(4, [32, 64], "cpu"));
  const done = (await splitOutliers.apply(state, tools))!;
  assertEquals(done.found, [{ layer: "fc2", channels: OUTLIERS }]);
  assertEquals(done.state.options.layers, ["fc1", "fc2.others"]);
  const { fc2 } = done.state.float as unknown as { fc2: SplitLinear };
  assert(fc2 instanceof SplitLinear);
  assertEquals([...await fc2.columns.data()], OUTLIERS);
  assertEquals(fc2.outliers.weight.shape, [64, 4]);
  // Nothing is split twice, and other remedies take what is left.
  assertEquals(await splitOutliers.apply(done.state, tools), undefined);
  const rounded = (await roundLayers.apply(done.state, tools))!;
  assertEquals([...rounded.state.weights.keys()], ["fc1", "fc2.others"]);
  const alike = new Sequential({ fc: new Linear(64, 8) });
  const even = await plain(alike, normalBatches(2, [32, 64], "cpu"));
  assertEquals(await splitOutliers.apply(even.state, even.tools), undefined);
});

Deno.test("split: less of it where limits forbid it", async () => {
  await init({ device: "cpu" });
  const model = new Sequential({
    first: await outlierModel("cpu"),
    second: await outlierModel("cpu"),
  });
  const batches = normalBatches(4, [32, 64], "cpu");
  const { state, tools } = await plain(model, batches);
  const all = (await splitOutliers.apply(state, tools))!.found as unknown[];
  assertEquals(all.length, 2);
  let asked = 0;
  const limited = new ModuleTools(state.float, batches.map((x) => [x]), {
    allows: () => Promise.resolve(++asked > 1),
  });
  assertEquals((await splitOutliers.apply(state, limited))!.found, all.slice(0, 1));
});

Deno.test("what rewrites goes through the nodes of an imported graph", async () => {
  await init({ device: "cpu" });
  const float = await outlierModel("cpu");
  const batches = normalBatches(2, [32, 64], "cpu");
  const model = await importOnnx(await exportOnnx(float, batches[0]));
  await rewrites(equalizeLayers, model, batches, 12);
  await rewrites(copyOutliers, model, batches, 4);
  await rewrites(splitOutliers, model, batches, 12);
  const [x] = normalBatches(1, [32, 16], "cpu");
  const shifted = await importOnnx(await exportOnnx(await lifted("cpu"), x));
  await rewrites(absorbShifts, shifted, normalBatches(4, [32, 16], "cpu"), 15);
});

Deno.test("equalize leaves alone what nobody sees", async () => {
  await init({ device: "cpu" });
  const model = await Unseen.of("cpu");
  const { state, tools } = await plain(model, normalBatches(2, [32, 16], "cpu"));
  assertEquals(await equalizeLayers.apply(state, tools), undefined);
});

eachBackend("fit: layers' outputs change less than by any one method", async (device) => {
  manualSeed(9);
  const model = new Sequential({ fc: new Linear(64, 16, { device }) });
  await scaled(model.namedChildren()[0][1] as Linear, (i) => i % 64 === 5 ? 0 : 1);
  const batches = normalBatches(4, [32, 64], device);
  // A channel that nothing is multiplied with has the outliers.
  for (const [i, x] of batches.entries()) batches[i] = await withOutlier(x, 5);
  const { state, tools } = await plain(model, batches);
  const done = (await chooseRanges.apply(state, tools))!;
  const [x] = batches;
  const [a, b] = [await sqnr(state, model, x), await sqnr(done.state, model, x)];
  assert(b > a + 10, `${a} dB before, ${b} dB after`);
  const again = (await chooseRanges.apply(state, tools, done.found))!;
  assertEquals([...again.state.ranges], [...done.state.ranges]);
});

Deno.test("fit: of few samples, ranges leave room for what is to come", async () => {
  await init({ device: "cpu" });
  let [before, after] = [0, 0];
  for (let seed = 20; seed < 30; seed++) {
    manualSeed(seed);
    const model = new Sequential({ fc: new Linear(64, 16, { device: "cpu" }) });
    const { state, tools } = await plain(model, normalBatches(4, [2, 64], "cpu"));
    const done = await chooseRanges.apply(state, tools);
    const [x] = normalBatches(1, [256, 64], "cpu");
    before += await sqnr(state, model, x) / 10;
    after += await sqnr(done?.state ?? state, model, x) / 10;
  }
  assert(after > before + 1, `${before} dB of the least and the greatest, ${after} dB`);
});

eachBackend("ranges: ends are moved where the model's output gains", async (device) => {
  manualSeed(12);
  const layer = () => new Linear(64, 64, { device });
  const model = new Sequential({ fc1: layer(), relu: new ReLU(), fc2: layer() });
  const batches = normalBatches(4, [32, 64], device);
  const { state, tools } = await plain(model, batches);
  // Ranges that are far too wide.
  const wide = [...state.ranges].map(([name, { min, max }]) =>
    [name, { min: min * 2, max: max * 2 }] as const
  );
  const first = { ...state, ranges: new Map(wide) };
  const done = (await moveRanges.apply(first, tools))!;
  const [x] = batches;
  const [a, b] = [await sqnr(first, model, x), await sqnr(done.state, model, x)];
  assert(b > a + 4, `${a} dB before, ${b} dB after`);
  const again = (await moveRanges.apply(first, tools, JSON.parse(JSON.stringify(done.found))))!;
  assertEquals([...again.state.ranges], [...done.state.ranges]);
});

/** A batch in which a channel is a hundred times as large. */
async function withOutlier(x: Tensor, channel: number): Promise<Tensor> {
  const holder = { weight: x };
  await scaled(holder, (i) => i % 64 === channel ? 100 : 1);
  return holder.weight;
}

eachBackend("round: products change less than by rounding to the nearest", async (device) => {
  manualSeed(10);
  // Inputs that go together: 16 mixtures of 4, then pictures whose pixels are alike.
  const model = new Sequential({
    mix: new Linear(4, 16, { device }),
    fc: new Linear(16, 8, { device }),
  });
  const batches = normalBatches(4, [64, 4], device);
  const { state, tools } = await plain(model, batches);
  const done = (await roundLayers.apply(state, tools))!;
  assertEquals([...done.state.weights.keys()], ["mix", "fc"]);
  const off = async ({ weights }: ImprovedModule) => {
    // Weights alone: inputs of 8 bits would hide what their rounding brings.
    const copy = deepcopy(model);
    const layer = copy.namedChildren()[1][1] as Linear;
    const rounded = weights.get("fc");
    if (rounded) {
      const w = Float32Array.from(
        rounded.integers as Int8Array,
        (q, i) => q * rounded.scales[Math.floor(i / 16)],
      );
      const was = await (layer.weight as Tensor).data();
      await scaled(layer, (i) => w[i] / Number(was[i]));
    } else {
      const was = await (layer.weight as Tensor).data();
      const most = Array.from(
        { length: 8 },
        (_, r) =>
          Math.max(...[...was.slice(16 * r, 16 * r + 16)].map((x) => Math.abs(Number(x)))) / 127,
      );
      await scaled(layer, (i) => {
        const s = most[Math.floor(i / 16)];
        return Math.round(Number(was[i]) / s) * s / Number(was[i]);
      });
    }
    return await computeError(model.forward(batches[0]), copy.forward(batches[0]));
  };
  const [nearest, gptq] = [await off(state), await off(done.state)];
  assert(gptq > nearest + 6, `${nearest} dB to the nearest, ${gptq} dB`);
});

eachBackend("adaround: layers make up for what those before are off by", async (device) => {
  manualSeed(13);
  const model = new Sequential({
    mix: new Linear(4, 64, { device }),
    fc1: new Linear(64, 64, { device }),
    relu: new ReLU(),
    fc2: new Linear(64, 16, { device }),
  });
  // A column that makes the steps of all others wide.
  const [mix, fc1] = model.namedChildren().map(([, layer]) => layer as Linear);
  await scaled(mix, (i) => i < 4 ? 1 / 20 : 1);
  await scaled(fc1, (i) => i % 64 === 0 ? 20 : 1);
  const batches = normalBatches(6, [64, 4], device);
  const { state, tools } = await plain(model, batches);
  const done = (await roundInTurn.apply(state, tools))!;
  assertEquals([...done.state.weights.keys()], ["mix", "fc1", "fc2"]);
  const [x] = batches;
  const [a, b] = [await sqnr(state, model, x), await sqnr(done.state, model, x)];
  assert(b > a + 2, `${a} dB before, ${b} dB after`);
  const again = (await roundInTurn.apply(state, tools))!;
  assertEquals(again.state.weights, done.state.weights);
  // GPTQ after it takes its biases back.
  const other = (await roundLayers.apply(done.state, tools))!;
  assertEquals(other.state.biases.size, 0);
});

Deno.test("round, adaround: signals and volumes as pictures of height 1", async () => {
  await init({ device: "cpu" });
  const networks = [Conv1d, Conv2d, Conv3d].map((Layer, more) => {
    manualSeed(14);
    const around = (one: number, other: number) => [...new Array(more).fill(other), one];
    return new Sequential({
      stem: new Layer(3, 8, around(5, 1), { stride: around(2, 1), padding: around(2, 0) }),
      relu: new ReLU(),
      depthwise: new Layer(8, 8, around(3, 1), { padding: "same", groups: 8 }),
      grouped: new Layer(8, 4, around(2, 1), { dilation: around(2, 1), groups: 2 }),
    });
  });
  const signals = normalBatches(2, [4, 3, 16], "cpu");
  for (const remedy of [roundLayers, roundInTurn]) {
    const rounded = await Promise.all(networks.map(async (model, more) => {
      const batches = signals.map((x) => x.reshape(4, 3, ...new Array(more).fill(1), 16));
      const { state, tools } = await plain(model, batches);
      return (await remedy.apply(state, tools))!.state.weights;
    }));
    assertEquals([...rounded[1].keys()], ["stem", "depthwise", "grouped"]);
    for (const weights of rounded) assertEquals(weights, rounded[1], remedy.name);
  }
});

Deno.test("round: convolutions with groups and steps", async () => {
  await init({ device: "cpu" });
  const model = await convolutions("cpu");
  const batches = normalBatches(2, [4, 3, 8, 8], "cpu");
  const { state, tools } = await plain(model, batches);
  const done = (await roundLayers.apply(state, tools))!;
  assertEquals([...done.state.weights.keys()], ["first", "depthwise", "pointwise", "last"]);
  const { integers, scales } = done.state.weights.get("depthwise")!;
  assertEquals([integers.length, scales.length], [72, 8]);
  const weight = await (model as unknown as Record<string, Conv2d>).depthwise.weight.data();
  const inTurn = (await roundInTurn.apply(state, tools))!;
  assertEquals([...inTurn.state.weights.keys()], [...done.state.weights.keys()]);
  const [x] = batches;
  assert(await sqnr(inTurn.state, model, x) > await sqnr(state, model, x) - 1);
  // Each is the integer next to the float or one beside it.
  weight.forEach((w, i) => {
    const scale = scales[Math.floor(i / 9)];
    assertLess(Math.abs(Number(w) - integers[i] * scale), 3 * scale);
  });
});

eachBackend("bias: the mean of what layers make is that of the floats", async (device) => {
  const model = await outlierModel(device);
  const batches = normalBatches(2, [32, 64], device);
  const { state, tools } = await plain(model, batches);
  const done = (await correctLayers.apply(state, tools))!;
  const quantized = await quantizedModule(done.state);
  const means = async (m: Module) => {
    const sums = new Float64Array(64);
    for (const x of batches) {
      (await m.forward(x).data()).forEach((y, i) => sums[i % 64] += Number(y) / 64);
    }
    return sums;
  };
  const [a, b] = [await means(model), await means(quantized)];
  a.forEach((mean, c) => assertLess(Math.abs(mean - b[c]), 1e-4));
});

eachBackend(
  "norms: what quantizing shifts is taken out by the normalization behind",
  async (device) => {
    manualSeed(11);
    const parts = {
      conv: new Conv2d(3, 4, 3, { device }),
      norm: new BatchNorm2d(4, { device }),
      relu: new ReLU(),
      pool: new AvgPool2d(6),
      flat: new Flatten(),
    };
    const model = new Sequential(parts);
    const batches = normalBatches(2, [8, 3, 8, 8], device);
    const { state, tools } = await plain(model, batches);
    // As if the layer had been quantized with a shift.
    const shifted = { ...state, biases: new Map([["conv", [0.5, -0.5, 0.25, 1]]]) };
    const done = (await shiftNorms.apply(shifted, tools))!;
    const [x] = batches;
    const [a, b] = [await sqnr(shifted, model, x), await sqnr(done.state, model, x)];
    assert(b > a + 20, `${a} dB before, ${b} dB after`);
  },
);

eachBackend("float: the layer that ruins it stays float", async (device) => {
  const model = await outlierModel(device);
  const batches = normalBatches(2, [32, 64], device);
  const { state, tools } = await plain(model, batches);
  const done = (await leaveLayersFloat.apply(state, tools))!;
  assertEquals(done.found, ["fc2"]);
  const quantized = await quantizedModule(done.state);
  assertEquals(quantized.namedModules().find(([name]) => name === "fc2")![1].constructor, Linear);
  const [x] = batches;
  const [a, b] = [await sqnr(state, model, x), await sqnr(done.state, model, x)];
  assert(b > a + 15, `${a} dB before, ${b} dB after`);
});

eachBackend("a remedy that is ended in its middle frees what it made", async (device) => {
  const networks: [Module, number[]][] = [
    [await outlierModel(device), [8, 64]],
    [await spikyConvolutions(device), [2, 3, 8, 8]],
    [await liftedConvolutions(device), [2, 3, 8, 8]],
  ];
  for (const [model, shape] of networks) {
    const batches = normalBatches(2, shape, device);
    const { state } = await plain(model, batches);
    const before = await snapshot(state.float);
    for (const remedy of MODULE_REMEDIES) {
      let [left, asked] = [Infinity, 0];
      const check = () => {
        asked++;
        if (left-- === 0) throw new Error("over");
      };
      const tools = () => new ModuleTools(state.float, batches.map((x) => [x]), { check });
      const done = await remedy.apply(state, tools());
      if (done && done.state.float !== state.float) freeModule(done.state.float);
      const { liveBytes } = backendFor(device).memory();
      const last = asked - 1;
      for (left of new Set([0, last >> 1, last])) {
        const message = `${remedy.name} after ${left} of ${last}`;
        await assertRejects(() => remedy.apply(state, tools()), Error, "over", message);
        const more = backendFor(device).memory().liveBytes - liveBytes;
        assert(more <= 0, `${message} ${more} bytes are left`);
      }
    }
    assertEquals(await snapshot(state.float), before);
  }
});

Deno.test("remedies refuse what a recipe has that does not fit", async () => {
  await init({ device: "cpu" });
  const { state, tools } = await plain(await outlierModel("cpu"), normalBatches(1, [8, 64], "cpu"));
  const refuses = async (remedy: ModuleRemedy, found: unknown, message: string) =>
    void await assertRejects(() => remedy.apply(state, tools, found), Error, message);
  await refuses(equalizeLayers, { module: "fc1" }, "modules and exponents");
  for (
    const odd of [{ alpha: "0.5" }, { floor: "0.1" }, { floor: Infinity }, { floor: undefined }]
  ) {
    const found = [{ module: "fc1", alpha: 0.5, floor: 0.1, ...odd }];
    await refuses(equalizeLayers, found, "modules and exponents");
  }
  await refuses(
    equalizeLayers,
    [{ module: "fc2", alpha: 0.5, floor: 0.1 }],
    "divides the output of fc2",
  );
  const shifts = [{ module: "fc1", shifts: [1] }];
  for (const found of [1, [{ module: "fc1" }], [{ module: "fc1", shifts: [NaN] }]]) {
    await refuses(absorbShifts, found, "modules and shifts");
  }
  await refuses(absorbShifts, shifts, "lowers the output of fc1");
  await refuses(
    absorbShifts,
    [{ module: "__proto__", shifts: [1] }],
    "lowers the output of __proto__",
  );
  for (const channels of [[], [0.5], [-1], [3, 3], 3]) {
    await refuses(copyOutliers, [{ module: "fc1", channels }], "modules and channels");
  }
  await refuses(copyOutliers, [{ module: "fc1", channels: [128] }], "channels of fc1 twice");
  await refuses(copyOutliers, [{ module: "fc2", channels: [0] }], "channels of fc2 twice");
  for (const channels of [[], [0.5], [-1], [3, 3], 3]) {
    await refuses(splitOutliers, [{ layer: "fc2", channels }], "layers and channels");
  }
  await refuses(splitOutliers, [], "layers and channels");
  await refuses(splitOutliers, [{ layer: "fc2", channels: [128] }], "that fc2 does not read");
  await refuses(splitOutliers, [{ layer: "relu", channels: [0] }], "that relu does not read");
  await refuses(chooseRanges, { fc1: { min: 1, max: 2 } }, "than ranges");
  for (const max of ["2", Infinity, NaN, null]) {
    await refuses(chooseRanges, { fc1: { min: -1, max } }, "than ranges");
  }
  await refuses(moveRanges, { fc9: { min: -1, max: 2 } }, "than ranges");
  await refuses(leaveLayersFloat, ["fc9"], "names of layers");
});
