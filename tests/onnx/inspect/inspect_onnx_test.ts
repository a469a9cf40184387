import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  exportOnnx,
  inspectOnnx,
  Linear,
  loadOnnx,
  modelInputs,
  OnnxError,
  randn,
} from "../../../mod.ts";
import { graphProto, messages } from "../files.ts";
import { floats, node, smallModel } from "../small_models.ts";

Deno.test("inspectOnnx: a loaded model is looked into and left as it is", async () => {
  const model = await loadOnnx(await exportOnnx(new Linear(4, 2), randn([1, 4])));
  const before = model.toBytes();
  const found = await inspectOnnx(model);
  assertEquals(model.toBytes(), before);
  assertEquals(found.inputs, modelInputs(model));
  assertEquals(found.inputs, [{ name: "input", dtype: "float32", dims: ["batch", 4] }]);
  assertEquals(found.outputs, [{ name: "output", dtype: "float32", dims: ["batch", 2] }]);
  const { state } = await Deno.permissions.query({ name: "ffi" });
  assertEquals([found.quantized, found.problem], [false, undefined]);
  assertEquals(found.prepared, state === "granted", "preparing needs native code");
  assertEquals(found.operators, [{
    ...{ op: "Gemm", domain: "", count: 1, parameters: 10, bytes: 40, share: 1 },
    ...{ prepared: 1, quantizable: 1, reasons: [] },
  }]);
  assertEquals(found.constants, { tensors: 2, elements: 10, bytes: 40, byType: { float32: 40 } });
});

Deno.test("inspectOnnx: nodes inside of nodes are counted, and say why they are not quantized", async () => {
  const branch = (name: string) =>
    graphProto({
      name,
      node: [messages.node({ opType: "Conv", input: ["x", "w"], output: [`${name}.y`] })],
      output: [messages.valueInfo(`${name}.y`, "float32")],
    });
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["c"]),
      Object.assign(
        node("If", ["yes"], ["y"], {
          then_branch: { g: branch("a") },
          else_branch: { g: branch("b") },
        }),
        { name: "choice" },
      ),
    ],
    constants: [floats("w", [2, 3, 1, 1], [1, 2, 3, 4, 5, 6])],
    inputs: { x: ["float32", 1, 3, 4, 4], yes: ["bool"] },
    outputs: ["c", "y"],
  });
  const conv = (await inspectOnnx(model)).operators.find(({ op }) => op === "Conv")!;
  assertEquals([conv.count, conv.prepared, conv.quantizable], [3, 3, 1]);
  assertEquals(conv.reasons, ['it stands in a graph inside of If node "choice"']);
});

Deno.test("inspectOnnx: a quantized model, names that objects have, and no model", async () => {
  const quantized = smallModel({
    opset: 17,
    nodes: [node("DynamicQuantizeLSTM", ["x"], ["y"], {}, "com.microsoft")],
    inputs: { x: ["float32", 1, 4] },
    outputs: ["y"],
    domains: { "com.microsoft": 1 },
  });
  const { quantized: is, problem } = await inspectOnnx(quantized);
  assertEquals([is, problem], [true, "the model is quantized already"]);
  const strange = smallModel({
    opset: 17,
    nodes: [node("constructor", ["x"], ["__proto__"], {}, "__proto__")],
    inputs: { x: ["float32", 1, 4] },
    outputs: ["__proto__"],
    domains: { ["__proto__"]: 1 },
  });
  const { opset, operators } = await inspectOnnx(strange);
  assert(Object.hasOwn(opset, "__proto__"));
  assertEquals(operators.map(({ op, domain, count }) => [op, domain, count]), [
    ["constructor", "__proto__", 1],
  ]);
  await assertRejects(() => inspectOnnx(new Uint8Array([1, 2, 3])), OnnxError, "no ONNX model");
});
