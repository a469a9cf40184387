import { assert, assertEquals, assertRejects } from "@std/assert";
import { init, OnnxError } from "../../../mod.ts";
import { correctBiases, likelyError, typicalError } from "../../../lib/onnx/improve/biases.ts";
import { fitRanges } from "../../../lib/onnx/improve/fitted_ranges.ts";
import { leaveFaster } from "../../../lib/onnx/improve/faster_nodes.ts";
import { leaveFloat } from "../../../lib/onnx/improve/float_nodes.ts";
import { tuneRanges } from "../../../lib/onnx/improve/ranges.ts";
import { roundWeights } from "../../../lib/onnx/improve/rounding.ts";
import { Simulation } from "../../../lib/onnx/improve/simulation.ts";
import { ImproveTools, quantizedState } from "../../../lib/onnx/improve/state.ts";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import { calibrateOnnx } from "../../../lib/onnx/calibration/calibrate.ts";
import { OnnxRuntime } from "../../../lib/onnx/run/runtime.ts";
import { node, smallModel } from "../small_models.ts";
import { constant, remedied, samplesOf, sqnrOf } from "./remedied.ts";

await init({ device: "cpu" });

const image = [1, 4, 8, 8];
const pads = { pads: { ints: [1, 1, 1, 1] } };

/** Convolutions whose inputs go together: all are mixtures of four, so that errors can make up for each other. */
function network() {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"]),
      node("Conv", ["a", "d", "e"], ["h"], pads),
      node("Relu", ["h"], ["r"]),
      node("Conv", ["r", "v", "c"], ["y"]),
    ],
    constants: [
      constant("w", [16, 4, 1, 1], 1),
      constant("b", [16], 2),
      constant("d", [16, 16, 3, 3], 3),
      constant("e", [16], 4, () => 4),
      constant("v", [4, 16, 1, 1], 5),
      constant("c", [4], 6),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
}

Deno.test("round: products change less than by rounding to the nearest", async () => {
  const { done, state, tools, float } = await remedied(network(), image, roundWeights);
  assertEquals(done.state.weights.size, 3);
  // The integers are those that are written.
  const { model } = await quantizedState(done.state);
  const rounded = done.state.weights.get("d")!;
  const written = model.graph.initializer.find(({ name }) => name === "d_quantized")!;
  assertEquals(written.rawData, new Uint8Array(rounded.integers.buffer));
  // On the samples that the covariance is of.
  const noise = async (from: typeof state) => {
    await using simulation = await Simulation.open("test", (await quantizedState(from)).model);
    await using runtime = await OnnxRuntime.open("test", float);
    let off = 0;
    for (const feeds of tools.few) {
      const [a, b] = [(await runtime.run(feeds)).y, (await simulation.run(feeds)).y];
      (a.data as Float32Array).forEach((x, i) => off += (x - (b.data as Float32Array)[i]) ** 2);
    }
    return off;
  };
  assert(await noise(done.state) < await noise(state));
});

Deno.test("round: nothing where weights have no scale a channel, or other bits", async () => {
  for (
    const options of [{ perChannel: false }, { weightType: "uint8" as const }, {
      reduceRange: true,
    }]
  ) {
    await assertRejects(() => remedied(network(), image, roundWeights, options), Error, "nothing");
  }
});

Deno.test("bias: what rounding adds on average is taken away", async () => {
  // One scale for a weight with one great element rounds the others coarsely, and inputs have a mean.
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Relu", ["x"], ["p"]),
      node("Conv", ["p", "w", "b"], ["y"]),
    ],
    constants: [
      constant("w", [4, 4, 1, 1], 1, (i) => i === 0 ? 400 : 1),
      constant("b", [4], 2),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
  const { before, after, done } = await remedied(model, image, correctBiases, {
    perChannel: false,
  });
  assert(after > before + 0.3, `${before} dB, ${after} dB`);
  assert(done.summary.startsWith("1 biases"));
});

Deno.test("a simulation computes what the quantized model does, with scales that can be changed", async () => {
  const float = await prepareOnnx(network());
  const data = samplesOf(image, 4);
  const calibration = await calibrateOnnx(float, data);
  const { model } = await quantizedState({ calibration, options: {}, weights: new Map() });
  await using simulation = await Simulation.open("test", model);
  await using runtime = await OnnxRuntime.open("test", model);
  const [{ y: a }, { y: b }] = [await runtime.run(data[0]), await simulation.run(data[0])];
  const step = Math.max(...simulation.params.map(({ scale }) => scale));
  const worst = (x: typeof a, y: typeof b) =>
    (x.data as Float32Array).reduce(
      (most, v, i) => Math.max(most, Math.abs(v - (y.data as Float32Array)[i])),
      0,
    );
  assert(worst(a, b) <= 2.01 * step, `${worst(a, b)} of ${step}`);
  // Weights are those of the quantized model, and not rounded once more.
  const off = (a.data as Float32Array).map((v, i) => (v - (b.data as Float32Array)[i]) ** 2);
  assert(off.reduce((sum, x) => sum + x, 0) / off.length < 0.05 * step ** 2);
  simulation.params[0].scale *= 50;
  assert(worst(a, (await simulation.run(data[0])).y) !== worst(a, b));
});

Deno.test("ranges: an outlier that nothing needs is cut off", async () => {
  // One sample is far greater than all others, and Tanh gives 1 for it whatever it is.
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"]),
      node("Conv", ["a", "v", "c"], ["h"]),
      node("Tanh", ["h"], ["y"]),
    ],
    constants: [
      constant("w", [8, 4, 1, 1], 1),
      constant("b", [8], 2),
      constant("v", [4, 8, 1, 1], 3),
      constant("c", [4], 4),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
  const data = samplesOf(image, 8);
  const x = (data[7].x.data as Float32Array).map((value) => 40 * value);
  data[7] = { x: { data: x, dims: image } };
  const { before, after, done, state, tools } = await remedied(model, image, tuneRanges, {}, data);
  assert(after > before + 3, `${before} dB, ${after} dB`);
  const again = await tuneRanges.apply(state, tools, JSON.parse(JSON.stringify(done.found)));
  assertEquals(
    (await quantizedState(again!.state)).model.toBytes(),
    (await quantizedState(done.state)).model.toBytes(),
  );
  await assertRejects(() => tuneRanges.apply(state, tools, { a: 1 }), OnnxError, "something else");
});

Deno.test("float: the noisiest layer stays float, and scales of its values go with it", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"]),
      node("Relu", ["a"], ["r"]),
      node("Conv", ["r", "v", "c"], ["h"]),
      node("Relu", ["h"], ["s"]),
      node("Conv", ["s", "u"], ["y"]),
    ],
    constants: [
      constant("w", [8, 4, 1, 1], 1, (i) => i < 4 ? 300 : 1),
      constant("b", [8], 2),
      constant("v", [8, 8, 1, 1], 3, (i) => i % 8 === 0 ? 1 / 300 : 1),
      constant("c", [8], 4),
      constant("u", [4, 8, 1, 1], 5),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
  const float = await prepareOnnx(model);
  const data = samplesOf(image, 8);
  const calibration = await calibrateOnnx(float, data);
  const tensorOverrides = { r: { min: 0, max: 300 } };
  const state = { calibration, options: { tensorOverrides }, weights: new Map() };
  const done = await leaveFloat.apply(state, new ImproveTools(data, { reference: float }));
  const left = done!.found as string[];
  assert(left.length >= 1, left.join());
  // What is asked for is enough.
  const less = new ImproveTools(data, { reference: float, target: 1 });
  assertEquals((await leaveFloat.apply(state, less))?.found, left.slice(0, 1));
  const { nodes } = await quantizedState(done!.state);
  assert(left.every((name) => !nodes.find((each) => each.name === name)!.quantized));
  // Nothing is allowed: nothing is done.
  const none = new ImproveTools(data, { reference: float, takes: () => Promise.resolve(2) });
  assertEquals(await leaveFloat.apply(state, none), undefined);
  await assertRejects(() => leaveFloat.apply(state, none, "all"), OnnxError, "names of nodes");
  // What is faster is looked for where time is limited, and left in float where a recipe says so.
  assertEquals(await leaveFaster.apply(state, none), undefined);
  const given = { nodes: left, dynamicLstms: false, cutGates: false };
  const same = await leaveFaster.apply(state, none, given);
  assertEquals(same?.state.options.nodesToExclude, left);
  const fast = new ImproveTools(data, { reference: float, latency: 1 });
  const found = await leaveFaster.apply(state, fast);
  const all = (await quantizedState(state)).nodes.map(({ name }) => name);
  const { nodes: floatNodes = [] } = (found?.found ?? {}) as { nodes?: string[] };
  assert(floatNodes.every((name) => all.includes(name)));
});

Deno.test("what a search is told to end with ends it", async () => {
  const data = samplesOf(image, 2);
  const calibration = await calibrateOnnx(network(), data);
  const state = { calibration, options: {}, weights: new Map() };
  const check = () => {
    throw new Error("over");
  };
  for (const remedy of [roundWeights, correctBiases, tuneRanges]) {
    await assertRejects(
      () => remedy.apply(state, new ImproveTools(data, { check })),
      Error,
      "over",
    );
  }
});

Deno.test("bias: layers are corrected one after the other, and outliers do not count", async () => {
  // A chain in which what one layer is off by goes through all the others.
  const names = ["a", "b", "c", "d"];
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Relu", ["x"], ["p"]),
      ...names.map((name, i) =>
        node("Conv", [i ? names[i - 1] : "p", `${name}w`, `${name}b`], [name])
      ),
    ],
    constants: names.flatMap((name, i) => [
      constant(`${name}w`, [4, 4, 1, 1], i + 1, (k) => k === 0 ? 60 : 1),
      constant(`${name}b`, [4], i + 9),
    ]),
    inputs: { x: ["float32", ...image] },
    outputs: ["d"],
  });
  const { before, after, done, tools, float } = await remedied(model, image, correctBiases, {
    perChannel: false,
  });
  assert(after > before + 0.3, `${before} dB, ${after} dB`);
  // Once more changes nothing, for what they are to come near to is what the model was before.
  const again = (await quantizedState((await correctBiases.apply(done.state, tools))!.state)).model;
  const more = await sqnrOf(float, again, samplesOf(image, 4, 99));
  assert(Math.abs(more - after) < 0.3, `${after} dB, then ${more} dB`);
  const rows = (...numbers: number[]) => numbers.map((x) => Float32Array.of(x));
  const off = typicalError(rows(...new Array(10).fill(1), 1000), rows(...new Array(11).fill(0)));
  assertEquals([...off], [1]);
  // Samples that agree are believed, those that do not are not.
  const each = (...numbers: number[]) => numbers.map((x) => rows(x));
  assertEquals([...likelyError(each(2, 2, 2), each(1, 1, 1))], [1]);
  assertEquals([...likelyError(each(9, -7, 2), each(1, 1, 1))], [0]);
});

Deno.test("fit: a range is cut where what reads the value gains by it", async () => {
  // One channel reaches far now and then, and is hardly multiplied with anything.
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"]),
      node("Softplus", ["a"], ["s"]),
      node("Conv", ["s", "v", "c"], ["y"]),
    ],
    constants: [
      constant("w", [8, 4, 1, 1], 1, (i) => i < 4 ? 40 : 1),
      constant("b", [8], 2),
      constant("v", [4, 8, 1, 1], 3, (i) => i % 8 === 0 ? 1e-4 : 1),
      constant("c", [4], 4),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
  const { before, after, done, state, tools } = await remedied(model, image, fitRanges);
  assert(after > before + 2, `${before} dB, ${after} dB`);
  const again = await fitRanges.apply(state, tools, JSON.parse(JSON.stringify(done.found)));
  assertEquals(
    (await quantizedState(again!.state)).model.toBytes(),
    (await quantizedState(done.state)).model.toBytes(),
  );
  await assertRejects(() => fitRanges.apply(state, tools, { s: 1 }), OnnxError, "something else");
  // Nothing is left whose range is not known better.
  assertEquals((await fitRanges.apply({ ...done.state }, tools))?.found ?? {}, {});
});
