import { assert, assertEquals } from "@std/assert";
import { withOutputs } from "../../../lib/onnx/verify/compared_tensors.ts";
import { ShapeFacts } from "../../../lib/onnx/graph/infer_shapes.ts";
import { loadOnnx } from "../../../lib/onnx/file/model_file.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import { classification, detection, image, recognition } from "../ocr_models.ts";
import { type Feeds, floats, ints, node, noise, runModel, smallModel } from "../small_models.ts";

/** Checks all that is known of a model's values against a run, and returns the share of known ranks. */
async function checkFacts(model: OnnxModel, feeds: Feeds): Promise<number> {
  const facts = new ShapeFacts(model.graph);
  const made = model.graph.node.flatMap(({ output }) => output).filter(Boolean);
  const typed = made.flatMap((name) => {
    const dtype = facts.dtype(name);
    return dtype ? [{ name, dtype }] : [];
  });
  // A wrong element type is refused by onnxruntime.
  const results = await runModel(withOutputs(model, typed), feeds);
  let known = 0;
  for (const { name } of typed) {
    const dims = facts.dims(name);
    if (!dims) continue;
    known++;
    const actual = results[name].dims;
    assertEquals(dims.length, actual.length, `${name}: [${dims}] for [${actual}]`);
    dims.forEach((size, i) =>
      assert(size === undefined || size === actual[i], `${name}: [${dims}] for [${actual}]`)
    );
  }
  return known / made.length;
}

Deno.test("ShapeFacts agrees with what real models compute", async (t) => {
  const real: Record<string, [string, number[]]> = {
    detection: [detection, [2, 3, 64, 32]],
    recognition: [recognition, [2, 3, 48, 65]],
    classification: [classification, [2, 3, 48, 96]],
  };
  for (const [name, [path, shape]] of Object.entries(real)) {
    await t.step(name, async () => {
      const model = await loadOnnx(path);
      assertEquals(await checkFacts(model, { x: image(shape) }), 1);
      assert(await checkFacts(await prepareOnnx(model), { x: image(shape) }) > 0.99);
    });
  }
});

Deno.test("ShapeFacts agrees with what operators compute", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Add", ["x", "row"], ["add"]),
      node("Greater", ["x", "row"], ["greater"]),
      node("Where", ["greater", "x", "row"], ["where"]),
      node("Not", ["greater"], ["not"]),
      node("Transpose", ["x"], ["reversed"]),
      node("Concat", ["x", "x"], ["doubled"], { axis: { i: -1 } }),
      node("Concat", ["x", "x"], ["stacked"], { axis: { i: 0 } }),
      node("Unsqueeze", ["x", "axes"], ["unsqueezed"]),
      node("Squeeze", ["unsqueezed", "axes"], ["squeezed"]),
      node("Squeeze", ["unit"], ["all"]),
      node("Gather", ["x", "two"], ["gathered"], { axis: { i: -2 } }),
      node("Slice", ["x", "starts", "ends", "sliceAxes"], ["sliced"]),
      node("Slice", ["x", "starts", "ends", "sliceAxes", "steps"], ["stepped"]),
      node("Reshape", ["x", "shape"], ["reshaped"]),
      node("Shape", ["x"], ["shapeOf"], { start: { i: 1 } }),
      node("Concat", ["minus", "shapeOf"], ["computed"], { axis: { i: 0 } }),
      node("Reshape", ["x", "computed"], ["reshaped2"]),
      node("Size", ["x"], ["size"]),
      node("Expand", ["row", "wide"], ["expanded"]),
      node("ConstantOfShape", ["wide"], ["zeros"]),
      node("Flatten", ["x"], ["flat"]),
      node("Gemm", ["flat", "w"], ["gemm"], { transB: { i: 1 } }),
      node("MatMul", ["x", "m"], ["product"]),
      node("ReduceMean", ["x"], ["mean"], { axes: { ints: [-1] } }),
      node("ReduceSum", ["x", "outer"], ["sum"], { keepdims: { i: 0 } }),
      node("ReduceMax", ["x"], ["max"]),
      node("ArgMax", ["x"], ["argmax"], { axis: { i: 1 }, keepdims: { i: 0 } }),
      node("Cast", ["x"], ["cast"], { to: { i: 6 } }),
      node("TopK", ["x", "count"], ["top", "places"]),
      node("Split", ["x"], ["left", "right"], { axis: { i: 1 } }),
    ],
    constants: [
      floats("row", [6], [1, 2, 3, 4, 5, 6]),
      floats("unit", [1, 3, 1], [1, 2, 3]),
      floats("w", [2, 24], Array(48).fill(0.5)),
      floats("m", [6, 5], Array(30).fill(0.25)),
      ints("axes", [0, 2]),
      ints("outer", [0, -1]),
      ints("two", [0, 1, 1, 0], [2, 2]),
      ints("starts", [1, -3]),
      ints("ends", [100, 5]),
      ints("sliceAxes", [1, 2]),
      ints("steps", [2, 1]),
      ints("shape", [0, -1, 3]),
      ints("minus", [-1]),
      ints("count", [2]),
      ints("wide", [3, 2, 6]),
    ],
    inputs: { x: ["float32", "n", 4, 6] },
    outputs: ["add"],
  });
  const share = await checkFacts(model, { x: noise(2, 4, 6) });
  assertEquals(share, 1);
  const facts = new ShapeFacts(model.graph);
  assertEquals(facts.dims("sliced"), [undefined, 3, 2]);
  assertEquals(facts.dims("unsqueezed"), [1, undefined, 1, 4, 6]);
  assertEquals(facts.dims("reshaped2"), [undefined, undefined, undefined]);
  assertEquals(facts.dims("product"), [undefined, 4, 5]);
});

Deno.test("ShapeFacts leaves open what it does not know", () => {
  const model = smallModel({
    opset: 13,
    nodes: [
      node("Mystery", ["x"], ["a"], {}, "my.domain"),
      node("Relu", ["a"], ["b"]),
      node("Add", ["b", "x"], ["y"]),
      node("Reshape", ["x", "s"], ["r"]),
    ],
    inputs: { x: ["float32", "n"], s: ["int64", "k"] },
    outputs: ["y"],
  });
  const facts = new ShapeFacts(model.graph);
  for (const name of ["a", "b", "y", "r", "nobody"]) assertEquals(facts.dims(name), undefined);
  assertEquals(facts.dtype("a"), undefined);
  assertEquals(facts.constant("x"), undefined);
});
