import { assertEquals } from "@std/assert";
import { loadOnnx } from "../../lib/onnx/file/model_file.ts";
import { fileOf, variedGraph } from "../onnx/files.ts";
import "../../lib/display/register.ts";

Deno.test("an ONNX model shows operator sets, size, inputs and outputs on the console", async () => {
  const model = await loadOnnx(fileOf(variedGraph()));
  assertEquals(
    Deno.inspect(model),
    "OnnxModel(ai.onnx 21; 3 nodes; x: float32 [batch, ?, 2], c: bool [] → y: float32, k: float32 [2])",
  );
  assertEquals(String(model), Deno.inspect(model));
  model.proto.graph = undefined;
  assertEquals(Deno.inspect(model), "OnnxModel(no graph)");
});

Deno.test("an ONNX model shows its operators in a notebook, those with most constants first", async () => {
  const model = await loadOnnx(fileOf(variedGraph()));
  // deno-lint-ignore no-explicit-any -- a symbol that the types do not know
  const bundle = await (model as any)[Symbol.for("Jupyter.display")]();
  const rows = [...bundle["text/html"].matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell]) => cell)
  );
  // Both branches of the If hold a Neg.
  assertEquals(rows, [
    ["operator", "nodes", "constants"],
    ["Constant", "1", "8 B"],
    ["Add", "1", "8 B"],
    ["Neg", "2", ""],
    ["If", "1", ""],
  ]);
});
