import { assert, assertEquals, assertRejects } from "@std/assert";
import { loadOnnx, OnnxError, quantizeDynamic, quantizeStatic, toFloat16 } from "../../../mod.ts";
import { node, operators, smallModel } from "../small_models.ts";
import {
  attentionNet,
  convNet,
  input,
  kernels,
  recurrentNet,
  sqnrOf,
  tokens,
  weight,
} from "./networks.ts";

const words = tokens(3, 60, 17, 99, 5, 42, 7, 120);

Deno.test("quantizeDynamic puts products on bytes and quantizes what three of them read once", async () => {
  const float = attentionNet();
  const { model, nodes, warnings } = await quantizeDynamic(float);
  assertEquals(warnings, []);
  const { DynamicQuantizeLinear, MatMulInteger, MatMul } = operators(model);
  assertEquals([DynamicQuantizeLinear, MatMulInteger, MatMul], [2, 4, 2]);
  const left = nodes.filter(({ quantized }) => !quantized);
  assertEquals(left.map(({ reason }) => reason), [
    "its second factor is no constant",
    "its second factor is no constant",
  ]);
  assert(await sqnrOf(float, model, words) > 28);
  assert(model.byteLength() < 0.36 * float.byteLength());
});

Deno.test("onnxruntime fuses what quantizeDynamic writes: sums, scales and biases are one kernel", async () => {
  const { model } = await quantizeDynamic(attentionNet());
  const counts = await kernels(model);
  assertEquals(counts.MatMulIntegerToFloat, 3);
  assertEquals(counts.DynamicQuantizeMatMul, 1);
  assertEquals(counts.MatMulInteger, undefined);
  assertEquals(counts.Add, 1);
});

Deno.test("quantizeDynamic of Gemm, with a transposed weight and a bias", async () => {
  const float = smallModel({
    opset: 17,
    inputs: { x: ["float32", "batch", 48] },
    outputs: ["y"],
    constants: [
      weight("w", [32, 48], 1),
      weight("b", [32], 2),
      weight("v", [32, 16], 3),
    ],
    nodes: [
      node("Gemm", ["x", "w", "b"], ["h"], { transB: { i: 1 } }),
      node("Gemm", ["h", "v"], ["y"], { alpha: { f: 0.5 } }),
    ],
  });
  for (const weightType of ["int8", "uint8"] as const) {
    for (const perChannel of [true, false]) {
      const { model, nodes } = await quantizeDynamic(float, { weightType, perChannel });
      assert(nodes.every(({ quantized }) => quantized));
      assert(await sqnrOf(float, model, { x: input([5, 48]) }) > 33);
    }
  }
});

Deno.test("quantizeDynamic of convolutions: floats and bytes in the file, or bytes but for short products", async () => {
  const float = convNet();
  const feeds = { x: input([1, 8, 9, 11]) };
  const stored = await quantizeDynamic(float);
  assert(stored.nodes.every(({ quantized }) => quantized));
  const counts = operators(stored.model);
  assertEquals([counts.Conv, counts.ConvInteger], [3, undefined]);
  assert(stored.model.byteLength() < 0.7 * float.byteLength());
  const sqnr = await sqnrOf(float, stored.model, feeds);
  const integers = await quantizeDynamic(float, {
    integerConvolutions: true,
    floatReadOuts: false,
  });
  const { Conv, ConvInteger } = operators(integers.model);
  assertEquals([Conv, ConvInteger], [1, 2]);
  const bytes = await sqnrOf(float, integers.model, feeds);
  assert(bytes > 33 && sqnr > bytes + 3, `${bytes} dB, ${sqnr} dB stored`);
  const run = await kernels(stored.model);
  assertEquals([run.Cast, run.Mul], [undefined, undefined]);
});

Deno.test("quantizeDynamic of transposed convolutions: a scale for each of their outputs", async () => {
  const float = smallModel({
    opset: 17,
    inputs: { x: ["float32", "batch", 8, 5, 5] },
    outputs: ["y"],
    constants: [weight("w", [8, 6, 3, 3], 1)],
    nodes: [node("ConvTranspose", ["x", "w"], ["y"])],
  });
  const { model } = await quantizeDynamic(float);
  assertEquals(operators(model), { Cast: 1, Mul: 1, ConvTranspose: 1 });
  assert(await sqnrOf(float, model, { x: input([2, 8, 5, 5]) }) > 40);
});

Deno.test("quantizeDynamic of LSTM and GRU, in one direction and both", async () => {
  for (const opType of ["LSTM", "GRU"] as const) {
    for (const direction of [undefined, "bidirectional"]) {
      const attributes: Record<string, { s: string }> = direction
        ? { direction: { s: direction } }
        : {};
      const float = recurrentNet(opType, 32, attributes);
      const { model } = await quantizeDynamic(float);
      const { DynamicQuantizeLSTM, GRU } = operators(model);
      assertEquals([DynamicQuantizeLSTM, GRU], opType === "LSTM" ? [1, undefined] : [undefined, 1]);
      assert(model.byteLength() < 0.4 * float.byteLength());
      assert(await sqnrOf(float, model, { x: input([6, 1, 32]) }) > 33);
    }
  }
});

Deno.test("quantizeDynamic has outputs read off by floats where that is next to no work", async () => {
  const float = smallModel({
    opset: 17,
    inputs: { x: ["float32", "batch", 128] },
    outputs: ["y", "z"],
    constants: [
      weight("w", [128, 256], 1),
      weight("v", [256, 256], 2),
      weight("few", [256, 2], 3),
      weight("many", [256, 64], 4),
    ],
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("Relu", ["a"], ["b"]),
      node("MatMul", ["b", "v"], ["c"]),
      node("Relu", ["c"], ["d"]),
      node("MatMul", ["d", "few"], ["e"]),
      node("Softmax", ["e"], ["y"]),
      node("MatMul", ["d", "many"], ["z"]),
    ],
  });
  const { model } = await quantizeDynamic(float);
  const off = await quantizeDynamic(float, { floatReadOuts: false });
  assertEquals([operators(model).MatMul, operators(model).MatMulInteger], [1, 3]);
  assertEquals(operators(off.model).MatMulInteger, 4);
});

Deno.test("quantizeDynamic of weights that graphs inside of nodes read", async () => {
  const branch = (name: string, from: string) => ({
    g: smallModel({
      opset: 17,
      inputs: {},
      outputs: [`${name}.y`],
      constants: [],
      nodes: [node("MatMul", ["x", from], [`${name}.y`])],
    }).graph,
  });
  const float = smallModel({
    opset: 17,
    inputs: { x: ["float32", "batch", 64], c: ["bool"] },
    outputs: ["y"],
    constants: [weight("w", [64, 32], 1), weight("v", [64, 32], 2)],
    nodes: [
      node("If", ["c"], ["y"], {
        then_branch: branch("then", "w"),
        else_branch: branch("else", "v"),
      }),
    ],
  });
  const { model, nodes } = await quantizeDynamic(float);
  assertEquals(nodes.map(({ quantized }) => quantized), [true, true]);
  const { Tensor } = await import("onnxruntime-node");
  for (const truth of [0, 1]) {
    const c = new Tensor("bool", Uint8Array.of(truth), []);
    assert(await sqnrOf(float, model, { x: input([3, 64]), c }) > 35);
  }
});

Deno.test("quantizeDynamic writes the same bytes each time", async () => {
  const [a, b] = await Promise.all([1, 2].map(() => quantizeDynamic(attentionNet())));
  assertEquals(a.model.toBytes(), b.model.toBytes());
});

Deno.test("quantizeDynamic leaves out what it is told to", async () => {
  const float = attentionNet();
  const all = await quantizeDynamic(float);
  const [first] = all.nodes.filter(({ opType }) => opType === "MatMul");
  const { nodes } = await quantizeDynamic(float, {
    nodesToExclude: [first.name],
    embeddings: false,
  });
  const reasons = new Map(nodes.map(({ name, reason }) => [name, reason]));
  assertEquals(reasons.get(first.name), "it is left out by nodesToExclude");
  assertEquals(
    reasons.get(nodes.find(({ opType }) => opType === "Gather")!.name),
    "tables are to stay float",
  );
  await assertRejects(
    () => quantizeDynamic(float, { nodesToExclude: ["nobody"] }),
    OnnxError,
    'no node "nobody"',
  );
  await assertRejects(
    () => quantizeDynamic(float, { opTypesToQuantize: ["Softmax"] }),
    OnnxError,
    "only these have such a form",
  );
});

Deno.test("models that are quantized already are refused: how they are, and what still makes sense", async () => {
  const float = await loadOnnx(attentionNet().toBytes());
  const dynamic = await quantizeDynamic(float);
  const fixed = await quantizeStatic(float, [words]);
  const refused = (model: typeof float, how: string) =>
    assertRejects(() => quantizeDynamic(model), OnnxError, how);
  await refused(dynamic.model, "it is quantized dynamically already");
  await refused(fixed.model, "it is quantized statically already");
  await assertRejects(() => toFloat16(dynamic.model), OnnxError, "quantized dynamically already");
  const stored = await quantizeDynamic(convNet());
  await refused(stored.model, "its weights are in few bits already");
  const halves = await toFloat16(stored.model);
  assert(await sqnrOf(stored.model, halves.model, { x: input([1, 8, 9, 11]) }) > 50);
});

Deno.test("weights that are not finite are refused by name", async () => {
  const float = attentionNet();
  const tensor = float.graph.initializer.find(({ name }) => name === "w_k")!;
  new DataView(tensor.rawData.buffer, tensor.rawData.byteOffset).setFloat32(4 * 65, NaN, true);
  await assertRejects(() => quantizeDynamic(float), OnnxError, '"w_k" holds NaN at (1, 1)');
});
