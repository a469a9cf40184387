import { assert, assertEquals } from "@std/assert";
import type { AttributeValue } from "../../../lib/onnx/file/messages.ts";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import type { NodeProto, TensorProto } from "../../../lib/onnx/file/proto.ts";
import { messages } from "../files.ts";
import { floats, ints, node, noise, operators, smallModel } from "../small_models.ts";
import { assertPrepared, values } from "./same.ts";

const x = noise(2, 6);
const weight = floats("v", [6, 4], values(24));
const attribute = (name: string, i: number): Record<string, AttributeValue> => ({ [name]: { i } });
const to = (type: number) => attribute("to", type);

/** A product of `x` with a weight `w` of 6 × 4, which nodes make. */
function productOf(nodes: readonly NodeProto[], constants: readonly TensorProto[], opset = 17) {
  return smallModel({
    opset,
    ir: opset > 20 ? 10 : 8,
    nodes: [...nodes, node("MatMul", ["x", "w"], ["y"])],
    constants,
    inputs: { x: ["float32", "n", 6] },
    outputs: ["y"],
    domains: nodes.some(({ domain }) => domain) ? { "com.microsoft": 1 } : {},
  });
}

const halves = messages.tensor("v", "float16", [4, 6], Float32Array.from(values(24)));
const bytes = (name: string, dims: number[]) =>
  messages.tensor(name, "int8", dims, Int8Array.from({ length: 24 }, (_, i) => i * 9 - 100));

const made: Record<string, [NodeProto[], TensorProto[], opset?: number]> = {
  "Reshape with an open size": [
    [node("Reshape", ["v", "s"], ["w"])],
    [floats("v", [24], values(24)), ints("s", [-1, 4])],
  ],
  "Flatten and what computes with it": [
    [node("Flatten", ["v"], ["f"], attribute("axis", 2)), node("Mul", ["f", "k"], ["w"])],
    [floats("v", [2, 3, 4], values(24)), floats("k", [1, 4], [1, 2, 3, 4])],
  ],
  "Split and Squeeze": [
    [
      node("Split", ["v"], ["a", "b", "c"], attribute("axis", 0)),
      node("Squeeze", ["b", "axes"], ["w"]),
    ],
    [floats("v", [3, 6, 4], values(72)), ints("axes", [0])],
  ],
  "Cast and Transpose of float16": [
    [node("Cast", ["v"], ["t"], to(1)), node("Transpose", ["t"], ["w"])],
    [halves],
  ],
  "Cast of bfloat16": [
    [node("Cast", ["v"], ["w"], to(1))],
    [messages.tensor("v", "bfloat16", [6, 4], Float32Array.from(values(24)))],
  ],
  "Cast of doubles": [
    [node("Cast", ["v"], ["w"], to(1))],
    [messages.tensor("v", "float64", [6, 4], Float64Array.from(values(24)))],
  ],
  "Concat, Gather and Slice": [
    [
      node("Concat", ["v", "v"], ["a"], attribute("axis", 0)),
      node("Slice", ["a", "from", "until"], ["b"]),
      node("Gather", ["b", "order"], ["w"]),
    ],
    [weight, ints("from", [2]), ints("until", [9]), ints("order", [0, 1, 3, 4, 5, 6])],
  ],
  "Expand": [
    [node("Expand", ["v", "s"], ["w"])],
    [floats("v", [6, 1], values(6)), ints("s", [6, 4])],
  ],
  "Tile": [
    [node("Tile", ["v", "s"], ["w"])],
    [floats("v", [3, 4], values(12)), ints("s", [2, 1])],
  ],
  "Pad": [
    [node("Pad", ["v", "p"], ["w"])],
    [floats("v", [4, 3], values(12)), ints("p", [1, 0, 1, 1])],
  ],
  "ConstantOfShape of the shape of another": [
    [
      node("Shape", ["v"], ["s"]),
      node("ConstantOfShape", ["s"], ["w"], { value: { t: floats("", [1], [0.25]) } }),
    ],
    [weight],
  ],
  "a shape that is computed first": [
    [
      node("Shape", ["k"], ["s"]),
      node("Concat", ["s", "four"], ["t"], attribute("axis", 0)),
      node("Expand", ["v", "t"], ["w"]),
    ],
    [floats("v", [1], [0.5]), floats("k", [6], values(6)), ints("four", [4])],
  ],
  "Range": [
    [
      node("Range", ["zero", "end", "one"], ["a"]),
      node("Unsqueeze", ["a", "axes"], ["b"]),
      node("Mul", ["b", "v"], ["w"]),
    ],
    [
      floats("zero", [], [0]),
      floats("end", [], [6]),
      floats("one", [], [1]),
      ints("axes", [1]),
      floats("v", [4], [1, 2, 3, 4]),
    ],
  ],
  "a product and a sum of constants": [
    [
      node("MatMul", ["a", "b"], ["c"]),
      node("Mul", ["c", "k"], ["d"]),
      node("Add", ["v", "d"], ["w"]),
    ],
    [
      floats("a", [6, 2], values(12)),
      floats("b", [2, 4], values(8)),
      floats("k", [], [0.5]),
      weight,
    ],
  ],
  "DequantizeLinear": [
    [node("DequantizeLinear", ["v", "s", "z"], ["w"], attribute("axis", 1))],
    [
      bytes("v", [6, 4]),
      floats("s", [4], [0.01, 0.02, 0.03, 0.04]),
      messages.tensor("z", "int8", [4], Int8Array.of(1, 2, 3, 4)),
    ],
  ],
  "DequantizeLinear of onnxruntime": [
    [node("DequantizeLinear", ["v", "s"], ["w"], {}, "com.microsoft")],
    [bytes("v", [6, 4]), floats("s", [], [0.01])],
  ],
  "DequantizeLinear of 4 bits": [
    [node("DequantizeLinear", ["v", "s"], ["w"], {
      ...attribute("axis", 0),
      ...attribute("block_size", 2),
    })],
    [
      messages.tensor("v", "int4", [6, 4], Int8Array.from({ length: 24 }, (_, i) => i % 16 - 8)),
      floats("s", [3, 4], values(12).map((value) => Math.abs(value) + 0.1)),
    ],
    21,
  ],
};

Deno.test("prepareOnnx: weights that nodes make of constants become constants", async (t) => {
  for (const [name, [nodes, constants, opset]] of Object.entries(made)) {
    await t.step(name, async () => {
      const model = productOf(nodes, constants, opset);
      const prepared = await assertPrepared(model, { x }, { MatMul: 1 }, 3e-3);
      assertEquals(prepared.graph.initializer.map(({ dataType }) => dataType), [1]);
    });
  }
});

Deno.test("prepareOnnx: what constants come to may be large, but not by far larger than the file", async () => {
  const turned = productOf(
    [node("Transpose", ["big"], ["t"]), node("Slice", ["t", "from", "until"], ["w"])],
    [floats("big", [4, 60_000], values(240_000)), ints("from", [7]), ints("until", [13])],
  );
  await assertPrepared(turned, { x }, { MatMul: 1 });
  const huge = (size: number) =>
    smallModel({
      opset: 17,
      nodes: [
        node("Expand", ["one", "shape"], ["big"]),
        node("ReduceSum", ["big"], ["sum"]),
        node("Add", ["x", "sum"], ["y"]),
      ],
      constants: [floats("one", [], [1]), ints("shape", [size, 1, 1000])],
      inputs: { x: ["float32", 1, 1] },
      outputs: ["y"],
    });
  for (const size of [300, 2 ** 40]) {
    assertEquals(operators(await prepareOnnx(huge(size))), { Expand: 1, ReduceSum: 1, Add: 1 });
  }
  assertEquals(operators(await prepareOnnx(huge(10))), { Add: 1 });
});

Deno.test("prepareOnnx: what a file says of sizes counts for nothing", async () => {
  const model = productOf([node("Tile", ["v", "times"], ["t"]), node("ReduceMax", ["t"], ["w"])], [
    weight,
    ints("times", [2 ** 30, 2 ** 30]),
  ]);
  model.graph.valueInfo.push(messages.valueInfo("t", "float32", [6, 4]));
  assertEquals(operators(await prepareOnnx(model)), { Tile: 1, ReduceMax: 1, MatMul: 1 });
});

Deno.test("prepareOnnx: integers between floats stay in a model that has such", async () => {
  const model = productOf(
    [
      node("DequantizeLinear", ["v", "s"], ["w"]),
      node("QuantizeLinear", ["x", "s", "zero"], ["q"]),
      node("DequantizeLinear", ["q", "s", "zero"], ["z"]),
    ],
    [
      bytes("v", [6, 4]),
      floats("s", [], [0.01]),
      messages.tensor("zero", "uint8", [], Uint8Array.of(128)),
    ],
  );
  assert((await prepareOnnx(model)).graph.node.some(({ output }) => output[0] === "w"));
});
