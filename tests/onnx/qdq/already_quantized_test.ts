import { assert, assertEquals, assertThrows } from "@std/assert";
import { OnnxError } from "../../../mod.ts";
import { checkFloatModel, quantizedNode } from "../../../lib/onnx/qdq/already_quantized.ts";
import { graphProto, messages } from "../files.ts";
import { node, smallModel } from "../small_models.ts";

/** A model with one node of this operator. */
const modelOf = (opType: string, domain?: string) =>
  smallModel({
    opset: 17,
    nodes: [node(opType, ["x"], ["y"], {}, domain)],
    inputs: { x: ["float32", 1, 4] },
    outputs: ["y"],
    domains: domain && domain !== "ai.onnx" ? { [domain]: 1 } : {},
  });

Deno.test("quantizedNode: operators of ONNX and of onnxruntime, each in its domain", () => {
  const quantized: [opType: string, domain?: string][] = [
    ["QuantizeLinear"],
    ["QLinearConv"],
    ["QuantizeLinear", "ai.onnx"],
    ["QuantizeLinear", "com.microsoft"],
    ["DynamicQuantizeLSTM", "com.microsoft"],
    ["QOrderedMatMul", "com.microsoft"],
    ["MatMulNBits", "com.microsoft"],
  ];
  for (const [opType, domain] of quantized) {
    const found = quantizedNode(modelOf(opType, domain));
    assertEquals([found?.opType, found?.domain], [opType, domain ?? ""]);
  }
  const float: [opType: string, domain?: string][] = [
    ["QuickGelu", "com.microsoft"],
    ["QuantizeX", "my.domain"],
    ["QuantizeLinear", "my.domain"],
    ["DynamicQuantizeLSTM"],
    ["LSTM"],
    ["Relu", "constructor"],
  ];
  for (const [opType, domain] of float) {
    assertEquals(quantizedNode(modelOf(opType, domain)), undefined, opType);
  }
});

Deno.test("checkFloatModel: names a node, inside of another one too", () => {
  const inner = graphProto({
    name: "then",
    node: [messages.node({ opType: "DequantizeLinear", input: ["x"], output: ["z"], name: "dq" })],
    output: [messages.valueInfo("z", "float32")],
  });
  const model = smallModel({
    opset: 17,
    nodes: [node("If", ["yes"], ["y"], { then_branch: { g: inner }, else_branch: { g: inner } })],
    inputs: { x: ["float32", 1], yes: ["bool"] },
    outputs: ["y"],
  });
  assertThrows(
    () => checkFloatModel("here", model),
    OnnxError,
    'here: the model is quantized already: it has the DequantizeLinear node "dq"; give the float model',
  );
});

Deno.test("quantizedNode: weights alone may be integers, in the graph or in one inside of a node", () => {
  const bytes = messages.tensor("w", "int8", [2], Int8Array.of(1, 2));
  const scale = messages.tensor("s", "float32", [], Float32Array.of(0.5));
  const dequantize = (from: string, to: string, domain?: string) =>
    node("DequantizeLinear", [from, "s"], [to], {}, domain);
  const modelWith = (...nodes: ReturnType<typeof node>[]) =>
    smallModel({
      opset: 17,
      nodes,
      constants: [bytes, scale],
      inputs: { x: ["float32", 2], q: ["int8", 2], yes: ["bool"] },
      outputs: ["y"],
      domains: { "com.microsoft": 1 },
    });
  const branch = (from: string, name: string) =>
    graphProto({
      name,
      node: [dequantize(from, `${name}_z`)],
      output: [messages.valueInfo(`${name}_z`, "float32")],
    });
  const either = (from: string) =>
    node("If", ["yes"], ["y"], {
      then_branch: { g: branch("w", "a") },
      else_branch: { g: branch(from, "b") },
    });
  const float = [
    modelWith(dequantize("w", "y")),
    modelWith(dequantize("w", "y", "com.microsoft")),
    modelWith(node("Neg", ["w"], ["v"]), dequantize("v", "y")),
    modelWith(either("w")),
  ];
  for (const model of float) assertEquals(quantizedNode(model), undefined);
  const quantized = [
    modelWith(dequantize("q", "y")),
    modelWith(dequantize("w", "v"), node("QuantizeLinear", ["x", "s"], ["y"])),
    modelWith(either("q")),
  ];
  for (const model of quantized) assert(quantizedNode(model));
});
