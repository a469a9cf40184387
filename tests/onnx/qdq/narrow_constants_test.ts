import * as ort from "onnxruntime-node";
import { assert, assertEquals } from "@std/assert";
import { dataTypeName, type OnnxDataType } from "../../../lib/onnx/file/data_type.ts";
import { bfloat16 } from "../../../lib/numbers/dtype.ts";
import { roundTo } from "../../../lib/numbers/rounding.ts";
import { narrowConstants } from "../../../lib/onnx/qdq/narrow_constants.ts";
import {
  difference,
  floats,
  node,
  noise,
  operators,
  runModel,
  smallModel,
} from "../small_models.ts";

const values = Array.from({ length: 8000 }, (_, i) => Math.sin(i * 12.9898));
const rounds: [OnnxDataType, (x: number) => number][] = [
  ["float16", Math.f16round],
  ["bfloat16", (x) => roundTo(bfloat16, x * 1e30)],
  ["float32", Math.fround],
];

Deno.test("narrowConstants: large constants take half the bytes where no number changes", async () => {
  for (const [dtype, round] of rounds) {
    const model = smallModel({
      opset: 17,
      nodes: [node("MatMul", ["x", "w"], ["a"]), node("Add", ["a", "b"], ["y"])],
      constants: [
        floats("w", [8, 1000], values.map(round)),
        floats("b", [1000], Array(1000).fill(1)),
      ],
      inputs: { x: ["float32", 2, 8] },
      outputs: ["y"],
    });
    const feeds = { x: noise(2, 8) };
    const before = await runModel(model, feeds);
    narrowConstants(model);
    model.check();
    assertEquals(model.graph.initializer.map(({ dataType }) => dataTypeName(dataType)), [
      dtype,
      "float32",
    ]);
    assertEquals(operators(model).Cast, dtype === "float32" ? undefined : 1);
    assertEquals(difference(await runModel(model, feeds), before), 0);
  }
});

Deno.test("narrowConstants: scales stay, and an output keeps its name", async () => {
  const w = floats("w", [8000], values.map(Math.f16round));
  const model = smallModel({
    opset: 17,
    nodes: [node("DequantizeLinear", ["x", "s"], ["y"], { axis: { i: 0 } })],
    constants: [w, floats("s", [8000], Array(8000).fill(0.5))],
    inputs: { x: ["int8", 8000] },
    outputs: ["y", "w"],
  });
  const feeds = { x: new ort.Tensor("int8", new Int8Array(8000), [8000]) };
  const before = await runModel(model, feeds);
  narrowConstants(model);
  assertEquals(operators(model), { Cast: 1, DequantizeLinear: 1 });
  assertEquals(difference(await runModel(model, feeds), before), 0);
  assert(model.graph.initializer.some(({ name }) => name === "s"));
});
