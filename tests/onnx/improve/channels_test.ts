import { assert, assertEquals, assertRejects } from "@std/assert";
import { init, OnnxError } from "../../../mod.ts";
import { absorbBiases } from "../../../lib/onnx/improve/absorption.ts";
import { copyOutliers } from "../../../lib/onnx/improve/channel_copies.ts";
import type { Remedy } from "../../../lib/onnx/improve/remedy.ts";
import { quantizedState } from "../../../lib/onnx/improve/state.ts";
import { node, smallModel } from "../small_models.ts";
import { constant, remedied } from "./remedied.ts";

await init({ device: "cpu" });

const image = [1, 4, 8, 8];

/** Applies a remedy that rewrites, and asserts that it keeps the function, gains, and can be repeated. */
async function gains(
  model: ReturnType<typeof smallModel>,
  dims: readonly number[],
  remedy: Remedy,
  least: number,
) {
  const result = await remedied(model, dims, remedy);
  const { state, tools, done, quantized } = result;
  assert(result.function > 100, `the function is changed: ${result.function} dB`);
  assert(result.after > result.before + least, `${result.before} dB, ${result.after} dB`);
  const again = await remedy.apply(state, tools, JSON.parse(JSON.stringify(done.found)));
  assertEquals((await quantizedState(again!.state)).model.toBytes(), quantized.toBytes());
  return result;
}

/** Two convolutions, the first with biases that some channels never come down from. */
function lifted(cut: boolean, pads: number) {
  const window = { pads: { ints: [pads, pads, pads, pads] } };
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"]),
      ...cut ? [node("Relu", ["a"], ["r"])] : [],
      node("Conv", [cut ? "r" : "a", "v", "c"], ["y"], window),
    ],
    constants: [
      constant("w", [12, 4, 1, 1], 1),
      constant("b", [12], 2, (i) => i % 3 === 0 ? 60 : 1),
      constant("v", [4, 12, 3, 3], 3),
      constant("c", [4], 4),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
}

Deno.test("absorb: what channels always hold becomes part of the biases behind", async () => {
  await gains(lifted(true, 0), image, absorbBiases, 2);
  await gains(lifted(false, 0), image, absorbBiases, 2);
});

Deno.test("absorb: nothing before a layer that reads zeros around a picture", async () => {
  for (const cut of [true, false]) {
    await assertRejects(() => remedied(lifted(cut, 1), image, absorbBiases), Error, "nothing");
  }
});

Deno.test("absorb: products with biases behind them, and layers in groups", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("Add", ["a", "b"], ["h"]),
      node("Relu", ["h"], ["r"]),
      node("MatMul", ["r", "v"], ["p"]),
      node("Add", ["c", "p"], ["y"]),
    ],
    constants: [
      constant("w", [8, 12], 1),
      constant("b", [12], 2, (i) => i % 3 === 0 ? 60 : 1),
      constant("v", [12, 4], 3),
      constant("c", [4], 4),
    ],
    inputs: { x: ["float32", 6, 8] },
    outputs: ["y"],
  });
  await gains(model, [6, 8], absorbBiases, 2);
  const grouped = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"]),
      node("Conv", ["a", "v", "c"], ["y"], { group: { i: 4 } }),
    ],
    constants: [
      constant("w", [12, 4, 1, 1], 1),
      constant("b", [12], 2, (i) => i % 3 === 0 ? 60 : 1),
      constant("v", [8, 3, 1, 1], 3),
      constant("c", [8], 4),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
  await gains(grouped, image, absorbBiases, 2);
});

Deno.test("absorb: a recipe of something else is refused", async () => {
  const { state, tools } = await remedied(lifted(true, 0), image, absorbBiases);
  for (const found of [1, [{ value: "r" }], [{ value: "r", shifts: [NaN] }]]) {
    await assertRejects(() => absorbBiases.apply(state, tools, found), OnnxError, "something else");
  }
  for (const found of [[{ value: "r", shifts: [1] }], [{ value: "x", shifts: [1, 2, 3, 4] }]]) {
    await assertRejects(
      () => absorbBiases.apply(state, tools, found),
      OnnxError,
      "lowers channels",
    );
  }
});

/** Every element of one output of a weight with so many elements each is far greater. */
const outlier = (each: number) => (i: number) => Math.floor(i / each) === 5 ? 20 : 1;

Deno.test("copy: an outlier channel of convolutions is made twice, and ranges are halved", async () => {
  for (const between of ["Relu", undefined]) {
    const model = smallModel({
      opset: 17,
      nodes: [
        node("Conv", ["x", "w", "b"], ["a"], { pads: { ints: [1, 1, 1, 1] } }),
        ...between ? [node(between, ["a"], ["r"])] : [],
        node("Conv", [between ? "r" : "a", "v", "c"], ["y"], { pads: { ints: [1, 1, 1, 1] } }),
        node("Conv", [between ? "r" : "a", "u"], ["z"]),
      ],
      constants: [
        constant("w", [16, 4, 3, 3], 1, outlier(36)),
        constant("b", [16], 2, outlier(1)),
        constant("v", [4, 16, 3, 3], 3, (i) => Math.floor(i / 9) % 16 === 5 ? 0.05 : 1),
        constant("c", [4], 4),
        constant("u", [2, 16, 1, 1], 5, (i) => i % 16 === 5 ? 0.05 : 1),
      ],
      inputs: { x: ["float32", ...image] },
      outputs: ["y", "z"],
    });
    const { done } = await gains(model, image, copyOutliers, 2);
    const [{ value, channels }] = done.found as { value: string; channels: number[] }[];
    assertEquals([value, channels], [between ? "r" : "a", [5]]);
  }
});

Deno.test("copy: products too, however their weights lie", async () => {
  const product = smallModel({
    opset: 17,
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("Add", ["a", "b"], ["h"]),
      node("Relu", ["h"], ["r"]),
      node("Gemm", ["r", "v", "c"], ["y"], { transB: { i: 1 } }),
    ],
    constants: [
      constant("w", [8, 16], 1, (i) => i % 16 === 5 ? 20 : 1),
      constant("b", [16], 2, outlier(1)),
      constant("v", [4, 16], 3, (i) => i % 16 === 5 ? 0.05 : 1),
      constant("c", [4], 4),
    ],
    inputs: { x: ["float32", 6, 8] },
    outputs: ["y"],
  });
  await gains(product, [6, 8], copyOutliers, 2);
  const { state, tools } = await remedied(product, [6, 8], copyOutliers);
  const odd = [[], [0.5], [5, 5]].map((channels) => [{ value: "r", channels }]);
  const twice = [5, 6].map((c) => ({ value: "r", channels: [c] }));
  for (const found of [1, ...odd, twice]) {
    await assertRejects(() => copyOutliers.apply(state, tools, found), OnnxError, "something else");
  }
  for (const found of [[{ value: "r", channels: [16] }], [{ value: "x", channels: [1] }]]) {
    await assertRejects(() => copyOutliers.apply(state, tools, found), OnnxError, "twice");
  }
});

Deno.test("absorb, copy: many places at once, one layer behind the other", async () => {
  const names = ["a", "b", "c", "d"];
  const chain = (shared: boolean) =>
    smallModel({
      opset: 17,
      nodes: names.flatMap((name, i) => [
        node("Conv", [i ? `${names[i - 1]}r` : "x", `${name}w`, shared ? "ab" : `${name}b`], [
          name,
        ]),
        node("Relu", [name], [`${name}r`]),
      ]),
      constants: names.flatMap((name, i) => {
        const size = i ? 16 : 4;
        const even = (k: number) => i && k % 16 === 5 ? 0.05 : 1;
        return [
          constant(`${name}w`, [16, size, 1, 1], i + 1, (k) => outlier(size)(k) * even(k) / 8),
          constant(`${name}b`, [16], 2, (k) => shared && k % 3 === 0 ? 60 : 1),
        ];
      }),
      inputs: { x: ["float32", ...image] },
      outputs: ["dr"],
    });
  for (const [remedy, shared] of [[absorbBiases, true], [copyOutliers, false]] as const) {
    const { function: kept, done } = await remedied(chain(shared), image, remedy);
    assert((done.found as unknown[]).length > 1, remedy.name);
    assert(kept > 80, `${remedy.name} changes the function: ${kept} dB`);
  }
});

Deno.test("copy: nothing where what is added to a layer is computed", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("ReduceMean", ["x"], ["m"], { axes: { ints: [0, 1, 2, 3] }, keepdims: { i: 0 } }),
      node("Add", ["b", "m"], ["sum"]),
      node("Conv", ["x", "w", "sum"], ["a"]),
      node("Conv", ["a", "v"], ["y"]),
    ],
    constants: [
      constant("w", [16, 4, 1, 1], 1, outlier(4)),
      constant("b", [16], 2),
      constant("v", [4, 16, 1, 1], 3, (i) => i % 16 === 5 ? 0.05 : 1),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
  await assertRejects(() => remedied(model, image, copyOutliers), Error, "nothing");
});
