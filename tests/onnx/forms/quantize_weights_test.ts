import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  OnnxError,
  quantizeWeights,
  type QuantizeWeightsOptions,
  toFloat16,
} from "../../../mod.ts";
import { intOf } from "../../../lib/onnx/file/attributes.ts";
import { bnb4Bytes } from "../../../lib/onnx/forms/bnb4.ts";
import { roundBlocks, unroundBlocks } from "../../../lib/onnx/forms/blocks.ts";
import { hqqRounder, mseRounder, nearestRounder } from "../../../lib/onnx/forms/group_rounders.ts";
import { messages } from "../files.ts";
import { node, operators, smallModel } from "../small_models.ts";
import { attentionNet, gauss, input, sqnrOf, tokens, weight } from "./networks.ts";

const words = tokens(3, 60, 17, 99, 5, 42, 7, 120);

/** A layer of 72 inputs, which no group divides, and one with its weight transposed. */
function layers() {
  return smallModel({
    opset: 17,
    inputs: { x: ["float32", "batch", 72] },
    outputs: ["y"],
    constants: [weight("w", [72, 64], 1), weight("v", [48, 64], 2), weight("b", [48], 3)],
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("Gemm", ["h", "v", "b"], ["y"], { transB: { i: 1 } }),
    ],
  });
}

Deno.test("quantizeWeights in each format, number of bits and size of groups is what onnxruntime computes", async () => {
  const float = layers();
  const least: Record<number, number> = { 2: 4, 3: 11, 4: 18, 8: 38 };
  const cases: QuantizeWeightsOptions[] = [
    ...[16, 32, 64, 128, 256].map((groupSize) => ({ groupSize })),
    ...([2, 3, 4, 8] as const).flatMap((bits) => [{ bits }, { bits, symmetric: true }]),
    ...([4, 8] as const).flatMap((bits) =>
      [true, false].map((symmetric) => ({ bits, symmetric, format: "qdq" as const }))
    ),
    { format: "bnb4" },
    { format: "bnb4", bnb4Type: "fp4", groupSize: 16 },
    { accuracyLevel: 4 },
  ];
  for (const options of cases) {
    const { model, nodes, warnings } = await quantizeWeights(float, options);
    const told = JSON.stringify(options);
    assert(nodes.every(({ quantized }) => quantized), told);
    const newer = (options.bits === 2 || options.bits === 8) && !options.format;
    assertEquals(
      warnings.map((text) => text.includes("need onnxruntime 1.2")),
      newer ? [true] : [],
      told,
    );
    const groups = options.groupSize ?? 32;
    const bound = least[options.bits ?? 4] - (options.format === "bnb4" || groups > 64 ? 3 : 0);
    const sqnr = await sqnrOf(float, model, { x: input([7, 72]) });
    assert(sqnr > bound, `${told} gives ${sqnr} dB`);
  }
});

Deno.test("quantizeWeights writes MatMulNBits with what it was asked for, and the sum of Gemm behind it", async () => {
  const { model } = await quantizeWeights(layers(), { bits: 8, groupSize: 64, accuracyLevel: 1 });
  assertEquals(operators(model), { MatMulNBits: 2, Add: 1 });
  const [product] = model.graph.node;
  const asked = ["K", "N", "bits", "block_size", "accuracy_level"];
  assertEquals(asked.map((name) => intOf(product, name, -1)), [72, 64, 8, 64, 1]);
  const bytes = model.graph.initializer.find(({ name }) => name === product.input[1])!;
  assertEquals(bytes.dims, [64n, 2n, 64n]);
});

Deno.test("integers of 3 bits take three quarters of those of 4", async () => {
  const large = smallModel({
    opset: 17,
    inputs: { x: ["float32", "batch", 256] },
    outputs: ["y"],
    constants: [weight("w", [256, 256], 1)],
    nodes: [node("MatMul", ["x", "w"], ["y"])],
  });
  const [three, four] = await Promise.all(
    ([3, 4] as const).map((bits) => quantizeWeights(large, { bits })),
  );
  const bytes = 256 * 256 / 8;
  const saved = four.model.byteLength() - three.model.byteLength();
  assert(saved > bytes - 2000 && saved < bytes, `${saved}`);
});

Deno.test("mse loses less than nearest, and hqq is no worse by much", () => {
  const data = gauss(64 * 96, 5);
  for (let i = 0; i < data.length; i += 37) data[i] *= 4;
  for (const symmetric of [true, false]) {
    for (const bits of [2, 4, 8]) {
      const layout = { rows: 64, columns: 96, groupSize: 32, bits };
      const errors = [nearestRounder, mseRounder, hqqRounder].map((rounder) => {
        const matrix = roundBlocks(data, layout, rounder({ bits, symmetric }), symmetric);
        return unroundBlocks(matrix).reduce((sum, x, i) => sum + (x - data[i]) ** 2, 0);
      });
      const [nearest, mse, hqq] = errors;
      assert(mse < nearest, `${bits} bits: ${errors}`);
      assert(hqq < 1.3 * nearest, `${bits} bits: ${errors}`);
    }
  }
});

Deno.test("groups of zeros, of one sign and of one number stand for themselves", () => {
  const data = Float32Array.from(
    { length: 64 },
    (_, i) => i < 16 ? 0 : i < 32 ? 3 : i < 48 ? -2 : 0.5,
  );
  for (const rounder of [nearestRounder, mseRounder, hqqRounder]) {
    for (const symmetric of [true, false]) {
      const layout = { rows: 1, columns: 64, groupSize: 16, bits: 4 };
      const matrix = roundBlocks(data, layout, rounder({ bits: 4, symmetric }), symmetric);
      unroundBlocks(matrix).forEach((x, i) => assert(Math.abs(x - data[i]) < 1e-6, `${i}: ${x}`));
    }
  }
});

Deno.test("floats of 4 bits are those of bitsandbytes", () => {
  const data = Float32Array.of(1, -1, 0.5, -0.5, 0.1, -0.1, 0, 0.75);
  assertEquals([...bnb4Bytes(data, 8, "nf4").packed], [0xf0, 0xc2, 0x86, 0x7e]);
  assertEquals([...bnb4Bytes(data, 8, "fp4").packed], [0x3b, 0x5d, 0x6e, 0x02]);
});

Deno.test("embeddings in 4 bits are looked up in groups, in 8 with a scale a row", async () => {
  const float = attentionNet();
  for (const symmetric of [true, false]) {
    const { model } = await quantizeWeights(float, { embeddingBits: 4, symmetric });
    assertEquals(operators(model).GatherBlockQuantized, 1);
    assert(await sqnrOf(float, model, words) > 10);
  }
  const eight = await quantizeWeights(float);
  const none = await quantizeWeights(float, { embeddingBits: 32 });
  assertEquals(operators(eight.model).Gather, 2);
  assertEquals(operators(none.model).Gather, 1);
  assert(await sqnrOf(none.model, eight.model, words) > 30);
});

Deno.test("gptq and awq round by what layers read, on samples or on made-up ones", async () => {
  // One channel in eight is large, as outliers of transformers are.
  const outliers = gauss(64, 9).map((x, i) => i % 8 === 0 ? 12 * x : x);
  const float = smallModel({
    opset: 17,
    inputs: { x: ["float32", "batch", 64] },
    outputs: ["y"],
    constants: [
      messages.tensor("k", "float32", [64], outliers),
      weight("w", [64, 48], 1),
      weight("v", [64, 40], 2),
    ],
    nodes: [
      node("Mul", ["x", "k"], ["a"]),
      node("MatMul", ["a", "w"], ["p"]),
      node("MatMul", ["a", "v"], ["q"]),
      node("Concat", ["p", "q"], ["y"], { axis: { i: 1 } }),
    ],
  });
  const data = Array.from({ length: 6 }, (_, i) => ({ x: input([32, 64], 20 + i) }));
  const test = { x: input([64, 64], 99) };
  const sqnr = async (options: QuantizeWeightsOptions) => {
    const { model, warnings } = await quantizeWeights(float, {
      groupSize: 16,
      bits: 4,
      ...options,
    });
    assertEquals(warnings, []);
    return await sqnrOf(float, model, test);
  };
  const plain = await sqnr({ method: "mse" });
  for (const method of ["gptq", "awq"] as const) {
    for (const symmetric of [true, false]) {
      const learnt = await sqnr({ method, data, symmetric });
      assert(learnt > plain + 1, `${method} gives ${learnt} dB, mse ${plain}`);
    }
    const free = await sqnr({ method });
    assert(free > plain + 0.5, `${method} without samples gives ${free} dB, mse ${plain}`);
  }
  const { model } = await quantizeWeights(float, { method: "awq", groupSize: 16, data });
  // Both products read one value whose channels are divided.
  assertEquals(operators(model), { Mul: 2, MatMulNBits: 2, Concat: 1 });
});

Deno.test("weights of 4 bits go on with float16 for the rest", async () => {
  const float = attentionNet();
  const weights = await quantizeWeights(float);
  const both = await toFloat16(weights.model);
  assert(both.model.byteLength() < weights.model.byteLength());
  assert(await sqnrOf(weights.model, both.model, words) > 45);
  const types = new Set(
    both.model.graph.initializer.filter(({ name }) => name.endsWith("_scales"))
      .map(({ dataType }) => dataType),
  );
  assertEquals([...types], [10]);
  await assertRejects(
    () => quantizeWeights(weights.model),
    OnnxError,
    "toFloat16 can bring the rest",
  );
});

Deno.test("what onnxruntime has no kernel for is refused before any work", async () => {
  const refused = (options: unknown, message: string) =>
    assertRejects(
      () => quantizeWeights("no such file", options as QuantizeWeightsOptions),
      Error,
      message,
    );
  await Promise.all([
    refused({ bits: 3, format: "qdq" }, 'use format "nbits"'),
    refused({ bits: 5 }, "use one of 2, 3, 4, 8"),
    refused({ groupSize: 48 }, "use one of 16, 32, 64, 128, 256"),
    refused({ bits: 2, format: "qdq" }, 'use format "nbits"'),
    refused({ bits: 8, format: "bnb4" }, "has 4 bits"),
    refused({ method: "best" }, "must be one of"),
    refused({ groupsize: 32 }, "did you mean groupSize"),
  ]);
});

Deno.test("quantizeWeights writes the same bytes each time", async () => {
  const [a, b] = await Promise.all([1, 2].map(() => quantizeWeights(attentionNet())));
  assertEquals(a.model.toBytes(), b.model.toBytes());
});

Deno.test("a model without such weights is refused, and so is one whose weights are too small", async () => {
  const none = smallModel({
    opset: 17,
    inputs: { x: ["float32", 4] },
    outputs: ["y"],
    nodes: [node("Relu", ["x"], ["y"])],
  });
  await assertRejects(() => quantizeWeights(none), OnnxError, "it has no node for it");
  const small = smallModel({
    opset: 17,
    inputs: { x: ["float32", 1, 4] },
    outputs: ["y"],
    constants: [weight("w", [4, 4], 1)],
    nodes: [node("MatMul", ["x", "w"], ["y"])],
  });
  await assertRejects(() => quantizeWeights(small), OnnxError, "too small to gain by it");
});
