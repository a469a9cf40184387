import { assert, assertEquals } from "@std/assert";
import {
  autoQuantize,
  type CalibrationMethod,
  compareOnnx,
  init,
  loadSafetensors,
  OnnxCalibration,
  type OnnxFeeds,
  type OnnxModel,
  OnnxRuntime,
  quantizeStatic,
  rankNodes,
  saveSafetensors,
  Sequential,
  tensor,
  upgradeOpset,
} from "../../mod.ts";
import { Linear } from "../../mod.ts";
import { summarizeModel } from "../../lib/onnx/inspect/model_summary.ts";
import { floats, node, noise, smallModel } from "./small_models.ts";

await init({ device: "cpu" });

/** What every object answers to: a table that is a plain object finds these names without having them. */
const NAMES = Object.getOwnPropertyNames(Object.prototype);

/** A model with a value for each name. */
function model(names: readonly string[], opset = 13): { float: OnnxModel; samples: OnnxFeeds[] } {
  const [x, w, m, r, bias, s, k, y, z, ...more] = names;
  const weight = (name: string) => floats(name, [4, 4], [...noise(4, 4).data as Float32Array]);
  const float = smallModel({
    opset,
    inputs: Object.fromEntries([[x, ["float32", "batch", 4] as const]]) as never,
    constants: [weight(w), floats(bias, [4], [1, -1, 0.5, 0]), weight(k)],
    nodes: [
      node("MatMul", [x, w], [m]),
      node("Relu", [m], [r]),
      node("Add", [r, bias], [s]),
      node("MatMul", [s, k], [y]),
      node("Softmax", [y], [z], { axis: { i: 1 } }),
      ...more.map((name, i) => node("Identity", [[z, ...more][i]], [name])),
    ],
    outputs: [z, y, ...more],
  });
  const samples = Array.from({ length: 3 }, (_, i) => {
    const data = Float32Array.from({ length: 8 }, (_, j) => Math.sin(i + j));
    return Object.fromEntries([[x, { data, dims: [2, 4] }]]);
  });
  return { float, samples };
}

async function outputs(model: OnnxModel, feeds: OnnxFeeds): Promise<unknown[]> {
  await using runtime = await OnnxRuntime.open("test", model);
  const found = await runtime.run(feeds);
  return model.graph.output.map(({ name }) => {
    assert(Object.hasOwn(found, name), name);
    return found[name].data;
  });
}

const plainNames = NAMES.map((_, i) => `value${i}`);

for (const calibrationMethod of ["minmax", "movingAverage", "entropy"] as CalibrationMethod[]) {
  Deno.test(`values named as what objects inherit are quantized as others are (${calibrationMethod})`, async () => {
    const results = [];
    for (const names of [NAMES, plainNames]) {
      const { float, samples } = model(names);
      const calibration = await OnnxCalibration.open(float, { calibrationMethod });
      await calibration.add(samples);
      const resumed = await OnnxCalibration.open(float, { calibrationMethod });
      await resumed.load(await calibration.save());
      const { model: quantized, activations } = await quantizeStatic(float, resumed);
      const first = [names[0]];
      const tensorOverrides = Object.fromEntries(first.map((name) => [name, { min: -1, max: 3 }]));
      const overridden = await quantizeStatic(float, resumed, { tensorOverrides });
      results.push({
        activations: activations.map(({ name: _, ...rest }) => rest),
        overridden: overridden.activations.map(({ name: _, ...rest }) => rest),
        outputs: await outputs(quantized, samples[0]),
      });
    }
    const [odd, plain] = results;
    assertEquals(odd, plain);
    assert(odd.activations.every(({ scale }) => scale > 0), "every scale is a number");
  });
}

Deno.test("values named as what objects inherit are compared, ranked, upgraded and summarized", async () => {
  const results = [];
  for (const names of [NAMES, plainNames]) {
    const { float, samples } = model(names, 11);
    const newer = upgradeOpset(float, 13);
    const { model: quantized } = await quantizeStatic(newer, samples);
    const comparison = await compareOnnx(newer, quantized, samples);
    const calibration = await OnnxCalibration.open(newer);
    await calibration.add(samples);
    const options = { heldOut: () => samples };
    const ranked = await rankNodes(newer, calibration, options);
    const auto = await autoQuantize(newer, calibration, { ...options, targetSqnr: 20 });
    results.push({
      sqnr: comparison.outputs.map(({ sqnr }) => sqnr),
      ranked: ranked.nodes.map(({ sqnr }) => sqnr),
      auto: auto.sqnr,
      operators: summarizeModel(newer).operators,
    });
  }
  assertEquals(results[0], results[1]);
});

Deno.test("an input that a sample lacks is missing, whatever objects inherit", async () => {
  const { float } = model(NAMES);
  await using runtime = await OnnxRuntime.open("test", float);
  const error = await runtime.run({}).catch((error) => error);
  assert(error instanceof TypeError && error.message.includes("is missing"), String(error));
});

Deno.test("an operator named as what objects inherit is one that is not known", () => {
  for (const opType of NAMES) {
    const float = smallModel({
      opset: 11,
      inputs: { x: ["float32", 1, 4] },
      nodes: [node(opType, ["x"], ["y"])],
      outputs: ["y"],
    });
    let message = "";
    try {
      upgradeOpset(float, 13);
    } catch (error) {
      message = (error as Error).message;
    }
    assert(message.includes("is no operator of ONNX"), `${opType}: ${message}`);
  }
});

Deno.test("a mode named as what objects inherit stays as it is", () => {
  const float = smallModel({
    opset: 19,
    inputs: { x: ["float32", 1, 1, 4, 4], g: ["float32", 1, 4, 4, 2] },
    nodes: [node("GridSample", ["x", "g"], ["y"], { mode: { s: "constructor" } })],
    outputs: ["y"],
  });
  const [{ attribute: [mode] }] = upgradeOpset(float, 20).graph.node;
  assertEquals(new TextDecoder().decode(mode.s), "constructor");
});

Deno.test("tensors and modules named as what objects inherit are saved and loaded", async () => {
  const tensors = Object.fromEntries(NAMES.map((name, i) => [name, tensor([i])]));
  const loaded = loadSafetensors(await saveSafetensors(tensors));
  assertEquals(Object.keys(loaded).sort(), [...NAMES].sort());
  for (const [i, name] of NAMES.entries()) assertEquals(await loaded[name].item(), i);

  const a = new Sequential({ fc: new Linear(2, 2) });
  const state: Record<string, unknown> = { "fc.weight": a.stateDict()["fc.weight"] };
  let message = "";
  try {
    a.loadStateDict({ ...state, ...tensors } as never);
  } catch (error) {
    message = (error as Error).message;
  }
  for (const name of NAMES) assert(message.includes(`unknown: ${name}`), message);
  assert(message.includes("missing: fc.bias"), message);
});
