import { assert, assertEquals, assertRejects } from "@std/assert";
import * as ort from "onnxruntime-node";
import { loadOnnx, OnnxError, toFloat16 } from "../../../mod.ts";
import { intOf } from "../../../lib/onnx/file/attributes.ts";
import { dataTypeCode } from "../../../lib/onnx/file/data_type.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { floats, ints, node, smallModel } from "../small_models.ts";
import { attentionNet, gauss, input, runOptimized, sqnrOf, tokens, weight } from "./networks.ts";

const words = tokens(3, 60, 17, 99, 5, 42, 7, 120);
const HALF = dataTypeCode("float16");

/** The casts of a model, by what they give. */
function casts(model: OnnxModel): number[] {
  return model.graph.node.filter(({ opType }) => opType === "Cast")
    .map((each) => intOf(each, "to", 0));
}

/** Why nodes stay float, by their names or operators. */
function reasons(nodes: Awaited<ReturnType<typeof toFloat16>>["nodes"]) {
  return Object.fromEntries(
    nodes.flatMap(({ opType, reason }) => reason ? [[opType, reason]] : []),
  );
}

Deno.test("toFloat16 brings all of a network into halves, with a Cast at its end alone", async () => {
  const float = attentionNet();
  const { model, nodes, warnings } = await toFloat16(float);
  assertEquals(warnings, []);
  assert(nodes.every(({ quantized }) => quantized));
  assertEquals(casts(model), [1]);
  assert(model.byteLength() < 0.6 * float.byteLength());
  assert(await sqnrOf(float, model, words) > 50);
  const narrow = await toFloat16(float, { keepIoTypes: false });
  assertEquals(casts(narrow.model), []);
  assertEquals((await runOptimized(narrow.model, words)).y.type, "float16");
});

Deno.test("constants beyond float16 keep their node float, masks are cut off, tiny numbers stay what is not 0", async () => {
  const float = smallModel({
    opset: 17,
    inputs: { x: ["float32", 4, 8], c: ["bool", 4, 8] },
    outputs: ["y", "z"],
    constants: [
      floats("least", [], [-3.4028234663852886e38]),
      floats("epsilon", [], [1e-12]),
      floats("huge", [8], [1e6, 1, 1, 1, 1, 1, 1, 1]),
      floats("tiny", [8], [1e-7, 2e-7, 3e-7, -1e-7, 5e-7, 1e-7, 2e-7, 7e-7]),
      floats("back", [], [1e-6]),
    ],
    nodes: [
      node("Where", ["c", "x", "least"], ["masked"]),
      node("Softmax", ["masked"], ["s"]),
      node("Add", ["s", "epsilon"], ["t"]),
      node("Log", ["t"], ["y"]),
      node("Mul", ["x", "huge"], ["h"]),
      node("Mul", ["h", "back"], ["g"]),
      node("Div", ["g", "tiny"], ["u"]),
      node("Mul", ["u", "tiny"], ["z"]),
    ],
  });
  const mask = Uint8Array.from({ length: 32 }, (_, i) => Number(i % 3 !== 0));
  const feeds = { x: input([4, 8]), c: new ort.Tensor("bool", mask, [4, 8]) };
  const { model, nodes } = await toFloat16(float, { data: [feeds] });
  const left = nodes.filter(({ quantized }) => !quantized);
  assertEquals(left.map(({ opType }) => opType), ["Mul", "Mul", "Div", "Mul"]);
  assert(left[0].reason!.includes("holds 1.000e+6"), left[0].reason);
  const { y, z } = await runOptimized(model, feeds);
  assert((y.data as Float32Array).every(Number.isFinite));
  const expected = await runOptimized(float, feeds);
  (z.data as Float32Array).forEach((v, i) => {
    const x = (expected.z.data as Float32Array)[i];
    assert(Math.abs(v - x) <= 2e-3 * Math.abs(x), `${v}, not ${x}`);
  });
});

Deno.test("values that leave float16 on a sample stay float, with what moves them, and need two casts", async () => {
  const float = smallModel({
    opset: 17,
    inputs: { x: ["float32", 4, 8] },
    outputs: ["y"],
    constants: [weight("w", [8, 8], 1), floats("k", [], [300]), ints("shape", [8, 4])],
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("Mul", ["a", "k"], ["b"]),
      node("Mul", ["b", "b"], ["c"]),
      node("Reshape", ["c", "shape"], ["d"]),
      node("Sqrt", ["d"], ["e"]),
      node("Tanh", ["e"], ["y"]),
    ],
  });
  const feeds = { x: new ort.Tensor("float32", gauss(32, 3, 4), [4, 8]) };
  const { model, nodes } = await toFloat16(float, { data: [feeds] });
  const told = reasons(nodes);
  assert(told.Sqrt.includes("leaves the range of float16 on a sample"), told.Sqrt);
  assertEquals(Object.keys(told).sort(), ["Mul", "Reshape", "Sqrt"]);
  assertEquals(casts(model), [HALF, 1, HALF, 1]);
  assert(await sqnrOf(float, model, feeds) > 50);
});

Deno.test("operators that want float32 get it: Resize its scales, Range all; blockList adds to them", async () => {
  const float = smallModel({
    opset: 17,
    inputs: { x: ["float32", 1, 2, 4, 4] },
    outputs: ["y"],
    constants: [
      floats("scales", [4], [1, 1, 2, 2]),
      floats("zero", [], [0]),
      floats("eight", [], [8]),
      floats("one", [], [1]),
    ],
    nodes: [
      node("Resize", ["x", "", "scales"], ["r"], { mode: { s: "nearest" } }),
      node("Range", ["zero", "eight", "one"], ["n"]),
      node("Add", ["r", "n"], ["s"]),
      node("Softmax", ["s"], ["y"]),
    ],
  });
  const { model, nodes } = await toFloat16(float, { blockList: ["Softmax"] });
  assertEquals(reasons(nodes), {
    Range: "onnxruntime computes its operator in float32 alone",
    Softmax: "blockList names it",
  });
  assertEquals(model.graph.initializer.find(({ name }) => name === "scales")!.dataType, 1);
  assert(await sqnrOf(float, model, { x: input([1, 2, 4, 4]) }) > 50);
  await assertRejects(() => toFloat16(float, { blockList: ["Sofmax"] }), OnnxError, '"Sofmax"');
});

Deno.test("Cast, ConstantOfShape and RandomNormal give halves, and casts that do nothing are gone", async () => {
  const float = smallModel({
    opset: 17,
    inputs: { i: ["int64", 3], x: ["float32", 3] },
    outputs: ["y"],
    constants: [ints("three", [3])],
    nodes: [
      node("Cast", ["i"], ["f"], { to: { i: 1 } }),
      node("Cast", ["x"], ["same"], { to: { i: 1 } }),
      node("ConstantOfShape", ["three"], ["zeros"]),
      node("RandomNormal", [], ["noise"], {
        shape: { ints: [3] },
        scale: { f: 1e-6 },
        seed: { f: 1 },
      }),
      node("Add", ["f", "same"], ["a"]),
      node("Add", ["zeros", "noise"], ["b"]),
      node("Add", ["a", "b"], ["y"]),
    ],
  });
  const { model } = await toFloat16(float, { verify: false });
  assertEquals(casts(model), [HALF, HALF, 1]);
  const halves = model.graph.node.flatMap(({ attribute }) =>
    attribute.map(({ name, i, t }) => name === "dtype" ? Number(i) : t?.dataType)
  );
  assertEquals(halves.filter((type) => type === HALF).length, 2);
  const feeds = { i: new ort.Tensor("int64", BigInt64Array.of(1n, 2n, 3n), [3]), x: input([3]) };
  // onnxruntime has no kernel on a CPU that makes random halves.
  const run = await toFloat16(float);
  assertEquals(Object.keys(reasons(run.nodes)), ["RandomNormal"]);
  assertEquals(run.warnings.length, 1);
  assert(await sqnrOf(float, run.model, feeds) > 50);
});

Deno.test("graphs inside of nodes are converted, with what they read from around them", async () => {
  const branch = (name: string, opType: string) => ({
    g: smallModel({
      opset: 17,
      inputs: {},
      outputs: [`${name}.y`],
      constants: [floats(`${name}.k`, [], [0.5])],
      nodes: [
        node("Mul", ["a", `${name}.k`], [`${name}.m`]),
        node(opType, [`${name}.m`], [`${name}.y`]),
      ],
    }).graph,
  });
  const body = smallModel({
    opset: 17,
    inputs: { n: ["int64"], go: ["bool"], v: ["float32", 4] },
    outputs: ["go2", "v2"],
    constants: [],
    nodes: [node("Identity", ["go"], ["go2"]), node("Add", ["v", "big"], ["v2"])],
  }).graph;
  body.output[0].type = body.input[1].type;
  const float = smallModel({
    opset: 17,
    inputs: { x: ["float32", 4], c: ["bool"] },
    outputs: ["y"],
    constants: [ints("times", [3], []), floats("k", [4], [1, 2, 3, 4]), floats("e", [], [1e6])],
    nodes: [
      node("Mul", ["x", "k"], ["a"]),
      node("Mul", ["a", "e"], ["big0"]),
      node("Div", ["big0", "e"], ["big"]),
      node("If", ["c"], ["b"], {
        then_branch: branch("then", "Tanh"),
        else_branch: branch("else", "Sin"),
      }),
      node("Loop", ["times", "", "b"], ["y"], { body: { g: body } }),
    ],
  });
  const { model, nodes } = await toFloat16(float);
  assertEquals(
    nodes.filter(({ quantized }) => !quantized).map(({ opType }) => opType),
    ["Mul", "Div"],
  );
  for (const truth of [0, 1]) {
    const feeds = { x: input([4]), c: new ort.Tensor("bool", Uint8Array.of(truth), []) };
    assert(await sqnrOf(float, model, feeds) > 50);
    const kept = await toFloat16(float, { keepIoTypes: false, blockList: ["Loop"] });
    assertEquals(
      (await kept.model.graph.output[0].type?.value.value as { elemType: number }).elemType,
      HALF,
    );
  }
});

Deno.test("toFloat16 gives the same bytes each time, and bfloat16 where it is wanted", async () => {
  const [a, b] = await Promise.all([1, 2].map(() => toFloat16(attentionNet())));
  assertEquals(a.model.toBytes(), b.model.toBytes());
  const brain = await toFloat16(attentionNet(), { type: "bfloat16" });
  assert(brain.warnings[0].includes("no kernels for bfloat16"));
  const types = new Set(brain.model.graph.initializer.map(({ dataType }) => dataType));
  assertEquals(types, new Set([7, 16]));
  (await loadOnnx(brain.model.toBytes())).check();
});

Deno.test("a constant that is NaN is refused, and so is a model without float32", async () => {
  const odd = smallModel({
    opset: 17,
    inputs: { x: ["float32", 2] },
    outputs: ["y"],
    constants: [floats("w", [2], [1, NaN])],
    nodes: [node("Add", ["x", "w"], ["y"])],
  });
  await assertRejects(() => toFloat16(odd), OnnxError, 'the constant "w"');
  const integers = smallModel({
    opset: 17,
    inputs: { x: ["int64", 2] },
    outputs: ["y"],
    nodes: [node("Neg", ["x"], ["y"])],
  });
  await assertRejects(() => toFloat16(integers), OnnxError, "it has no node for it");
});
