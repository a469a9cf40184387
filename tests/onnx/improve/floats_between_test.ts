import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { init, OnnxError } from "../../../mod.ts";
import { calibrateOnnx } from "../../../lib/onnx/calibration/calibrate.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { rangeChannels } from "../../../lib/onnx/improve/floats_between.ts";
import { islandsOf } from "../../../lib/onnx/improve/islands.ts";
import {
  type ImprovedModel,
  ImproveTools,
  quantizedState,
} from "../../../lib/onnx/improve/state.ts";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import { GraphFacts } from "../../../lib/onnx/qdq/graph_facts.ts";
import { nodeName } from "../../../lib/onnx/qdq/selection.ts";
import { floats, node, smallModel } from "../small_models.ts";
import { constant, samplesOf, sqnrOf } from "./remedied.ts";

await init({ device: "cpu" });

const image = [1, 4, 8, 8];
const data = samplesOf(image, 8);

/** A convolution of each channel. */
const depthwise = (input: string, weight: string, output: string) =>
  node("Conv", [input, weight], [output], { group: { i: 16 }, pads: { ints: [1, 1, 1, 1] } });

/** HardSwish by its parts. */
const swish = (input: string, output: string) => [
  node("Add", [input, "three"], [`${output}_s`]),
  node("Clip", [`${output}_s`, "zero", "six"], [`${output}_c`]),
  node("Mul", [input, `${output}_c`], [output]),
];

/** Layers with what is no such layer between them: their channels differ by powers of two. */
const uneven = () =>
  smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w0"], ["a"]),
      ...swish("a", "b"),
      depthwise("b", "w1", "c"),
      ...swish("c", "d"),
      node("Conv", ["d", "w2"], ["e"]),
      ...swish("e", "f"),
      node("Add", ["f", "shift"], ["g"]),
      depthwise("g", "w3", "h"),
      ...swish("h", "i"),
      node("Conv", ["i", "w4"], ["y"]),
    ],
    constants: [
      constant("w0", [16, 4, 1, 1], 1, (i) => 6 * 2 ** -(i >> 2 & 7)),
      constant("w1", [16, 1, 3, 3], 2),
      constant("w2", [16, 16, 1, 1], 3, (i) => 2 ** ((i & 7) - (i >> 4 & 7))),
      constant("w3", [16, 1, 3, 3], 4),
      constant("w4", [4, 16, 1, 1], 5, (i) => 2 ** (i & 7)),
      ...[floats("three", [], [3]), floats("zero", [], [0]), floats("six", [], [6])],
      floats("shift", [], [-0.2]),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });

/** The plain state, and tools for limits of which a model takes a share. */
async function started(
  takes?: (model: OnnxModel) => number,
  options: ImprovedModel["options"] = {},
) {
  const float = await prepareOnnx(uneven());
  const calibration = await calibrateOnnx(float, data, { ...options, prepare: false });
  const limits = takes
    ? { latency: 0.5, takes: (model: OnnxModel) => Promise.resolve(takes(model)) }
    : {};
  const tools = new ImproveTools(data, { reference: float, ...limits });
  return { float, tools, state: { calibration, options, weights: new Map() } as ImprovedModel };
}

/** How many convolutions read floats, of those with at least so many channels each of whose inputs they read. */
function floatLayers({ graph }: OnnxModel, least = 1): number {
  const weights = new Map(graph.initializer.map(({ name, dims }) => [name, Number(dims[1])]));
  const bytes = new Set(
    graph.node.filter(({ opType }) => opType === "DequantizeLinear").flatMap(({ output }) =>
      output
    ),
  );
  return graph.node.filter(({ opType, input }) =>
    opType === "Conv" && !bytes.has(input[0]) && (weights.get(input[1]) ?? 0) >= least
  ).length;
}

Deno.test("channels: floats stay between layers, and channels have ranges of their own next to them", async () => {
  // Only floats of the two large layers take too long.
  const takes = (model: OnnxModel) => 0.5 + floatLayers(model, 16);
  const { float, tools, state } = await started(takes);
  const heldOut = samplesOf(image, 4, 99);
  const before = await sqnrOf(float, (await quantizedState(state)).model, heldOut);
  const done = await rangeChannels.apply(state, tools);
  const { model } = await quantizedState(done!.state);
  model.check();
  const kept = await sqnrOf(float, done!.state.calibration.model, heldOut);
  assertGreater(kept, 100, "the function is changed");
  assertGreater(await sqnrOf(float, model, heldOut), before + 6);
  const count = (opType: string) =>
    model.graph.node.filter((each) => each.opType === opType).length;
  assertEquals([count("HardSigmoid"), count("Clip")], [4, 0], "gates are written for floats");
  assertEquals(count("Mul"), 4, "factors are in the scales");
  // What a recipe has does the same, in a process of its own.
  const found = JSON.parse(JSON.stringify(done!.found));
  const again = await rangeChannels.apply((await started(takes)).state, tools, found);
  assertEquals((await quantizedState(again!.state)).model.toBytes(), model.toBytes());
  for (
    const bad of [[], { ...found, gates: 1 }, { ...found, makes: ["none"] }, {
      ...found,
      gates: ["none"],
    }, {
      ...found,
      reads: [{ node: "e", alpha: 2 }],
    }]
  ) {
    await assertRejects(() => rangeChannels.apply(state, tools, bad), OnnxError, "recipe");
  }
});

Deno.test("channels: as many floats stay as the limits allow", async () => {
  const { tools, state } = await started((model) => floatLayers(model) / 2);
  const done = await rangeChannels.apply(state, tools);
  const { model } = await quantizedState(done!.state);
  assert([1, 2].includes(floatLayers(model)), `${floatLayers(model)} layers in float`);
  const none = await started((model) => 0.5 + floatLayers(model));
  assertEquals(await rangeChannels.apply(none.state, none.tools), undefined);
});

Deno.test("channels: nothing is done where there are no limits, or floats' time is not known", async () => {
  const open = await started();
  assertEquals(await rangeChannels.apply(open.state, open.tools), undefined);
  const web = await started(() => 0.5, { target: "web" });
  assertEquals(await rangeChannels.apply(web.state, web.tools), undefined);
});

Deno.test("islands are what lies between layers with whole weights, the first of these with them", async () => {
  const { graph } = await prepareOnnx(uneven());
  const facts = new GraphFacts(graph);
  const islands = islandsOf(facts, new Set(graph.node.map(nodeName)));
  const types = islands.map((names) =>
    graph.node.filter((each) => names.includes(nodeName(each))).map(({ opType }) => opType).join()
  );
  const gate = "Add,Clip,Mul";
  assertEquals(types.toSorted(), [
    `${gate},Add,Conv,${gate}`,
    `Conv,${gate},Conv,${gate}`,
  ]);
  assertEquals(islandsOf(facts, new Set()), []);
  assert(islandsOf(facts, new Set(graph.node.slice(0, 1).map(nodeName))).length === 0);
});
