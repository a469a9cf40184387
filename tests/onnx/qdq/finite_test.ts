import { assert, assertEquals, assertRejects } from "@std/assert";
import { calibrateOnnx, quantizeStatic } from "../../../mod.ts";
import { oddElement } from "../../../lib/onnx/qdq/finite.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

const weight = (name: string, ...dims: number[]) =>
  floats(name, dims, Array.from(noise(...dims).data as Float32Array));
const samples = [{ x: { data: noise(1, 3, 6, 6).data as Float32Array, dims: [1, 3, 6, 6] } }];

Deno.test("oddElement: where the first is, and what", () => {
  const at = (index: number, value: number, dims: number[]) => {
    const data = new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(3e38);
    data[index] = value;
    return oddElement({ dims, data });
  };
  assertEquals(at(0, 1, [2, 3]), undefined);
  assertEquals(at(5, NaN, [2, 3]), "NaN at (1, 2)");
  assertEquals(at(7, -Infinity, [2, 2, 2]), "-Infinity at (1, 1, 1)");
  assertEquals(at(0, Infinity, []), "Infinity");
  assertEquals(oddElement({ dims: [0, 4], data: new Float32Array() }), undefined);
});

Deno.test("quantizeStatic: a sum with an infinite mask stays float, and what is cut off behind it is quantized", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["c"]),
      node("Add", ["c", "mask"], ["a"]),
      node("MaxPool", ["a"], ["m"], { kernel_shape: { ints: [2, 2] } }),
      node("Conv", ["m", "v"], ["y"]),
    ],
    constants: [
      weight("w", 8, 3, 1, 1),
      floats("mask", [6, 6], Array.from({ length: 36 }, (_, i) => i % 7 ? 0 : -Infinity)),
      weight("v", 4, 8, 1, 1),
    ],
    inputs: { x: ["float32", 1, 3, 6, 6] },
    outputs: ["y"],
  });
  const { nodes } = await quantizeStatic(float, samples);
  assertEquals(nodes.map(({ opType, quantized }) => [opType, quantized]), [
    ...[["Conv", true], ["Add", false], ["MaxPool", true], ["Conv", true]],
  ]);
  assertEquals(
    nodes[1].reason,
    'its constant "mask" holds -Infinity at (0, 0), which no range can hold',
  );
});

Deno.test("quantizeStatic: a calibration that left a node out is no way around the check of its weight", async () => {
  const bad = weight("v", 4, 8, 1, 1);
  bad.rawData.set([0, 0, 192, 127], 8); // NaN
  const float = smallModel({
    opset: 17,
    nodes: [node("Conv", ["x", "w"], ["c"]), node("Conv", ["c", "v"], ["y"])],
    constants: [weight("w", 8, 3, 1, 1), bad],
    inputs: { x: ["float32", 1, 3, 6, 6] },
    outputs: ["y"],
  });
  const nodesToExclude = ["Conv:y"];
  const calibration = await calibrateOnnx(float, samples, { nodesToExclude });
  const { model } = await quantizeStatic(calibration.model, calibration, { nodesToExclude });
  assert(model.graph.initializer.some(({ name }) => name === "v"), "left as it is");
  await assertRejects(
    () => quantizeStatic(calibration.model, calibration),
    Error,
    'the weight of Conv node "Conv:y" is not finite: "v" holds NaN at (0, 2, 0, 0)',
  );
});
