import { assert, assertEquals, assertRejects } from "@std/assert";
import { init, OnnxError } from "../../../mod.ts";
import { calibrateOnnx } from "../../../lib/onnx/calibration/calibrate.ts";
import { leaveFaster } from "../../../lib/onnx/improve/faster_nodes.ts";
import { fuseGates } from "../../../lib/onnx/improve/hard_gates.ts";
import { ImproveTools, quantizedState } from "../../../lib/onnx/improve/state.ts";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import { floats, node, smallModel } from "../small_models.ts";
import { constant, samplesOf, sqnrOf } from "./remedied.ts";

await init({ device: "cpu" });

const image = [1, 4, 8, 8];

/** HardSwish after a convolution, by its parts, twice: a convolution reads the one, a product the other. */
const swish = () =>
  smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["a"]),
      node("Add", ["a", "three"], ["s"]),
      node("Clip", ["s", "zero", "six"], ["c"]),
      node("Mul", ["a", "c"], ["m"]),
      node("Conv", ["m", "v"], ["b"]),
      node("Add", ["three", "b"], ["t"]),
      node("Clip", ["t", "zero", "six"], ["d"]),
      node("Mul", ["d", "b"], ["n"]),
      node("Mul", ["n", "sixth"], ["o"]),
      node("GlobalAveragePool", ["o"], ["y"]),
    ],
    constants: [
      constant("w", [8, 4, 1, 1], 1, () => 3),
      constant("v", [8, 8, 3, 3], 2),
      floats("three", [], [3]),
      floats("zero", [], [0]),
      floats("six", [], [6]),
      floats("sixth", [], [1 / 6]),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });

/** Its prepared model, its plain state, and tools for a limit of which it takes a share. */
async function started(model: ReturnType<typeof smallModel>, share: number) {
  const float = await prepareOnnx(model);
  const data = samplesOf(image, 4);
  const calibration = await calibrateOnnx(float, data, { prepare: false });
  const takes = () => Promise.resolve(share);
  const tools = new ImproveTools(data, { reference: float, latency: 1, takes });
  return { float, tools, state: { calibration, options: {}, weights: new Map() } };
}

Deno.test("gates: what is too slow has HardSigmoid for a sum that is cut off", async () => {
  const { float, tools, state } = await started(swish(), 2);
  const done = await fuseGates.apply(state, tools);
  const { model } = done!.state.calibration;
  const count = (opType: string) =>
    model.graph.node.filter((each) => each.opType === opType).length;
  assertEquals([count("HardSigmoid"), count("Clip"), count("Add"), count("Mul")], [2, 0, 0, 2]);
  const kept = await sqnrOf(float, model, samplesOf(image, 4, 99));
  assert(kept > 100, `the function is changed: ${kept} dB`);
  const { model: quantized } = await quantizedState(done!.state);
  quantized.check();
  const again = await fuseGates.apply(state, tools, JSON.parse(JSON.stringify(done!.found)));
  assertEquals((await quantizedState(again!.state)).model.toBytes(), quantized.toBytes());
  await assertRejects(() => fuseGates.apply(state, tools, ["none"]), OnnxError, "has not");
});

Deno.test("gates: nothing is written anew that is fast enough, or that a caller names", async () => {
  const fast = await started(swish(), 0.5);
  assertEquals(await fuseGates.apply(fast.state, fast.tools), undefined);
  const { tools, state } = await started(swish(), 2);
  const nodesToExclude = state.calibration.model.graph.node.map(({ name }) => name);
  assertEquals(await fuseGates.apply({ ...state, options: { nodesToExclude } }, tools), undefined);
});

Deno.test("gates: what has no columns to multiply does not take the factor over", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["a"]),
      node("Add", ["a", "three"], ["s"]),
      node("Clip", ["s", "zero", "six"], ["c"]),
      node("Mul", ["a", "c"], ["m"]),
      node("ConvTranspose", ["m", "v"], ["y"]),
    ],
    constants: [
      constant("w", [8, 4, 1, 1], 1, () => 3),
      constant("v", [8, 4, 2, 2], 2),
      floats("three", [], [3]),
      floats("zero", [], [0]),
      floats("six", [], [6]),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
  const { tools, state } = await started(model, 2);
  assertEquals(await fuseGates.apply(state, tools), undefined);
});

Deno.test("faster: gates are bytes cut off where time counts, and a recipe does the same", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["a"]),
      node("HardSwish", ["a"], ["h"]),
      node("Conv", ["h", "v"], ["y"]),
    ],
    constants: [constant("w", [16, 4, 1, 1], 1, () => 3), constant("v", [8, 16, 1, 1], 2)],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
  const { tools, state } = await started(model, 0.5);
  const done = await leaveFaster.apply(state, tools);
  const found = done!.found as { nodes: string[]; dynamicLstms: boolean; cutGates: boolean };
  assertEquals([found.dynamicLstms, found.cutGates], [false, true]);
  assert(/^gates are bytes cut off/.test(done!.summary), done!.summary);
  const again = await leaveFaster.apply(state, tools, found);
  const [one, other] = await Promise.all([done!, again!].map((each) => quantizedState(each.state)));
  assertEquals(one.model.toBytes(), other.model.toBytes());
  // Where nothing is found to be faster in float, the gate is a Clip of bytes.
  const bytes = await leaveFaster.apply(state, tools, { ...found, nodes: [] });
  const { model: cut } = await quantizedState(bytes!.state);
  assert(cut.graph.node.some(({ opType }) => opType === "Clip"));
  await assertRejects(() => leaveFaster.apply(state, tools, found.nodes), OnnxError, "LSTMs");
});
