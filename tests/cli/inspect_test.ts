import { assert, assertEquals } from "@std/assert";
import { TestFolder } from "../data/files.ts";
import { command } from "./console.ts";
import { classifier, quantizedClassifier } from "./models.ts";

Deno.test("inspect shows inputs, outputs, operators and sizes", async () => {
  using folder = new TestFolder();
  const path = folder.write("model.onnx", await classifier());
  const { code, out, err } = await command("inspect", path);
  assertEquals([code, err], [0, ""]);
  const lines = out.split("\n").map((line) => line.replace(/\s+/g, " ").trim());
  assert(lines.includes("input input float32 [batch, 40]"), out);
  assert(lines.includes("output output float32 [batch, 10]"), out);
  assert(lines.some((line) => /^Gemm 3 1,554 6\.1 KiB 100 % 3 of 3/.test(line)), out);
  assert(lines.includes("quantized no"), out);
  assert(lines.some((line) => line.startsWith("quantizable 5 of 5 nodes")), out);
});

Deno.test("inspect --json is for programs", async () => {
  using folder = new TestFolder();
  const bytes = await classifier();
  const path = folder.write("model.onnx", bytes);
  const { code, out } = await command("inspect", path, "--json");
  assertEquals(code, 0);
  const { file, fileBytes, opset, quantized, inputs, constants, operators } = JSON.parse(out);
  assertEquals([file, fileBytes, opset, quantized], [path, bytes.length, { "ai.onnx": 21 }, false]);
  assertEquals(inputs, [{ name: "input", dtype: "float32", dims: ["batch", 40] }]);
  assertEquals(constants, {
    tensors: 6,
    elements: 1554,
    bytes: 6216,
    byType: { float32: 6216 },
  });
  const { op, count, parameters, share, quantizable } = operators[0];
  assertEquals([op, count, parameters, share, quantizable], ["Gemm", 3, 1554, 1, 3]);
});

Deno.test("inspect says what is wrong with a file, in one line", async () => {
  using folder = new TestFolder();
  const missing = await command("inspect", `${folder.path}/none.onnx`);
  assertEquals(missing.code, 1);
  assertEquals(missing.err, `error: ${folder.path}/none.onnx: No such file or directory\n`);
  const path = folder.write("text.onnx", "this is text");
  const text = await command("inspect", path);
  assertEquals([text.code, text.out], [1, ""]);
  assert(text.err.startsWith(`error: ${path}: this is no ONNX model`), text.err);
  assertEquals(text.err.trim().split("\n").length, 1);
  const debug = await command("inspect", path, "--debug");
  assert(debug.err.includes("    at "), "a stack");
});

Deno.test("inspect tells a quantized model from a float one", async () => {
  using folder = new TestFolder();
  const path = folder.write("model.onnx", await quantizedClassifier());
  const { out } = await command("inspect", path);
  assert(/quantized +yes, already/.test(out), out);
  const { quantized, problem } = JSON.parse((await command("inspect", path, "--json")).out);
  assertEquals([quantized, problem], [true, "the model is quantized already"]);
});
