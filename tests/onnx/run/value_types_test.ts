import { assertEquals } from "@std/assert";
import { prepareOnnx, quantizeStatic } from "../../../mod.ts";
import { learnValueTypes } from "../../../lib/onnx/run/value_types.ts";
import { valueType } from "../../../lib/onnx/graph/graph_view.ts";
import { graphProto, messages } from "../files.ts";
import { floats, ints, node, noise, smallModel } from "../small_models.ts";

type Nodes = Parameters<typeof smallModel>[0]["nodes"];

const weight = (name: string, ...dims: number[]) =>
  floats(name, dims, Array.from(noise(...dims).data as Float32Array));

/** A model in which `x` [2, n, 16] becomes `v`, and that a product with a weight of more than 4 KiB. */
function behind(nodes: Nodes, constants: ReturnType<typeof floats>[] = []) {
  return smallModel({
    opset: 17,
    nodes: [...nodes, node("MatMul", ["v", "w"], ["y"])],
    constants: [...constants, weight("w", 16, 80)],
    inputs: { x: ["float32", 2, "n", 16], yes: ["bool"] },
    outputs: ["y"],
    domains: { "com.microsoft": 1, "ai.onnx.ml": 3, own: 1 },
  });
}

const branch = (name: string) =>
  graphProto({
    name,
    node: [node("Abs", ["x"], [`${name}.v`])],
    output: [messages.valueInfo(`${name}.v`, "float32")],
  });

const BEHIND: Record<string, [Nodes, ReturnType<typeof floats>[]?]> = {
  "a recurrent layer": [[
    node("GRU", ["x", "gw", "gr"], ["h"], { hidden_size: { i: 16 }, layout: { i: 0 } }),
    node("Squeeze", ["h", "one"], ["v"]),
  ], [weight("gw", 1, 48, 16), weight("gr", 1, 48, 16), ints("one", [1])]],
  Einsum: [[node("Einsum", ["x"], ["v"], { equation: { s: "abc->abc" } })]],
  "an operator of Microsoft's": [[node("Gelu", ["x"], ["v"], {}, "com.microsoft")]],
  If: [[
    node("If", ["yes"], ["v"], {
      then_branch: { g: branch("a") },
      else_branch: { g: branch("b") },
    }),
  ]],
  "a sequence": [[
    node("SequenceConstruct", ["x", "x"], ["s"]),
    node("ConcatFromSequence", ["s"], ["v"], { axis: { i: 0 } }),
  ]],
  "several in a row": [[
    node("Einsum", ["x"], ["a"], { equation: { s: "abc->abc" } }),
    node("Relu", ["a"], ["b"]),
    node("FastGelu", ["b"], ["v"], {}, "com.microsoft"),
  ]],
};

for (const [what, [nodes, constants]] of Object.entries(BEHIND)) {
  Deno.test(`learnValueTypes: what is behind ${what} is known, and quantized`, async () => {
    const model = behind(nodes, constants);
    await learnValueTypes("test", model);
    const infos = new Map(model.graph.valueInfo.map(({ name, type }) => [name, valueType(type)]));
    assertEquals(infos.get("v")?.dtype, "float32");
    const data = [{
      x: { data: noise(2, 3, 16).data as Float32Array, dims: [2, 3, 16] },
      yes: { data: Uint8Array.of(1), dims: [] },
    }];
    const { nodes: done } = await quantizeStatic(behind(nodes, constants), data);
    const product = done.find(({ opType }) => opType === "MatMul");
    assertEquals([product?.quantized, product?.reason], [true, undefined]);
  });
}

Deno.test("learnValueTypes: sizes are numbers and names; what is no tensor stays open", async () => {
  const model = behind(BEHIND.Einsum[0]);
  await learnValueTypes("test", model);
  assertEquals(valueType(model.graph.valueInfo[0].type)?.dims, [2, "n", 16]);
  const sequence = behind(BEHIND["a sequence"][0]);
  await learnValueTypes("test", sequence);
  assertEquals(sequence.graph.valueInfo.map(({ name }) => name), ["v"]);
});

Deno.test("learnValueTypes: an output of the graph without a type gets one", async () => {
  const model = behind([node("Einsum", ["x"], ["v"], { equation: { s: "abc->abc" } })]);
  for (const output of model.graph.output) output.type = undefined;
  await learnValueTypes("test", model);
  assertEquals(valueType(model.graph.output[0].type)?.dtype, "float32");
  assertEquals(model.graph.valueInfo.map(({ name }) => name), ["v"]);
});

Deno.test("learnValueTypes: a model that needs no asking, and one that onnxruntime does not take, stay as they are", async () => {
  const known = behind([node("Relu", ["x"], ["v"])]);
  const foreign = behind([node("Frob", ["x"], ["v"], {}, "own")]);
  for (const model of [known, foreign]) {
    const before = model.toBytes();
    await learnValueTypes("test", model);
    assertEquals(model.toBytes(), before);
  }
  const { graph } = await prepareOnnx(foreign);
  assertEquals(graph.node.map(({ opType }) => opType), ["Frob", "MatMul"]);
});
