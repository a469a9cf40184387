import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { Progress } from "../../../mod.ts";
import { classOutputs } from "../../../lib/onnx/accuracy/class_outputs.ts";
import { compareOnnx } from "../../../lib/onnx/accuracy/compare_onnx.ts";
import { loadOnnx } from "../../../lib/onnx/file/model_file.ts";
import { prepareOnnx } from "../../../lib/onnx/prepare/prepare.ts";
import { quantizeStatic } from "../../../lib/onnx/quantize_static.ts";
import { messages } from "../files.ts";
import { detection, image, recognition } from "../ocr_models.ts";
import { floats, node, noise, runModel, smallModel } from "../small_models.ts";
import { unevenModel, unevenSamples } from "../uneven_model.ts";

const weight = floats("w", [8, 4], Array.from(noise(8, 4).data as Float32Array));
const bias = floats("b", [4], [1, 2, 3, 4]);
const inputs = { x: ["float32", "n", 8] } as const;
const open = { x: [...inputs.x] } as { x: ["float32", "n", 8] };

/** A product, a sum and classes. */
function floatModel() {
  return smallModel({
    opset: 13,
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("Add", ["h", "b"], ["r"]),
      node("Softmax", ["r"], ["y"]),
    ],
    constants: [weight, bias],
    inputs: open,
    outputs: ["y"],
  });
}

/** The same with the sum in 8 bits. */
function quantizedModel(scale = 0.05) {
  return smallModel({
    opset: 13,
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("Add", ["h", "b"], ["r"]),
      node("QuantizeLinear", ["r", "s", "z"], ["r_q"]),
      node("DequantizeLinear", ["r_q", "s", "z"], ["r_d"]),
      node("Softmax", ["r_d"], ["y"]),
    ],
    constants: [
      weight,
      bias,
      floats("s", [], [scale]),
      messages.tensor("z", "uint8", [], Uint8Array.of(128)),
    ],
    inputs: open,
    outputs: ["y"],
  });
}

function decibels(a: Float32Array, b: Float32Array): number {
  const squares = (values: Float32Array) => values.reduce((sum, value) => sum + value ** 2, 0);
  return 10 * Math.log10(squares(a) / squares(a.map((value, i) => value - b[i])));
}

const samples = [{ x: noise(3, 8) }, { x: noise(1, 8) }, { x: noise(5, 8) }];

Deno.test("compareOnnx() finds nothing between equal models", async () => {
  const model = floatModel();
  const comparison = await compareOnnx(model, model.toBytes(), samples);
  assertEquals(comparison.samples, 3);
  assertEquals(comparison.outputs, [
    { name: "y", sqnr: Infinity, top1: 1, sqnrPerSample: [Infinity, Infinity, Infinity] },
  ]);
  assertEquals(comparison.tensors, [
    { name: "h", opType: "MatMul", quantized: false, sqnr: Infinity },
    { name: "r", opType: "Add", quantized: false, sqnr: Infinity },
  ]);
  assertEquals(comparison.sqnr, Infinity);
  assertEquals(comparison.float.bytes, model.toBytes().length);
  assertEquals(comparison.quantized.bytes, model.toBytes().length);
  for (const { latency } of [comparison.float, comparison.quantized]) {
    assertEquals(latency.length, 3);
    assert(latency.every((time) => time > 0));
  }
});

Deno.test("compareOnnx() sums up what is off over all samples", async () => {
  const [float, quantized] = [floatModel(), quantizedModel()];
  const { outputs: [output], tensors } = await compareOnnx(float, quantized, samples);
  const all = { x: [] as number[], y: [] as number[], rows: 0, same: 0 };
  for (const [i, feeds] of samples.entries()) {
    const [a, b] = [await runModel(float, feeds), await runModel(quantized, feeds)];
    const [x, y] = [a.y.data, b.y.data] as Float32Array[];
    assertAlmostEquals(output.sqnrPerSample[i], decibels(x, y), 1e-3);
    all.x.push(...x);
    all.y.push(...y);
    for (let at = 0; at < x.length; at += 4) {
      const top = (values: Float32Array) => {
        const row = Array.from(values.slice(at, at + 4));
        return row.indexOf(Math.max(...row));
      };
      all.rows++;
      if (top(x) === top(y)) all.same++;
    }
  }
  assertAlmostEquals(
    output.sqnr,
    decibels(Float32Array.from(all.x), Float32Array.from(all.y)),
    1e-3,
  );
  assertEquals(output.top1, all.same / all.rows);
  assertEquals(tensors.map(({ name, quantized }) => [name, quantized]), [["h", false], [
    "r",
    true,
  ]]);
  assertEquals(tensors[0].sqnr, Infinity);
  // A rounding error is spread evenly over a step.
  const r: number[] = [];
  const model = floatModel();
  model.graph.output[0].name = "r";
  for (const feeds of samples) r.push(...(await runModel(model, feeds)).r.data as Float32Array);
  const rounded = r.map((value) =>
    Math.min(Math.max(Math.round(Math.fround(value / 0.05)), -128), 127) * 0.05
  );
  assertAlmostEquals(
    tensors[1].sqnr,
    decibels(Float32Array.from(r), Float32Array.from(rounded)),
    0.1,
  );
});

Deno.test("compareOnnx() finds the tensors that quantizeStatic() keeps in integers", async () => {
  const float = unevenModel();
  const { model, activations } = await quantizeStatic(float, unevenSamples(8));
  const { tensors } = await compareOnnx(float, model, unevenSamples(4, 50));
  const integers = tensors.filter(({ quantized }) => quantized);
  // What ReLU cuts off next is not compared, and x is no node's.
  const made = activations.map(({ name }) => name).filter((name) =>
    !["x", "h1", "h2"].includes(name)
  );
  assertEquals(integers.map(({ name }) => name).toSorted(), made.toSorted());
  assertEquals(made, ["r1", "r2"]);
  for (const { name, sqnr } of integers) assert(sqnr > 10 && sqnr < 60, `${name}: ${sqnr} dB`);
});

Deno.test("compareOnnx() says which classes changed", async () => {
  const { outputs: [{ top1 }] } = await compareOnnx(floatModel(), quantizedModel(8), samples);
  assert(top1! < 1 && top1! > 0, `${top1}`);
});

Deno.test("compareOnnx() leaves inner tensors out when asked to", async () => {
  const comparison = await compareOnnx(floatModel(), quantizedModel(), samples, {
    tensors: false,
    threads: 1,
  });
  assertEquals(comparison.tensors, []);
  assertEquals(comparison.outputs.length, 1);
});

Deno.test("compareOnnx() reads samples once, says how far it is, and stops when told", async () => {
  let given = 0;
  async function* stream() {
    for (const feeds of samples) {
      given++;
      yield await Promise.resolve(feeds);
    }
  }
  const seen: Progress[] = [];
  const onProgress = (progress: Progress) => seen.push(progress);
  await compareOnnx(floatModel(), quantizedModel(), stream(), { onProgress, total: 3 });
  assertEquals(given, 3);
  assertEquals(seen.map(({ done, total }) => [done, total]), [[1, 3], [2, 3], [3, 3]]);

  const controller = new AbortController();
  given = 0;
  const stopped = compareOnnx(floatModel(), quantizedModel(), stream(), {
    signal: controller.signal,
    onProgress: () => controller.abort(new Error("enough")),
  });
  await assertRejects(() => stopped, Error, "enough");
  assertEquals(given, 2);
});

Deno.test("compareOnnx() refuses what cannot be compared", async (t) => {
  await t.step("no samples", async () => {
    await assertRejects(
      () => compareOnnx(floatModel(), floatModel(), []),
      RangeError,
      "no samples",
    );
  });
  await t.step("an output that is not there", async () => {
    const other = floatModel();
    other.graph.output[0].name = "r";
    await assertRejects(() => compareOnnx(floatModel(), other, samples), Error, '"y"');
  });
  await t.step("other shapes", async () => {
    const other = smallModel({
      opset: 13,
      nodes: [node("Concat", ["x", "x"], ["y"], { axis: { i: 1 } })],
      inputs: open,
      outputs: ["y"],
    });
    other.graph.output[0].type = messages.valueInfo("y", "float32").type;
    const error = await assertRejects(() => compareOnnx(floatModel(), other, samples), Error);
    assert(error.message.includes("[3, 4]") && error.message.includes("[3, 16]"), error.message);
  });
  await t.step("samples of another shape", async () => {
    await assertRejects(
      () => compareOnnx(floatModel(), floatModel(), [{ x: noise(3, 7) }]),
      RangeError,
      "[3, 7]",
    );
  });
});

Deno.test("compareOnnx() shows itself", async () => {
  const comparison = await compareOnnx(floatModel(), quantizedModel(), samples);
  const text = String(comparison);
  for (const word of ["MatMul", "integers", "∞ dB", "same class", "Over 3 samples", "bytes"]) {
    assert(text.includes(word), text);
  }
  const bars = await comparison.figure();
  assert(bars?.svg.includes("SQNR of each tensor"));
  const same = await compareOnnx(floatModel(), floatModel(), samples);
  assertEquals(await same.figure(), null);
});

Deno.test("compareOnnx() on the recognition model", async () => {
  const float = await loadOnnx(recognition);
  const prepared = await prepareOnnx(float);
  const data = [64, 81].map((width, i) => ({ x: image([1, 3, 48, width], i) }));
  const comparison = await compareOnnx(float, prepared, data);
  const [output] = comparison.outputs;
  assertEquals(output.top1, 1);
  assert(output.sqnr > 90, `${output.sqnr} dB`);
  // Preparing keeps the name of every value that it keeps.
  assert(comparison.tensors.length > 150, `${comparison.tensors.length} tensors`);
  for (const { name, sqnr } of comparison.tensors) assert(sqnr > 80, `${name}: ${sqnr} dB`);
  const line = await comparison.figure();
  assert(line?.svg.includes("in order of computation"));
});

Deno.test("classOutputs() finds what counts classes", async () => {
  const classes = (
    nodes: ReturnType<typeof node>[],
    opset = 13,
  ) => [
    ...classOutputs(
      smallModel({ opset, nodes, constants: [weight], inputs: open, outputs: ["y"] }),
    ),
  ];
  const logits = node("MatMul", ["x", "w"], ["l"]);
  assertEquals(classes([logits, node("Softmax", ["l"], ["y"])]), ["y"]);
  assertEquals(classes([logits, node("LogSoftmax", ["l"], ["y"], { axis: { i: 1 } })]), ["y"]);
  assertEquals(classes([logits, node("Softmax", ["l"], ["y"])], 9), ["y"]);
  assertEquals(classes([logits, node("Softmax", ["l"], ["y"], { axis: { i: 0 } })]), []);
  assertEquals(classes([logits, node("Identity", ["l"], ["y"])]), ["y"]);
  assertEquals(classes([logits, node("Add", ["l", "l"], ["y"])]), ["y"]);
  assertEquals(classes([logits, node("Sigmoid", ["l"], ["y"])]), []);
  assertEquals([...classOutputs(await loadOnnx(recognition))], ["softmax_11.tmp_0"]);
  assertEquals([...classOutputs(await loadOnnx(detection))], []);
});
