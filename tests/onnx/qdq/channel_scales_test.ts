/** Products with a factor for each channel, next to bytes. */
import { assert, assertEquals } from "@std/assert";
import { init, quantizeStatic } from "../../../mod.ts";
import { intOf } from "../../../lib/onnx/file/attributes.ts";
import { nodeName } from "../../../lib/onnx/qdq/selection.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { constant, samplesOf, sqnrOf } from "../improve/remedied.ts";
import { floats, node, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

const image = [1, 4, 8, 8];
const data = samplesOf(image, 4);

/** Two convolutions with factors behind the one, something between, and factors before the other. */
function between(opType: string, axes = [1, 1], first = 0.01) {
  const own = { alpha: { f: 0.2 }, beta: { f: 0.5 } };
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["a"]),
      node("Mul", ["a", "up"], ["b"], {}),
      node(opType, ["b"], ["c"], opType === "HardSigmoid" ? own : {}),
      node("Mul", ["b", "c"], ["d"]),
      node("Mul", ["down", "d"], ["e"]),
      node("Conv", ["e", "v"], ["y"]),
    ],
    constants: [
      constant("w", [8, 4, 1, 1], 1),
      constant("v", [8, 8, 1, 1], 2),
      floats("up", [8, ...axes], [first, 3, 0.5, 1, 2, 4, 0.25, 7]),
      floats("down", [8, ...axes], [2, 0.3, 1, 1, 0.5, 0.25, 4, 0.1]),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
}

/** The number of scales of what makes bytes of activations, and floats of bytes. */
function scales({ graph }: OnnxModel, opType: string): number[] {
  const sizes = new Map(graph.initializer.map(({ name, dims }) => [name, Number(dims[0] ?? 1)]));
  return graph.node.filter((each) => each.opType === opType && !sizes.has(each.input[0]))
    .map(({ input }) => sizes.get(input[1])!).sort();
}

/** Options with which only the two convolutions are bytes. */
const options = ({ graph }: OnnxModel) => ({
  ...{ prepare: false, nodesToExclude: graph.node.slice(1, -1).map(nodeName) },
});

Deno.test("factors next to bytes go into the scales of these, a scale for each channel", async () => {
  const float = between("HardSigmoid");
  const { model } = await quantizeStatic(float, data, options(float));
  model.check();
  assertEquals(model.graph.node.filter(({ opType }) => opType === "Mul").length, 1);
  assertEquals(scales(model, "QuantizeLinear").at(-1), 8);
  assertEquals(scales(model, "DequantizeLinear").at(-1), 8);
  for (const each of model.graph.node) {
    if (each.opType === "QuantizeLinear") assertEquals(intOf(each, "axis", 1), 1);
  }
  assert(await sqnrOf(float, model, samplesOf(image, 2, 9)) > 30);
  // A runtime that is not this one keeps the products.
  const { model: web } = await quantizeStatic(float, data, { ...options(float), target: "web" });
  assertEquals(web.graph.node.filter(({ opType }) => opType === "Mul").length, 3);
  const off = await sqnrOf(web, model, samplesOf(image, 2, 9));
  assert(off > 30, `${off} dB between the two`);
});

Deno.test("factors stay products where a kernel of bytes is to have one scale", async () => {
  // Relu and what is around it would be bytes for onnxruntime, with a scale for each channel.
  const float = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["a"]),
      node("Mul", ["a", "up"], ["b"]),
      node("Sigmoid", ["b"], ["c"]),
      node("Mul", ["c", "down"], ["d"]),
      node("Conv", ["d", "v"], ["y"]),
    ],
    constants: [
      constant("w", [8, 4, 1, 1], 1),
      constant("v", [8, 8, 1, 1], 2),
      floats("up", [8, 1, 1], [0.01, 3, 0.5, 1, 2, 4, 0.25, 7]),
      floats("down", [8, 1, 1], [2, 0.3, 1, 1, 0.5, 0.25, 4, 0.1]),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
  const { model } = await quantizeStatic(float, data, options(float));
  model.check();
  assertEquals(model.graph.node.filter(({ opType }) => opType === "Mul").length, 2);
  assert(await sqnrOf(float, model, samplesOf(image, 2, 9)) > 30);
});

Deno.test("factors that no scale can have, or of another axis, stay products", async () => {
  for (const float of [between("Sigmoid", [1, 1], -1), between("Sigmoid", [1])]) {
    const { model } = await quantizeStatic(float, data, options(float));
    model.check();
    assert(scales(model, "DequantizeLinear").every((count) => count === 1));
    assert(await sqnrOf(float, model, samplesOf(image, 2, 9)) > 25);
  }
});
