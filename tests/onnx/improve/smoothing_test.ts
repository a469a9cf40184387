import { assert, assertEquals, assertRejects } from "@std/assert";
import { init, OnnxError } from "../../../mod.ts";
import { equalize, smoothNorms } from "../../../lib/onnx/improve/smoothing.ts";
import type { Remedy } from "../../../lib/onnx/improve/remedy.ts";
import { ImproveTools } from "../../../lib/onnx/improve/state.ts";
import { floats, node, operators, type SmallModel, smallModel } from "../small_models.ts";
import { constant, remedied } from "./remedied.ts";

await init({ device: "cpu" });

/** Every seventh output of a weight with so many elements each is thirty times as large. */
const uneven = (each: number) => (i: number) => Math.floor(i / each) % 7 === 3 ? 30 : 1;
/** And what reads them is small there, so that all count. */
const even = (i: number) => i % 7 === 3 ? 1 / 30 : 1;

const image = [1, 4, 8, 8];
const pads = { pads: { ints: [1, 1, 1, 1] } };
const depthwise = { ...pads, group: { i: 14 } };
const input: SmallModel["inputs"] = { x: ["float32", ...image] };

/** Convolutions, the first with outlier channels, and what is between them. */
function network(
  between: SmallModel["nodes"],
  more: SmallModel["constants"] = [],
  outputs: readonly string[] = ["y"],
) {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"]),
      ...between,
      node("Conv", ["z", "v", "c"], ["y"]),
    ],
    constants: [
      constant("w", [14, 4, 1, 1], 1, uneven(4)),
      constant("b", [14], 2, uneven(1)),
      constant("v", [4, 14, 1, 1], 3, even),
      constant("c", [4], 4),
      ...more,
    ],
    inputs: input,
    outputs,
  });
}

/** Applies a remedy that rewrites, and asserts that it changes no function and gains. */
async function gains(
  model: ReturnType<typeof smallModel>,
  dims: readonly number[],
  remedy: Remedy,
  least: number,
) {
  const result = await remedied(model, dims, remedy);
  assert(result.function > 100, `the function is changed: ${result.function} dB`);
  assert(result.after > result.before + least, `${result.before} dB, ${result.after} dB`);
  // What a recipe has does the same again.
  const again = await remedy.apply(result.state, result.tools, result.done.found);
  assertEquals(
    again!.state.calibration.model.toBytes(),
    result.done.state.calibration.model.toBytes(),
  );
  return result;
}

Deno.test("equalize goes through activations, poolings, depthwise convolutions and residuals", async () => {
  await gains(network([node("Relu", ["a"], ["z"])]), image, equalize, 3);
  await gains(network([node("LeakyRelu", ["a"], ["z"])]), image, equalize, 3);
  const slope = [floats("slope", [14, 1, 1], Array.from({ length: 14 }, (_, i) => i / 14))];
  await gains(network([node("PRelu", ["a", "slope"], ["z"])], slope), image, equalize, 3);
  const shape = { kernel_shape: { ints: [2, 2] } };
  await gains(
    network([node("Relu", ["a"], ["r"]), node("MaxPool", ["r"], ["z"], shape)]),
    image,
    equalize,
    3,
  );
  await gains(
    network([node("Conv", ["a", "d", "e"], ["z"], depthwise)], [
      constant("d", [14, 1, 3, 3], 5, (i) => even(Math.floor(i / 9))),
      constant("e", [14], 6),
    ]),
    image,
    equalize,
    3,
  );
  await gains(
    network([
      node("Relu", ["a"], ["r"]),
      node("Conv", ["r", "d", "e"], ["s"]),
      node("Add", ["s", "r"], ["t"]),
      node("Relu", ["t"], ["z"]),
    ], [constant("d", [14, 14, 1, 1], 5, (i) => even(i) * uneven(14)(i)), constant("e", [14], 6)]),
    image,
    equalize,
    3,
  );
});

Deno.test("equalize goes through HardSwish and gates: a sum becomes a convolution of each channel", async () => {
  const constants = [floats("three", [], [3]), floats("zero", [], [0]), floats("six", [], [6])];
  const { done, state, tools } = await gains(
    network([
      node("Add", ["a", "three"], ["t"]),
      node("Clip", ["t", "zero", "six"], ["g"]),
      node("Mul", ["a", "g"], ["z"]),
    ], constants),
    image,
    equalize,
    1,
  );
  assertEquals(operators(done.state.calibration.model).Conv, 3);
  // Where that takes too much, gates are left as they are.
  const limited = new ImproveTools(tools.all, { takes: () => Promise.resolve(2) });
  assertEquals(await equalize.apply(state, limited), undefined);
});

Deno.test("equalize leaves alone what it would change", async () => {
  const cases: SmallModel["nodes"][] = [
    [node("Sigmoid", ["a"], ["z"])],
    [node("Mul", ["a", "a"], ["z"])],
    [node("Softmax", ["a"], ["z"], { axis: { i: 1 } })],
  ];
  for (const between of cases) {
    await assertRejects(() => remedied(network(between), image, equalize), Error, "finds nothing");
  }
});

/** Applies both remedies that divide channels, and asserts that none changes what a model computes. */
async function keepsFunction(model: ReturnType<typeof smallModel>, dims: readonly number[]) {
  for (const remedy of [equalize, smoothNorms]) {
    try {
      const { function: kept } = await remedied(model, dims, remedy);
      assert(kept > 100, `${remedy.name} changes the function: ${kept} dB`);
    } catch (error) {
      assert((error as Error).message.includes("nothing to do"), (error as Error).message);
    }
  }
}

Deno.test("what is broadcast to the channels is not divided with them", async () => {
  // One channel for all, as a number times it, stands first in a product or a sum; a layer reads it too.
  const one = [
    ...[constant("o", [1, 14, 1, 1], 7), floats("two", [1], [2])],
    constant("u", [4, 1, 1, 1], 8),
  ];
  for (const opType of ["Mul", "Add"]) {
    const between = [
      node("Conv", ["a", "o"], ["o1"]),
      node("Softplus", ["o1"], ["p"]),
      node("Mul", ["p", "two"], ["q"]),
      node("Conv", ["q", "u"], ["s"]),
      node(opType, ["q", "a"], ["z"]),
    ];
    await keepsFunction(network(between, one, ["y", "s"]), image);
  }
});

Deno.test("poolings mix what matrix products read as channels", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("MaxPool", ["a"], ["p"], { kernel_shape: { ints: [3] }, pads: { ints: [1, 1] } }),
      node("MatMul", ["p", "v"], ["y"]),
    ],
    constants: [
      constant("w", [8, 14], 1, (i) => uneven(1)(i % 14)),
      constant("v", [14, 4], 3, (i) => even(Math.floor(i / 4))),
    ],
    inputs: { x: ["float32", 1, 6, 8] },
    outputs: ["y"],
  });
  await keepsFunction(model, [1, 6, 8]);
});

Deno.test("a Gemm reads its transposed input's channels along the first axis", async () => {
  for (const factor of [floats("f", [], [2]), constant("f", [14, 1], 9), constant("f", [6], 9)]) {
    const model = smallModel({
      opset: 17,
      nodes: [
        node("MatMul", ["x", "w"], ["a"]),
        node("Transpose", ["a"], ["t"], { perm: { ints: [1, 0] } }),
        node("Mul", ["t", "f"], ["m"]),
        node("Gemm", ["m", "v"], ["y"], { transA: { i: 1 } }),
      ],
      constants: [
        constant("w", [8, 14], 1, (i) => uneven(1)(i % 14)),
        constant("v", [14, 4], 3, (i) => even(Math.floor(i / 4))),
        factor,
      ],
      inputs: { x: ["float32", 6, 8] },
      outputs: ["y"],
    });
    await keepsFunction(model, [6, 8]);
  }
});

/** A layer of a transformer: a normalization of uneven factors, and what reads it. */
function normalized(rest: SmallModel["nodes"], outputs: readonly string[]) {
  return smallModel({
    opset: 17,
    nodes: [node("LayerNormalization", ["x", "g", "s"], ["n"], { axis: { i: -1 } }), ...rest],
    constants: [
      floats("g", [14], Array.from({ length: 14 }, (_, i) => uneven(1)(i))),
      constant("s", [14], 2, uneven(1)),
      ...["q", "k", "v"].map((name, i) =>
        constant(`w${name}`, [14, 14], 5 + i, (at) => even(Math.floor(at / 14)))
      ),
      floats("half", [], [0.5]),
    ],
    inputs: { x: ["float32", 1, 6, 14] },
    outputs,
  });
}

Deno.test("smooth has a normalization take over what three products read", async () => {
  const products = ["q", "k", "v"].map((name) => node("MatMul", ["n", `w${name}`], [name]));
  const model = normalized([
    ...products,
    node("Add", ["q", "k"], ["qk"]),
    node("Add", ["qk", "v"], ["y"]),
  ], ["y"]);
  const { done } = await gains(model, [1, 6, 14], smoothNorms, 6);
  assertEquals(done.state.calibration.model.graph.node.length, model.graph.node.length);
});

Deno.test("smooth puts a product before layers where a residual needs the rest", async () => {
  const model = normalized([
    node("MatMul", ["n", "wq"], ["q"]),
    node("Add", ["q", "n"], ["r"]),
    node("Tanh", ["r"], ["y"]),
  ], ["y"]);
  const { done } = await gains(model, [1, 6, 14], smoothNorms, 3);
  const { model: after, selection } = done.state.calibration;
  assertEquals(operators(after).Mul, 1);
  // Bytes would round its factors.
  const factor = after.graph.node.find(({ opType }) => opType === "Mul")!;
  assertEquals(selection.nodesToExclude, [factor.name]);
});

Deno.test("smooth makes a factor before a layer one for each channel", async () => {
  const model = normalized([
    node("Erf", ["n"], ["e"]),
    node("Mul", ["n", "e"], ["m"]),
    node("Mul", ["m", "half"], ["h"]),
    node("MatMul", ["h", "wq"], ["y"]),
  ], ["y"]);
  const { done } = await gains(model, [1, 6, 14], smoothNorms, 3);
  assertEquals(operators(done.state.calibration.model).Mul, 2);
});

Deno.test("smooth refuses a recipe of another model", async () => {
  const model = normalized([node("MatMul", ["n", "wq"], ["y"])], ["y"]);
  const { state, tools } = await remedied(model, [1, 6, 14], smoothNorms);
  await assertRejects(
    () => smoothNorms.apply(state, tools, [{ node: "other", alpha: 0.5, floor: 0 }]),
    OnnxError,
    "has not",
  );
  await assertRejects(() => smoothNorms.apply(state, tools, [{ node: 1 }]), OnnxError, "exponents");
});
