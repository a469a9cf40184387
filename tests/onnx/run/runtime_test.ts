import { assertEquals, assertRejects } from "@std/assert";
import { init, OnnxRuntime, tensor } from "../../../mod.ts";
import { messages } from "../files.ts";
import { floats, ints, node, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

Deno.test("OnnxRuntime: inputs and outputs of several types", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Cast", ["i"], ["f"], { to: { i: 1 } }),
      node("Add", ["f", "x"], ["sum"]),
      node("Add", ["i", "one"], ["next"]),
      node("And", ["b", "b"], ["both"]),
    ],
    constants: [ints("one", [1])],
    inputs: { i: ["int64", "n"], x: ["float32", "n"], b: ["bool", 2] },
    outputs: ["sum", "next", "both"],
  });
  await using runtime = await OnnxRuntime.open("test", model);
  assertEquals(runtime.inputs.map(({ name, dtype, dims }) => [name, dtype, dims]), [
    ["i", "int64", ["n"]],
    ["x", "float32", ["n"]],
    ["b", "bool", [2]],
  ]);
  const feeds = {
    i: { data: BigInt64Array.of(1n, 2n), dims: [2] },
    x: tensor([0.5, 0.25]),
    b: { data: Uint8Array.of(1, 0), dims: [2] },
  };
  const outputs = await runtime.run(feeds);
  assertEquals([...outputs.sum.data], [1.5, 2.25]);
  assertEquals([outputs.next.type, ...outputs.next.data], ["int64", 2n, 3n]);
  assertEquals([outputs.both.type, ...outputs.both.data], ["bool", 1, 0]);
  assertEquals(Object.keys(await runtime.run(feeds, ["next"])), ["next"]);
});

Deno.test("OnnxRuntime: constants that are inputs too need not be given", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [node("Mul", ["x", "k"], ["y"])],
    constants: [floats("k", [1], [3])],
    inputs: { x: ["float32", 1], k: ["float32", 1] },
    outputs: ["y"],
  });
  await using runtime = await OnnxRuntime.open("test", model);
  assertEquals(runtime.inputs.map(({ name }) => name), ["x"]);
  const { y } = await runtime.run({ x: { data: Float32Array.of(2), dims: [1] } });
  assertEquals([...y.data], [6]);
});

Deno.test("OnnxRuntime: what onnxruntime says goes into the error", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [node("MatMul", ["x", "w"], ["y"])],
    constants: [floats("w", [3, 1], [1, 2, 3])],
    inputs: { x: ["float32", "n", "k"] },
    outputs: ["y"],
  });
  const bad = model.clone();
  bad.graph.node[0].opType = "NoSuchOperator";
  await assertRejects(() => OnnxRuntime.open("test", bad), Error, "NoSuchOperator");
  await using runtime = await OnnxRuntime.open("test", model);
  const x = { data: new Float32Array(4), dims: [2, 2] };
  await assertRejects(() => runtime.run({ x }), Error, "test: onnxruntime could not run the model");
});

Deno.test("OnnxRuntime: outputs into arrays of the caller's, which have to fit", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [node("Neg", ["x"], ["y"]), node("Abs", ["x"], ["z"])],
    inputs: { x: ["float32", "n"] },
    outputs: ["y", "z"],
  });
  model.graph.output[0] = messages.valueInfo("y", "float32", ["n"]);
  await using runtime = await OnnxRuntime.open("test", model);
  const x = { data: Float32Array.of(1, -2), dims: [2] };
  const y = new Float32Array(2);
  await runtime.runInto({ x }, { y: { data: y, dims: [2] } });
  assertEquals([...y], [-1, 2]);
  await assertRejects(
    () => runtime.runInto({ x }, { y: { data: new Int32Array(2), dims: [2] } }),
    TypeError,
    `the model's output is "y": float32 [n]`,
  );
  await assertRejects(
    () => runtime.runInto({ x }, { y: { data: y, dims: [1, 2] } }),
    RangeError,
    "a tensor of shape [1, 2] was given",
  );
});

Deno.test("OnnxRuntime: an input may be called as what every object has", async () => {
  const names = ["constructor", "__proto__"];
  const model = smallModel({
    opset: 17,
    nodes: [node("Add", names, ["toString"])],
    inputs: Object.fromEntries(names.map((name) => [name, ["float32", 1] as ["float32", number]])),
    outputs: ["toString"],
  });
  await using runtime = await OnnxRuntime.open("test", model);
  const one = { data: Float32Array.of(1), dims: [1] };
  const feeds = Object.fromEntries(names.map((name) => [name, one]));
  const [[name, { data }]] = Object.entries(await runtime.run(feeds));
  assertEquals([name, ...data], ["toString", 2]);
  await assertRejects(() => runtime.run({}), TypeError, `the input "constructor"`);
});
