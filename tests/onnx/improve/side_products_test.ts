import { assert, assertEquals, assertRejects } from "@std/assert";
import { init, OnnxError } from "../../../mod.ts";
import { splitOutliers } from "../../../lib/onnx/improve/side_products.ts";
import { smoothNorms } from "../../../lib/onnx/improve/smoothing.ts";
import { trusted } from "../../../lib/quantization/improve/trusted_covariance.ts";
import { ImproveTools, quantizedState } from "../../../lib/onnx/improve/state.ts";
import { node, smallModel } from "../small_models.ts";
import { constant, remedied } from "./remedied.ts";

await init({ device: "cpu" });

const rows = [1, 6, 8];

/** Products of which the hidden activation has one channel far greater than the others. */
function network() {
  return smallModel({
    opset: 17,
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("Add", ["a", "b"], ["h"]),
      node("Softplus", ["h"], ["s"]),
      node("MatMul", ["s", "v"], ["p"]),
      node("Add", ["p", "c"], ["y"]),
      node("MatMul", ["s", "u"], ["z"]),
      node("Add", ["y", "z"], ["out"]),
    ],
    constants: [
      constant("w", [8, 32], 1, (i) => i % 32 === 5 ? 60 : 0.1),
      constant("b", [32], 2, () => 0.3),
      constant("v", [32, 16], 3),
      constant("c", [16], 4),
      constant("u", [32, 16], 5),
    ],
    inputs: { x: ["float32", ...rows] },
    outputs: ["out"],
  });
}

Deno.test("split: the outlier channel is multiplied with floats, and the others have the range", async () => {
  const result = await remedied(network(), rows, splitOutliers);
  const { before, after, done, state, tools, quantized } = result;
  assert(result.function > 100, `the function is changed: ${result.function} dB`);
  assert(after > before + 6, `${before} dB, ${after} dB`);
  const [{ value, channels, range }] = done.found as {
    value: string;
    channels: number[];
    range: { min: number; max: number };
  }[];
  assertEquals([value, channels], ["s", [5]]);
  assert(range.max < 5, `${range.max}`);
  // Both products of it have one beside them, in floats.
  assertEquals(quantized.graph.node.filter(({ opType }) => opType === "Gather").length, 1);
  const { nodes } = await quantizedState(done.state);
  const products = nodes.filter(({ opType }) => opType === "MatMul");
  assertEquals(products.map(({ quantized }) => quantized).sort(), [false, false, true, true, true]);
  // What a recipe has does the same again.
  const again = await splitOutliers.apply(state, tools, JSON.parse(JSON.stringify(done.found)));
  assertEquals((await quantizedState(again!.state)).model.toBytes(), quantized.toBytes());
  // What is split off is not smoothed as well.
  assertEquals(await smoothNorms.apply(done.state, tools), undefined);
});

Deno.test("split: nothing where channels are alike, less of it where limits forbid it", async () => {
  const { state, tools } = await remedied(network(), rows, splitOutliers);
  const done = await splitOutliers.apply(state, tools);
  // Once split off, there is nothing left to split.
  assertEquals(await splitOutliers.apply(done!.state, tools), undefined);
  let asked = 0;
  const limited = new ImproveTools([...tools.few], {
    takes: () => Promise.resolve(asked++ > 100 ? 0 : 2),
  });
  assert(
    await splitOutliers.apply(state, limited),
    "the last one is tried whatever the limits say",
  );
  assertEquals(asked, 1);
});

Deno.test("split: a recipe of something else is refused", async () => {
  const { state, tools } = await remedied(network(), rows, splitOutliers);
  const range = { min: 0, max: 1 };
  for (
    const found of [
      1,
      [{ value: "s" }],
      [{ value: "s", channels: [1.5], range }],
      [{ value: "s", channels: [], range }],
      [{ value: "s", channels: [1], range: { min: NaN, max: 1 } }],
    ]
  ) {
    await assertRejects(
      () => splitOutliers.apply(state, tools, found),
      OnnxError,
      "something else",
    );
  }
  for (const [value, channel] of [["none", 1], ["s", 32], ["x", 1]] as const) {
    const found = [{ value, channels: [channel], range }];
    await assertRejects(
      () => splitOutliers.apply(state, tools, found),
      OnnxError,
      "splits channels",
    );
  }
});

Deno.test("round: what few samples had in common by chance counts less, unused columns nothing", () => {
  const matrix = Float64Array.of(4, 2, 1, 2, 4, 1, 1, 1, 4);
  assertEquals([...trusted(matrix, [1, 1, 0, 2, 0, 0], 3)], [4, 1, 0, 1, 4, 0, 0, 0, 0]);
});

Deno.test("split: a Gemm too, however its weight lies", async () => {
  for (const transB of [0, 1]) {
    const dims = transB ? [4, 24] : [24, 4];
    const model = smallModel({
      opset: 17,
      nodes: [
        node("Gemm", ["x", "w", "b"], ["h"]),
        node("Softplus", ["h"], ["s"]),
        node("Gemm", ["s", "v", "c"], ["y"], { transB: { i: transB } }),
      ],
      constants: [
        constant("w", [8, 24], 1, (i) => i % 24 === 5 ? 60 : 0.1),
        constant("b", [24], 2, () => 0.3),
        constant("v", dims, 3),
        constant("c", [4], 4),
      ],
      inputs: { x: ["float32", 6, 8] },
      outputs: ["y"],
    });
    const { before, after, function: same } = await remedied(model, [6, 8], splitOutliers);
    assert(same > 100, `the function is changed: ${same} dB`);
    assert(after > before + 6, `${before} dB, ${after} dB`);
  }
});

Deno.test("split: nothing where others compute with the bytes of what is split, or it comes as bytes", async () => {
  const { node: nodes, initializer: constants } = network().graph;
  const read = smallModel({
    ...{ opset: 17, constants, inputs: { x: ["float32", ...rows] }, outputs: ["out", "more"] },
    nodes: [
      ...nodes,
      node("MaxPool", ["s"], ["m"], { kernel_shape: { ints: [3] }, pads: { ints: [1, 1] } }),
      node("MatMul", ["m", "u"], ["more"]),
    ],
  });
  const options = { opTypesToQuantize: ["MatMul", "MaxPool"] };
  await assertRejects(() => remedied(read, rows, splitOutliers, options), Error, "nothing");
  const made = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["a"]),
      node("Transpose", ["a"], ["t"], { perm: { ints: [0, 2, 1] } }),
      node("MatMul", ["t", "v"], ["y"]),
    ],
    constants: [
      constant("w", [32, 6, 1], 1, (i) => Math.floor(i / 6) === 5 ? 60 : 0.1),
      constant("v", [32, 16], 3),
    ],
    inputs: { x: ["float32", ...rows] },
    outputs: ["y"],
  });
  await assertRejects(() => remedied(made, rows, splitOutliers), Error, "nothing");
});
