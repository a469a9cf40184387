import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  backendFor,
  compareModels,
  compile,
  deepcopy,
  type Device,
  exportOnnx,
  float16,
  importOnnx,
  init,
  loadQuantizedModel_,
  type Module,
  type ModuleRecipe,
  saveQuantizedModel,
  tensor,
  tune,
  type TuneOptions,
} from "../../../mod.ts";
import { parseSafetensors, serializeSafetensors } from "../../../lib/files/safetensors.ts";
import { eachBackend } from "../../backends.ts";
import { normalBatches, outlierModel, snapshot } from "../outliers.ts";
import { convolutions, deep, Residual, spiky, spikyConvolutions } from "./networks.ts";

/** A model with outlier channels, and samples for it. */
async function given(device: Device) {
  const model = await outlierModel(device);
  const [data, heldOut] = [4, 2].map((count) => normalBatches(count, [32, 64], device));
  return { model, data, heldOut };
}

eachBackend(
  "tune says what is wrong, keeps what helps, and its recipe gives the same bits",
  async (device) => {
    const { model, data, heldOut } = await given(device);
    const before = await snapshot(model);
    const result = await tune(model, { data, heldOut });
    const [plain] = result.steps;
    assertEquals(plain.remedy, "plain");
    assert(result.sqnr > plain.sqnr + 14, `${plain.sqnr} dB, ${result.sqnr} dB`);
    assert(result.recipe.steps.some(({ remedy }) => remedy === "equalize"));
    assert(result.reached && result.value === result.sqnr);
    const [worst] = result.diagnosis;
    assertEquals([worst.layer, worst.cause], ["fc2", "rounding"]);
    assert(worst.sentence.includes("fc2") && worst.sentence.includes("dB"));
    assert(String(result).includes("equalize") && await result.figure());
    assertEquals(await snapshot(model), before);
    // What it says is what the model that it gives does.
    const outputs = async (m: Module) =>
      await Promise.all(heldOut.map((x) => m.forward(x).bytes()));
    const recipe: ModuleRecipe = JSON.parse(JSON.stringify(result.recipe));
    const again = await tune(model, { data, heldOut, recipe });
    assertEquals(await outputs(again.model), await outputs(result.model));
    assertEquals([again.sqnr, again.recipe], [result.sqnr, result.recipe]);
  },
);

eachBackend("tune: networks that plain int8 ruins are mended", async (device) => {
  const gain = async (model: Module, shape: number[], least: number) => {
    const [data, heldOut] = [4, 2].map((count) => normalBatches(count, shape, device));
    const { steps: [plain], sqnr } = await tune(model, { data, heldOut });
    assert(sqnr > plain.sqnr + least, `${plain.sqnr} dB, ${sqnr} dB`);
  };
  await gain(await convolutions(device), [4, 3, 8, 8], 10);
  await gain(await Residual.of(device), [32, 32], 10);
});

eachBackend(
  "tune takes imported graphs and half precision, and what it gives compiles",
  async (device) => {
    const graph = await importOnnx(
      await exportOnnx(await convolutions(device), normalBatches(1, [4, 3, 8, 8], device)[0]),
    );
    const [data, heldOut] = [2, 1].map((count) => normalBatches(count, [4, 3, 8, 8], device));
    const { model, sqnr, steps } = await tune(graph, { data, heldOut, remedies: ["equalize"] });
    assertGreater(sqnr, steps[0].sqnr + 4);
    if (device === "webgpu") {
      const compiled = await compile(model).forward(heldOut[0]);
      assertEquals(await compiled.bytes(), await model.forward(heldOut[0]).bytes());
    }
    const half = (await outlierModel(device)).to(float16);
    const [a, b] = [2, 1].map((count) =>
      normalBatches(count, [32, 64], device).map((x) => x.to(float16))
    );
    const tuned = await tune(half, { data: a, heldOut: b, remedies: ["equalize", "bias"] });
    assertGreater(tuned.sqnr, tuned.steps[0].sqnr + 10);
  },
);

eachBackend("tune: what it gives is a quantized model like others", async (device) => {
  const { model, data, heldOut } = await given(device);
  const tuned = await tune(model, { data, heldOut, remedies: ["equalize", "bias"] });
  const loaded = await outlierModel(device);
  await loadQuantizedModel_(loaded, await saveQuantizedModel(tuned.model));
  const [x] = heldOut;
  assertEquals(await loaded.forward(x).bytes(), await tuned.model.forward(x).bytes());
});

eachBackend(
  "tune: channels that are there twice are saved, loaded and compiled",
  async (device) => {
    const [data, heldOut] = [4, 2].map((count) => normalBatches(count, [2, 3, 8, 8], device));
    const model = await spikyConvolutions(device);
    const remedies = ["absorb", "copy", "float"];
    const tuned = await tune(model, { data, heldOut, remedies });
    assert(tuned.recipe.steps.some(({ remedy }) => remedy === "copy"), String(tuned));
    const [x] = heldOut;
    const y = await tuned.model.forward(x).bytes();
    const file = await saveQuantizedModel(tuned.model);
    const loaded = await spikyConvolutions(device);
    loadQuantizedModel_(loaded, file);
    assertEquals(await loaded.forward(x).bytes(), y);
    assertEquals(await saveQuantizedModel(deepcopy(loaded)), file);
    if (device === "webgpu") {
      assertEquals(await (await compile(loaded).forward(x)).bytes(), y);
    }
    // Layers that have other channels than the float model's are not laid beside its.
    const { layers, outputSqnr } = await compareModels(model, loaded, [x]);
    assertEquals(layers.map(({ layer }) => layer).includes("conv2"), false);
    assertGreater(outputSqnr, 20);
    // What was loaded takes a file of the plain model, and the other way round.
    const files = await Promise.all(
      [["copy"], []].map(async (remedies) =>
        await saveQuantizedModel((await tune(model, { data, heldOut, remedies })).model)
      ),
    );
    const other = await spikyConvolutions(device);
    for (const file of [...files, ...files]) {
      loadQuantizedModel_(other, file);
      assertEquals(await saveQuantizedModel(other), file);
    }
  },
);

eachBackend(
  "tune: layers that are split are saved, loaded, compiled and exported",
  async (device) => {
    const { model, data, heldOut } = await given(device);
    const tuned = await tune(model, { data, heldOut, remedies: ["copy", "split", "fit", "round"] });
    assertEquals(tuned.recipe.steps.map(({ remedy }) => remedy).includes("split"), true);
    assertEquals(tuned.layers, [
      { layer: "fc1", quantized: true },
      { layer: "fc2", quantized: true },
    ]);
    const [x] = heldOut;
    const y = await tuned.model.forward(x).bytes();
    const recipe: ModuleRecipe = JSON.parse(JSON.stringify(tuned.recipe));
    const again = await tune(model, { data, heldOut, recipe });
    assertEquals(await again.model.forward(x).bytes(), y);
    assertEquals(again.recipe, tuned.recipe);
    const file = await saveQuantizedModel(tuned.model);
    const loaded = await outlierModel(device);
    for (const _ of [1, 2]) { // onto a float model, and onto what came of it
      loadQuantizedModel_(loaded, file);
      assertEquals(await loaded.forward(x).bytes(), y);
      assertEquals(await saveQuantizedModel(deepcopy(loaded)), file);
    }
    if (device === "webgpu") {
      assertEquals(await (await compile(loaded).forward(x)).bytes(), y);
    }
    const { layers, outputSqnr } = await compareModels(model, loaded, [x]);
    assertEquals(layers.map(({ layer }) => layer), [], "fc1 makes channels twice, which fc2 reads");
    assertGreater(outputSqnr, tuned.steps[0].sqnr + 14);
    const imported = await importOnnx(await exportOnnx(tuned.model, x));
    const [a, b] = [await tuned.model.forward(x).data(), await imported.forward(x).data()];
    a.forEach((y, i) => assertLess(Math.abs(Number(y) - Number(b[i])), 1e-3));
  },
);

Deno.test("a file with split layers is held against the model that it goes into", async () => {
  await init({ device: "cpu" });
  const { model: split } = await tuned({ remedies: ["split"] });
  const file = await saveQuantizedModel(split);
  const fresh = await outlierModel("cpu");
  const fields = fresh.namedModules().map(([, m]) => Object.values(m));
  const refused = (
    edit: (
      description: { split: Record<string, unknown> },
      tensors: ReturnType<typeof parseSafetensors>["tensors"],
    ) => void,
    message: string,
  ) => {
    const { tensors, metadata } = parseSafetensors(file);
    const description = JSON.parse(metadata.staticquant);
    edit(description, tensors);
    const bad = serializeSafetensors(tensors, { staticquant: JSON.stringify(description) });
    assertThrows(() => loadQuantizedModel_(fresh, bad), Error, message);
    assertEquals(fresh.namedModules().map(([, m]) => Object.values(m)), fields);
  };
  for (const count of [0, -1, 0.5, "4", null]) {
    refused(({ split }) => split.fc2 = count, "split of fc2 is ");
  }
  refused(({ split }) => split.fc2 = 129, "129 columns cannot be split off");
  refused(({ split }) => split.fc2 = 3, "shape of fc2.columns");
  refused(({ split }) => split.relu = 1, "relu is a ReLU");
  refused((description) => description.split = { ["__proto__"]: 1 }, "no module __proto__");
  refused(({ split }) => delete split.fc2, "no module fc2.others");
  refused((_, tensors) => {
    tensors.get("fc2.columns")!.bytes = new Uint8Array(Int32Array.of(1, 2, 3, 128).buffer);
  }, "beyond 0 … 127");
});

Deno.test("tune: channels that are there twice are exported", async () => {
  await init({ device: "cpu" });
  const [data, heldOut] = [4, 2].map((count) => normalBatches(count, [32, 16], "cpu"));
  const tuned = await tune(await spiky("cpu"), { data, heldOut, remedies: ["copy"] });
  const [x] = heldOut;
  const imported = await importOnnx(await exportOnnx(tuned.model, x));
  const [a, b] = [await tuned.model.forward(x).data(), await imported.forward(x).data()];
  a.forEach((y, i) => assertLess(Math.abs(Number(y) - Number(b[i])), 1e-3));
});

eachBackend("tune gives back the memory that it took", async (device) => {
  const { model, data, heldOut } = await given(device);
  await tune(model, { data, heldOut });
  const { liveBytes } = backendFor(device).memory();
  for (let i = 0; i < 2; i++) {
    const tuned = await tune(model, { data: data.values(), heldOut });
    for (const t of Object.values(tuned.model.stateDict())) t.dispose();
  }
  assertLess(backendFor(device).memory().liveBytes - liveBytes, 60_000);
});

await init({ device: "cpu" });
const { model, data, heldOut } = await given("cpu");

/** Tunes on the CPU. */
const tuned = (options: Partial<TuneOptions> = {}, m: Module = model) =>
  tune(m, { data, heldOut, ...options });

Deno.test("tune: in a deep network layers make up for what is off once", async () => {
  await init({ device: "cpu" });
  const model = await deep(24);
  const data = normalBatches(8, [32, 16], "cpu");
  const heldOut = normalBatches(2, [32, 16], "cpu");
  const { steps } = await tune(model, { data, heldOut, remedies: ["adaround"] });
  const [plain, , adaround] = steps;
  assertLess(plain.sqnr, adaround.sqnr);
});

Deno.test("tune stops at the target, and says where it is out of reach", async () => {
  await init({ device: "cpu" });
  const easy = await tuned({ target: 5 });
  assertEquals([easy.reached, easy.recipe.steps.length], [true, 0]);
  const some = await tuned({ target: 30 });
  assertEquals(some.recipe.steps.map(({ remedy }) => remedy), ["equalize"]);
  const hard = await tuned({ target: 200, remedies: ["equalize"] });
  assert(!hard.reached && hard.sqnr < 200);
  assert(String(hard).includes(`${hard.sqnr.toFixed(1)} dB of the 200.0 dB asked for`));
  assert(String(hard).includes("nothing that was tried reaches"));
});

Deno.test("tune judges by a metric of the user's, awaits it, and has some", async () => {
  await init({ device: "cpu" });
  let asked = 0;
  const metric = () => new Promise<number>((done) => setTimeout(() => done(++asked), 1));
  const own = await tuned({ metric, remedies: ["bias"] });
  assert(asked > 2 && own.value === asked);
  for (const name of ["cosine", "top1", "ctc"] as const) {
    const { value } = await tuned({ metric: name, remedies: ["equalize"] });
    assert(value >= 0.5 && value <= 1.000001, `${name} is ${value}`);
  }
});

Deno.test("tune keeps within the budget, and what it found until the time was over", async () => {
  await init({ device: "cpu" });
  const short = await tuned({ budget: { seconds: 1e-9 } });
  assertEquals(short.recipe.steps, []);
  assert(short.warnings.some((warning) => warning.includes("seconds were over")));
  assert(Number.isFinite(short.sqnr), "the best so far is there");
  const tiny = await tuned({ budget: { bytes: 10 }, remedies: ["equalize"] });
  assert(!tiny.reached && !tiny.allowed);
  const slow = await tuned({ budget: { latency: 1e9 }, remedies: ["equalize"] });
  assert(slow.allowed);
  // A layer in float would be too much.
  const [{ bytes }] = slow.steps;
  const small = await tuned({ budget: { bytes } });
  assert(small.allowed && small.layers.every(({ quantized }) => quantized));
});

Deno.test("tune: what helped before the time was over is kept", async () => {
  await init({ device: "cpu" });
  const now = performance.now.bind(performance);
  let later = 0;
  performance.now = () => now() + later;
  try {
    // The hour is over once one remedy was tried.
    const onProgress = ({ step }: { step: string }) => step === "equalize" && (later = 7.2e6);
    const result = await tuned({ budget: { seconds: 3600 }, onProgress });
    assertEquals(result.recipe.steps.map(({ remedy }) => remedy), ["equalize"]);
    assertEquals(result.steps.at(-1)!.remedy, "equalize");
    assert(result.sqnr > result.steps[0].sqnr + 3 && result.sqnr === result.steps.at(-1)!.sqnr);
    assert(result.warnings.some((warning) => warning.includes("3600 seconds were over")));
  } finally {
    performance.now = now;
  }
});

Deno.test("tune tells of samples that are on both sides", async () => {
  await init({ device: "cpu" });
  const { warnings } = await tuned({ heldOut: [heldOut[0], data[3]], remedies: ["bias"] });
  assert(warnings.some((warning) => warning.startsWith("1 of the 2 held-out samples")));
  assertEquals((await tuned({ remedies: [] })).warnings, []);
});

Deno.test("tune quantizes what it is told to, as it is told", async () => {
  await init({ device: "cpu" });
  const one = await tuned({ quantize: { layers: ["fc1"], calibrationMethod: "percentile" } });
  assertEquals(one.layers, [{ layer: "fc1", quantized: true }]);
  assertEquals(one.recipe.options.calibrationMethod, "percentile");
  const quantize = { activationType: "int8", activationSymmetric: true } as const;
  const symmetric = await tuned({ quantize });
  assertGreater(symmetric.sqnr, symmetric.steps[0].sqnr + 10);
});

Deno.test("tune refuses what makes no sense, and can be stopped", async () => {
  await init({ device: "cpu" });
  const before = await snapshot(model);
  const refuses = async (
    options: Partial<TuneOptions>,
    type: typeof Error | typeof TypeError | typeof RangeError,
    message: string,
  ) => void await assertRejects(() => tuned(options), type, message);
  await refuses({ remedies: ["bias", "bias"] }, TypeError, "named twice");
  await refuses({ remedies: ["magic"] }, TypeError, "no remedy");
  await refuses({ remedies: "bias" as never }, TypeError, "list of names");
  await refuses({ budget: { seconds: "5" as never } }, RangeError, 'the text "5"');
  await assertRejects(
    () => tune(model, undefined as never),
    TypeError,
    "options must be an object",
  );
  await refuses({ target: NaN }, RangeError, "target");
  await refuses({ budget: { seconds: -1 } }, RangeError, "seconds");
  await refuses({ metric: "sqn" as "sqnr" }, TypeError, "did you mean");
  await refuses({ metric: () => NaN }, Error, "gave NaN");
  await refuses({ metric: () => Promise.reject(new Error("no disk")) }, Error, "no disk");
  await refuses({ data: [] }, RangeError, "tune: data");
  await refuses({ heldOut: [] }, RangeError, "tune: heldOut");
  await refuses({ heldout: [] } as Partial<TuneOptions>, TypeError, "heldOut");
  const bad = tensor(new Float32Array(2 * 64).fill(NaN), { shape: [2, 64] });
  await refuses({ data: [data[0], bad] }, RangeError, "input of fc1");
  await refuses(
    { data: [[data[0], data[1]]] as never, heldOut: ["x"] as never },
    TypeError,
    "input 0",
  );
  await refuses({ quantize: { layers: ["fc9"] } }, Error, "fc9");
  await refuses({ quantize: { activationType: "int4" as "int8" } }, TypeError, "activationType");
  const { recipe } = await tuned({ remedies: ["equalize"] });
  const other = await convolutions("cpu");
  await assertRejects(() => tuned({ recipe }, other), Error, "of another model");
  const odd = (change: object) => ({ recipe: { ...recipe, ...change } as ModuleRecipe });
  await refuses(odd({ version: 2 }), Error, "newer version");
  await refuses(odd({ options: { ...recipe.options, layers: 3 } }), Error, "options");
  await refuses(odd({ steps: [{ remedy: "magic" }] }), Error, "magic");
  for (let after = 1; after < 6; after += 2) {
    const stop = new AbortController();
    const onProgress = ({ done }: { done: number }) =>
      done === after && stop.abort(new Error("enough"));
    await refuses({ signal: stop.signal, onProgress }, Error, "enough");
  }
  assertEquals(await snapshot(model), before);
});
