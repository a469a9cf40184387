import { assert, assertEquals } from "@std/assert";
import type { AttributeValue } from "../../../lib/onnx/file/messages.ts";
import type { NodeProto, TensorProto } from "../../../lib/onnx/file/proto.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";
import { assertPrepared, values } from "./same.ts";

const [rows, columns] = [3, 4];
const x = noise(rows, 5);
const weight = floats("w", [5, columns], values(20));
const turned = floats("w", [columns, 5], values(20));
const transB: Record<string, AttributeValue> = { transB: { i: 1 } };
const gemm = (attributes: Record<string, AttributeValue>, input = ["x", "w", "b"]) =>
  node("Gemm", input, ["y"], attributes);
const bias = (...dims: number[]) => floats("b", dims, values(dims.reduce((a, b) => a * b, 1), 3));
const scalar = (name: string, value: number) => floats(name, [], [value]);

interface Case {
  readonly nodes: NodeProto[];
  readonly constants: TensorProto[];
  readonly feeds?: Parameters<typeof assertPrepared>[1];
  readonly after: Record<string, number>;
}

const vector = { Gemm: 1 };
const cases: Record<string, Case> = {
  "a bias of one row": { nodes: [gemm({})], constants: [weight, bias(1, columns)], after: vector },
  "a bias of one number": { nodes: [gemm({})], constants: [weight, bias(1)], after: vector },
  "a bias without dimensions": {
    nodes: [gemm(transB)],
    constants: [turned, bias()],
    after: vector,
  },
  "a bias for each row": {
    nodes: [gemm({ beta: { f: 3 } })],
    constants: [weight, bias(rows, 1)],
    after: { Gemm: 1, Add: 1 },
  },
  "a bias for each element": {
    nodes: [gemm({ beta: { f: -0.5 }, alpha: { f: 2 } })],
    constants: [weight, bias(rows, columns)],
    after: { Gemm: 1, Add: 1 },
  },
  "a bias that is computed": {
    nodes: [node("Relu", ["c"], ["b"]), gemm({ beta: { f: 0.25 } })],
    constants: [weight],
    feeds: { x, c: noise(1, columns) },
    after: { Relu: 1, Mul: 1, Gemm: 1, Add: 1 },
  },
  "factors": {
    nodes: [gemm({ ...transB, alpha: { f: 0.5 }, beta: { f: -2 } })],
    constants: [turned, bias(columns)],
    after: vector,
  },
  "a bias times zero": {
    nodes: [gemm({ beta: { f: 0 } })],
    constants: [weight, bias(columns)],
    after: vector,
  },
  "a factor, and no bias": {
    nodes: [gemm({ alpha: { f: 0.3 } }, ["x", "w", ""])],
    constants: [weight],
    after: vector,
  },
  "a constant on the left": {
    nodes: [gemm({ transB: { i: 1 }, alpha: { f: 2 } }, ["w", "x", "b"])],
    constants: [turned, bias(columns, 1)],
    after: { Gemm: 1, Transpose: 1 },
  },
  "a turned constant on the left, and a bias for each element": {
    nodes: [node("Transpose", ["x"], ["t"]), gemm({ transA: { i: 1 } }, ["w", "t", "b"])],
    constants: [weight, bias(columns, rows)],
    after: { Gemm: 1, Transpose: 2, Add: 1 },
  },
  "MatMul and a sum with one row": {
    nodes: [node("MatMul", ["x", "w"], ["h"]), node("Add", ["b", "h"], ["y"])],
    constants: [weight, bias(1, columns)],
    after: vector,
  },
  "MatMul, a product, a difference and a quotient": {
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("Mul", ["h", "b"], ["k"]),
      node("Sub", ["two", "k"], ["l"]),
      node("Div", ["l", "two"], ["y"]),
    ],
    constants: [weight, bias(1, columns), scalar("two", 2)],
    after: vector,
  },
  "MatMul and BatchNormalization": {
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("BatchNormalization", ["h", "s", "b", "m", "v"], ["y"]),
    ],
    constants: [
      weight,
      floats("s", [columns], values(columns, 5)),
      bias(columns),
      floats("m", [columns], values(columns, 7)),
      floats("v", [columns], [0.5, 1, 2, 3]),
    ],
    after: vector,
  },
  "MatMul of three dimensions, a factor and a sum": {
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("Mul", ["h", "two"], ["k"]),
      node("Add", ["k", "b"], ["y"]),
    ],
    constants: [weight, bias(columns), scalar("two", 2)],
    feeds: { x: noise(2, rows, 5) },
    after: { MatMul: 1, Add: 1 },
  },
  "MatMul of three dimensions and a factor for each column": {
    nodes: [node("MatMul", ["x", "w"], ["h"]), node("Div", ["h", "b"], ["y"])],
    constants: [weight, bias(1, columns)],
    feeds: { x: noise(2, rows, 5) },
    after: { MatMul: 1 },
  },
  "MatMul with a matrix in a stack of one": {
    nodes: [node("MatMul", ["x", "w"], ["y"])],
    constants: [floats("w", [1, 1, 5, columns], values(20))],
    feeds: { x: noise(2, 2, rows, 5) },
    after: { MatMul: 1 },
  },
  "MatMul whose weight has more dimensions": {
    nodes: [node("MatMul", ["x", "w"], ["y"])],
    constants: [floats("w", [1, 1, 5, columns], values(20))],
    after: { MatMul: 1, Unsqueeze: 1 },
  },
  "a vector times a weight of more dimensions": {
    nodes: [node("MatMul", ["x", "w"], ["y"])],
    constants: [floats("w", [1, 5, columns], values(20))],
    feeds: { x: noise(5) },
    after: { MatMul: 1, Unsqueeze: 1 },
  },
  "MatMul with several matrices stays": {
    nodes: [node("MatMul", ["x", "w"], ["y"])],
    constants: [floats("w", [2, 5, columns], values(40))],
    feeds: { x: noise(2, rows, 5) },
    after: { MatMul: 1 },
  },
};

Deno.test("prepareOnnx: products take the form that integer kernels have", async (t) => {
  for (const [name, { nodes, constants, feeds = { x }, after }] of Object.entries(cases)) {
    await t.step(name, async () => {
      const inputs = Object.entries(feeds).map(([name, { type, dims }]) => [name, [type, ...dims]]);
      const model = smallModel({
        opset: 17,
        nodes,
        constants,
        inputs: Object.fromEntries(inputs),
        outputs: ["y"],
      });
      const { graph } = await assertPrepared(model, feeds, after);
      for (const { opType, input, attribute } of graph.node) {
        if (opType !== "Gemm") continue;
        assert(attribute.every(({ name }) => name !== "alpha" && name !== "beta"));
        const added = graph.initializer.find(({ name }) => name === input[2]);
        assertEquals(added?.dims ?? [BigInt(columns)], [BigInt(columns)]);
      }
    });
  }
});

Deno.test("prepareOnnx: a weight with several factors in front stays one constant where these are equal", async () => {
  const half = { alpha: { f: 0.5 } };
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Gemm", ["x", "w", "b"], ["h"], half),
      node("Gemm", ["x", "w", "c"], ["k"], half),
      node("Sub", ["h", "k"], ["y"]),
    ],
    constants: [
      floats("w", [5, 2000], values(10_000)),
      floats("b", [1, 2000], values(2000, 3)),
      floats("c", [2000], values(2000, 5)),
    ],
    inputs: { x: ["float32", rows, 5] },
    outputs: ["y"],
  });
  const { graph } = await assertPrepared(model, { x }, { Gemm: 2, Sub: 1 });
  assertEquals(graph.initializer.map(({ dims }) => dims.map(Number)).sort(), [[2000], [2000], [
    5,
    2000,
  ]]);
});
