import { create } from "@bufbuild/protobuf";
import { assert, assertEquals } from "@std/assert";
import { GraphProtoSchema } from "onnx-buf";
import { compareOnnx, init, OnnxRuntime, quantizeStatic } from "../../../mod.ts";
import { dataTypeName, type OnnxDataType } from "../../../lib/onnx/file/data_type.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { walkGraphs } from "../../../lib/onnx/file/subgraphs.ts";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import { messages } from "../files.ts";
import { node, operators, type SmallModel, smallModel } from "../small_models.ts";
import { values } from "./same.ts";

await init({ device: "cpu" });

const constant = (name: string, dtype: OnnxDataType, dims: number[], seed = 1) =>
  messages.tensor(name, dtype, dims, values(dims.reduce((a, b) => a * b, 1), seed));

/** Elements as an array of a type that models may take. */
function elements(dtype: OnnxDataType, numbers: readonly number[]) {
  if (dtype === "float16") return Float16Array.from(numbers);
  return dtype === "float64" ? Float64Array.from(numbers) : Float32Array.from(numbers);
}

/** What a model gives, as numbers, and the types. */
async function outputsOf(model: OnnxModel, dtype: OnnxDataType, dims = [4, 8], scale = 1) {
  await using runtime = await OnnxRuntime.open("test", model);
  const numbers = values(dims.reduce((a, b) => a * b, 1), 9).map((value) => value * scale);
  const outputs = await runtime.run({ x: { data: elements(dtype, numbers), dims } });
  return Object.entries(outputs).map(([name, { type, data }]) => ({
    name,
    type,
    numbers: Array.from(data as ArrayLike<number>, Number),
  }));
}

/** Asserts that preparing and quantizing keep what a model computes, and the types around it. */
async function assertWidened(
  parts: Omit<SmallModel, "opset">,
  after: Record<string, number>,
  tolerance = 5e-3,
) {
  const model = smallModel({ opset: 17, ...parts });
  const [dtype] = parts.inputs.x;
  const prepared = await prepareOnnx(model);
  prepared.check();
  assertEquals(operators(prepared), after);
  const [plain, widened] = await Promise.all([model, prepared].map((m) => outputsOf(m, dtype)));
  for (const [i, { name, type, numbers }] of plain.entries()) {
    assertEquals([widened[i].name, widened[i].type], [name, type]);
    numbers.forEach((value, j) => {
      const off = Math.abs(value - widened[i].numbers[j]);
      assert(off <= tolerance * Math.max(1, Math.abs(value)), `${name} differs by ${off}`);
    });
  }
  return prepared;
}

const layers = (dtype: OnnxDataType) => ({
  nodes: [
    node("Gemm", ["x", "w", "b"], ["h"]),
    node("Relu", ["h"], ["r"]),
    node("MatMul", ["r", "v"], ["y"]),
  ],
  constants: [
    constant("w", dtype, [8, 16]),
    constant("b", dtype, [16], 2),
    constant("v", dtype, [16, 4], 3),
  ],
  inputs: { x: [dtype, "n", 8] as [OnnxDataType, string, number] },
  outputs: ["y"],
});

Deno.test("prepareOnnx: models of float16 and of doubles compute in float32, between their types", async () => {
  for (const dtype of ["float16", "float64"] as const) {
    const prepared = await assertWidened(layers(dtype), { Cast: 2, Gemm: 1, Relu: 1, MatMul: 1 });
    assertEquals(prepared.graph.initializer.map(({ dataType }) => dataTypeName(dataType)), [
      "float32",
      "float32",
      "float32",
    ]);
  }
});

Deno.test("quantizeStatic: a float16 model keeps its types, and takes halves as samples", async () => {
  const model = smallModel({ opset: 17, ...layers("float16") });
  const numbers = values(32, 9);
  for (
    const halves of [
      Float16Array.from(numbers),
      new Uint16Array(Float16Array.from(numbers).buffer),
    ]
  ) {
    const { model: quantized, nodes } = await quantizeStatic(model, [
      { x: { data: halves, dims: [4, 8] } },
    ]);
    assert(nodes.every(({ quantized, opType }) => quantized || opType === "Cast"));
    const [plain] = await outputsOf(model, "float16");
    const [integers] = await outputsOf(quantized, "float16");
    assertEquals(integers.type, "float16");
    const off = plain.numbers.map((value, i) => value - integers.numbers[i]);
    const energy = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x * x, 0);
    assert(energy(off) < energy(plain.numbers) / 1000);
  }
});

Deno.test("compareOnnx: outputs of float16 and doubles are compared", async () => {
  for (const dtype of ["float16", "float64"] as const) {
    const model = smallModel({ opset: 17, ...layers(dtype) });
    const samples = [{ x: { data: elements(dtype, values(32, 9)), dims: [4, 8] } }];
    const { model: quantized } = await quantizeStatic(model, samples);
    const { outputs } = await compareOnnx(model, quantized, samples);
    assert(outputs.length === 1 && outputs[0].sqnr > 30 && outputs[0].sqnr < 80);
  }
});

Deno.test("prepareOnnx: Casts within a model of two types go", async () => {
  const to = (type: number) => ({ to: { i: type } });
  await assertWidened({
    ...layers("float16"),
    nodes: [
      node("Cast", ["x"], ["xh"], to(10)),
      node("MatMul", ["xh", "w"], ["a"]),
      node("Cast", ["a"], ["a32"], to(1)),
      node("Softmax", ["a32"], ["s"]),
      node("Cast", ["s"], ["sh"], to(10)),
      node("MatMul", ["sh", "v"], ["yh"]),
      node("Cast", ["yh"], ["y32"], to(1)),
      node("Relu", ["y32"], ["y"]),
    ],
    inputs: { x: ["float32", "n", 8] },
  }, { MatMul: 2, Softmax: 1, Relu: 1 });
});

Deno.test("prepareOnnx: types in attributes, in graphs inside of nodes and of outputs that others read", async () => {
  const branch = (name: string, opType: string) =>
    create(GraphProtoSchema, {
      name,
      node: [
        node("Constant", [], [`${name}k`], { value: { t: constant("", "float16", [4]) } }),
        node(opType, ["h", `${name}k`], [`${name}m`]),
        node("Cast", [`${name}m`], [`${name}o`], { to: { i: 10 } }),
      ],
      valueInfo: [messages.valueInfo(`${name}m`, "float16", ["n", 4])],
      output: [messages.valueInfo(`${name}o`, "float16", ["n", 4])],
    });
  const prepared = await assertWidened({
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("Shape", ["h"], ["s"]),
      node("ConstantOfShape", ["s"], ["ones"], {
        value: { t: messages.tensor("", "float16", [1], [2]) },
      }),
      node("EyeLike", ["h"], ["eye"], { dtype: { i: 10 } }),
      node("Sum", ["h", "ones", "eye"], ["sum"]),
      node("If", ["yes"], ["q"], {
        then_branch: { g: branch("then", "Add") },
        else_branch: { g: branch("else", "Mul") },
      }),
      node("Add", ["sum", "q"], ["y"]),
    ],
    constants: [
      constant("w", "float16", [8, 4]),
      messages.tensor("yes", "bool", [], Uint8Array.of(1)),
    ],
    inputs: { x: ["float16", "n", 8] },
    outputs: ["y", "h"],
  }, { Cast: 3, MatMul: 1, Shape: 1, ConstantOfShape: 1, EyeLike: 1, Sum: 1, If: 1, Add: 1 });
  for (const { valueInfo, node } of walkGraphs(prepared.graph)) {
    assert(
      valueInfo.every(({ type }) =>
        type?.value.case !== "tensorType" || type.value.value.elemType !== 10
      ),
    );
    const tensors = node.flatMap(({ attribute }) => attribute.flatMap(({ t }) => t ? [t] : []));
    assert(tensors.every(({ dataType }) => dataType !== 10));
  }
});

Deno.test("prepareOnnx: an input that is an output stays as it is", async () => {
  await assertWidened({ ...layers("float16"), outputs: ["y", "x"] }, {
    Cast: 2,
    Gemm: 1,
    Relu: 1,
    MatMul: 1,
  });
});

Deno.test("prepareOnnx: doubles before the first product are subtracted as such", async () => {
  const large = 1.7e9;
  const { nodes, constants, ...rest } = layers("float64");
  nodes[0].input[0] = "small";
  const model = smallModel({
    opset: 17,
    ...rest,
    nodes: [node("Sub", ["x", "mean"], ["small"]), ...nodes],
    constants: [...constants, messages.tensor("mean", "float64", [], Float64Array.of(large))],
  });
  const prepared = await prepareOnnx(model);
  assertEquals(operators(prepared), { Sub: 1, Cast: 2, Gemm: 1, Relu: 1, MatMul: 1 });
  const x = { data: Float64Array.from(values(32, 9), (value) => large + value), dims: [4, 8] };
  const [plain, widened] = await Promise.all([model, prepared].map(async (each) => {
    await using runtime = await OnnxRuntime.open("test", each);
    return (await runtime.run({ x })).y.data as Float64Array;
  }));
  plain.forEach((value, i) => assert(Math.abs(value - widened[i]) < 1e-5));
});

Deno.test("prepareOnnx: doubles that nothing multiplies with weights stay", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Neg", ["x"], ["d"]),
      node("Cast", ["d"], ["f"], { to: { i: 1 } }),
      node("MatMul", ["f", "w"], ["y"]),
    ],
    constants: [constant("w", "float32", [8, 4])],
    inputs: { x: ["float64", "n", 8] },
    outputs: ["y"],
  });
  assertEquals(operators(await prepareOnnx(model)), { Neg: 1, Cast: 1, MatMul: 1 });
});
