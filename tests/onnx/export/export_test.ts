import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type AOBaseConfig,
  avgPool1d,
  bfloat16,
  dynamicInputQuantizer,
  exportOnnx,
  init,
  insertObservers_,
  Int4WeightOnlyConfig,
  int8,
  Int8DynamicActivationInt8WeightConfig,
  Int8StaticActivationInt4WeightConfig,
  Int8StaticActivationInt8WeightConfig,
  Int8WeightOnlyConfig,
  Linear,
  manualSeed,
  maxPool1d,
  Module,
  PerTensor,
  quantize_,
  randn,
  ReLU,
  Sequential,
  staticInputQuantizer,
  StaticQuantTensorConfig,
  type Tensor,
  tensor,
  toAffineQuantizedIntxStatic,
  toAffineQuantizedPerToken,
  toLinearActivationQuantized,
  uint8,
} from "../../../mod.ts";
import { minMax, quantized, single } from "../../quantization/flow.ts";
import {
  assertClose,
  constantTypes,
  graphIn,
  operations,
  optimized,
  runFile,
  step,
} from "../model.ts";
import { mlp, quantizedMlp, Toy } from "../models.ts";

await init({ device: "cpu" });

/** Exports a model and asserts that onnxruntime computes what it does, for several batch sizes. */
async function agrees(
  model: Module,
  shape: number[],
  tolerance: (expected: ArrayLike<number>) => number,
): Promise<Uint8Array> {
  const bytes = await exportOnnx(model, randn(shape));
  for (const rows of [1, 3, 64]) {
    const x = randn([rows, ...shape.slice(1)]);
    const expected = await model.forward(x).data();
    assertClose(await runFile(bytes, x), expected, tolerance(expected));
  }
  return bytes;
}

Deno.test("exportOnnx: a float model gives the same numbers for any batch size", async () => {
  manualSeed(0);
  for (const bias of [true, false]) {
    const bytes = await agrees(mlp({ bias }), [2, 40], () => 1e-5);
    assertEquals(operations(bytes), ["Gemm", "Relu", "Gemm", "Relu", "Gemm"]);
  }
});

Deno.test("exportOnnx: integer layers agree to a step of the output, whatever the dtype", async () => {
  manualSeed(1);
  for (const [dtype, mappingType] of [[uint8, "ASYMMETRIC"], [int8, "SYMMETRIC"]] as const) {
    for (const bias of [true, false]) {
      const model = await quantizedMlp(dtype, { mappingType, bias });
      const bytes = await agrees(model, [4, 40], step);
      const types = constantTypes(bytes);
      assertEquals([types["fc1.weight"], types["fc1.input_zero_point"]], ["INT8", "UINT8"]);
      assertEquals(types["fc2.bias"], bias ? "INT32" : undefined);
    }
  }
});

Deno.test("exportOnnx: one integer layer agrees to rounding", async () => {
  manualSeed(2);
  for (const [dtype, mappingType] of [[uint8, "ASYMMETRIC"], [int8, "SYMMETRIC"]] as const) {
    const model = await quantized(single(33, 7), dtype, [randn([64, 33])], { mappingType });
    await agrees(model, [2, 33], () => 1e-4);
  }
});

Deno.test("exportOnnx: onnxruntime fuses integer layers, and the ReLU between unsigned ones", async () => {
  manualSeed(3);
  const model = await quantizedMlp(uint8);
  assertEquals(await optimized(await exportOnnx(model, randn([1, 40]))), [
    "QuantizeLinear",
    "QGemm",
    "QGemm",
    "QGemm",
  ]);
});

Deno.test("exportOnnx: a quantized file is about a quarter of the float one", async () => {
  manualSeed(4);
  const float = single(256, 128);
  const floatBytes = await exportOnnx(float, randn([1, 256]));
  const model = await quantized(float, uint8, [randn([8, 256])]);
  const bytes = await exportOnnx(model, randn([1, 256]));
  const ratio = bytes.byteLength / floatBytes.byteLength;
  assert(ratio > 0.25 && ratio < 0.29, `ratio ${ratio}`);
});

Deno.test("exportOnnx: ranges narrower than the dtype are kept", async () => {
  manualSeed(5);
  const model = await quantized(single(33, 7), uint8, [randn([8, 33])], {
    act: { quantMin: 3, quantMax: 100 },
    weight: { quantMin: 0, quantMax: 127, granularity: new PerTensor() },
  });
  // These inputs leave the calibrated range, so they saturate.
  const x = tensor((await randn([16, 33]).data()).map((v) => 3 * v), { shape: [16, 33] });
  const expected = await model.forward(x).data();
  assertClose(await runFile(await exportOnnx(model, x), x), expected, step(expected));
});

Deno.test("exportOnnx: a bias that no int32 can hold is added in float", async () => {
  manualSeed(6);
  const model = await quantized(single(8, 4), uint8, [randn([8, 8])]);
  Object.assign(model.namedChildren()[0][1], { bias: tensor([1e12, 0, -1, 1]) });
  const bytes = await exportOnnx(model, randn([1, 8]));
  assertEquals(operations(bytes).at(-1), "Add");
  const x = randn([2, 8]);
  const expected = await model.forward(x).data();
  assertClose(Array.from(await runFile(bytes, x)).slice(1, 4), expected.slice(1, 4), 1e-4);
});

Deno.test("exportOnnx: quantized weights of a Linear, with every config", async () => {
  const configs: [AOBaseConfig, string[]][] = [
    [new Int8WeightOnlyConfig(), ["INT8"]],
    [new Int4WeightOnlyConfig({ groupSize: 32 }), ["UINT4"]],
    [new Int8DynamicActivationInt8WeightConfig(), ["INT8"]],
    [new Int8StaticActivationInt8WeightConfig({ actQuantScale: 4 / 127.5 }), ["INT8"]],
    [
      new Int8StaticActivationInt4WeightConfig({ actQuantScale: 4 / 127.5, groupSize: 32 }),
      ["UINT4"],
    ],
  ];
  for (const [config, [type]] of configs) {
    for (const bias of [true, false]) {
      manualSeed(7);
      const model = single(64, 24, { bias });
      await quantize_(model, config);
      const bytes = await agrees(model, [2, 64], step);
      assertEquals(constantTypes(bytes)["fc.weight"], type, config.constructor.name);
    }
  }
});

Deno.test("exportOnnx: dynamically quantized inputs give the same integers", async () => {
  manualSeed(8);
  const model = single(64, 24);
  await quantize_(model, new Int8DynamicActivationInt8WeightConfig());
  await agrees(model, [2, 64], () => 1e-5);
});

Deno.test("exportOnnx: fixed input quantization in a tensor is the same as in a layer", async () => {
  manualSeed(9);
  const model = await quantizedMlp(uint8, {
    config: (targetDtype) => new StaticQuantTensorConfig({ targetDtype }),
  });
  const types = constantTypes(await agrees(model, [2, 40], step));
  assertEquals(types["fc3.weight"], "INT8");
});

Deno.test("exportOnnx: a model of a class of the user's, with reshapes and a layer used twice", async () => {
  manualSeed(10);
  const toy = new Toy();
  const bytes = await agrees(toy, [2, 3, 4], () => 1e-5);
  const { initializer, input, output } = graphIn(bytes);
  assertEquals(operations(bytes), ["Reshape", "Gemm", "Relu", "Gemm", "Relu", "Gemm"]);
  assertEquals(initializer.filter(({ name }) => name.endsWith(".weight")).length, 2);
  const dims = [input, output].map(([{ type }]) =>
    type?.value.case === "tensorType" && type.value.value.shape!.dim.map(({ value }) => value.value)
  );
  assertEquals(dims, [["batch", 3n, 4n], ["batch", 5n]]);
  assertEquals(Object.hasOwn(toy.last, "forward"), false);
});

Deno.test("exportOnnx: inputs of one and of three dimensions", async () => {
  manualSeed(11);
  await agrees(mlp(), [2, 3, 40], () => 1e-5);
  const model = mlp();
  const x = randn([40]);
  const bytes = await exportOnnx(model, x);
  assertClose(await runFile(bytes, x), await model.forward(x).data(), 1e-5);
  await agrees(new Sequential([]), [2, 5], () => 0);
  await agrees(new Linear(5, 3), [2, 5], () => 1e-6);
});

Deno.test("exportOnnx: bfloat16 models become float32", async () => {
  manualSeed(12);
  const model = mlp({ dtype: bfloat16 });
  const x = randn([4, 40], { dtype: bfloat16 });
  const expected = await model.forward(x).data();
  assertClose(await runFile(await exportOnnx(model, x), x), expected, step(expected));
});

Deno.test("exportOnnx: names are what the user asks for", async () => {
  const bytes = await exportOnnx(new Linear(4, 2), randn([1, 4]), {
    name: "net",
    inputNames: ["pixels"],
    outputName: "logits",
  });
  const { name, input, output, node } = graphIn(bytes);
  assertEquals([name, input[0].name, output[0].name], ["net", "pixels", "logits"]);
  assertEquals(node.at(-1)!.output, ["logits"]);
  await assertRejects(
    () => exportOnnx(new Linear(4, 2), randn([1, 4]), { inputNames: ["a", "b"] }),
    RangeError,
    "1 inputs",
  );
});

class Pooled extends Module {
  override forward(x: Tensor): Tensor {
    return maxPool1d(x, 1);
  }
}

class Functional extends Module {
  fc1 = new Linear(4, 4);
  fc2 = new Linear(4, 4);
  override forward(x: Tensor): Tensor {
    return this.fc2.forward(avgPool1d(this.fc1.forward(x), 1));
  }
}

Deno.test("exportOnnx: what has no ONNX form is named, and the model is left as it was", async () => {
  const x = randn([1, 4]);
  const net = new Sequential({ fc: new Linear(4, 4), tail: new Sequential({ act: new Pooled() }) });
  await assertRejects(() => exportOnnx(net, x), TypeError, "tail.act (Pooled)");
  await assertRejects(() => exportOnnx(new Pooled(), x), TypeError, "Pooled");
  const inside = new Sequential({ a: new Functional() });
  await assertRejects(() => exportOnnx(inside, x), TypeError, "a (Functional)");
  const observed = single(4, 4);
  insertObservers_(observed, minMax("ASYMMETRIC", uint8), minMax("ASYMMETRIC", uint8));
  await assertRejects(() => exportOnnx(observed, x), TypeError, "fc (ObservedLinear)");
  await assertRejects(() => exportOnnx(new Linear(4, 4), []), TypeError, "no example input");
  for (const model of [net, inside, observed]) {
    for (const [, module] of model.namedModules()) assert(!Object.hasOwn(module, "forward"));
  }
  assert(!Object.hasOwn(x.backend, "pointwise") && !Object.hasOwn(x.backend, "release"));
});

Deno.test("exportOnnx: input quantization that ONNX cannot say is refused by name", async () => {
  const weight = () =>
    toAffineQuantizedIntxStatic(randn([4, 8]), tensor([0.02]), tensor([128]), [4, 8], uint8);
  const model = single(8, 4);
  const fc = model.namedChildren()[0][1] as Linear;
  fc.weight = toLinearActivationQuantized(
    weight(),
    (x) => toAffineQuantizedPerToken(x, { quantMax: 63, quantMin: -63 }),
  );
  await assertRejects(() => exportOnnx(model, randn([1, 8])), TypeError, "fc (Linear)");
  const halves = toAffineQuantizedIntxStatic(
    randn([4, 8]),
    tensor([0.02]),
    tensor([127.5]),
    [4, 8],
    uint8,
  );
  fc.weight = halves;
  await assertRejects(() => exportOnnx(model, randn([1, 8])), RangeError, "fc (Linear) (weight)");
});

Deno.test("exportOnnx: input quantization of the user's, fixed or a scale a row, as data", async () => {
  const weight = (fc: Linear) =>
    toAffineQuantizedIntxStatic(fc.weight as Tensor, tensor([0.003]), tensor([128]), [4, 8], uint8);
  const scale = tensor([0.03]);
  const inputs = [
    staticInputQuantizer(scale, tensor([128]), uint8),
    staticInputQuantizer(scale, null, int8, { quantMin: -20, quantMax: 30 }),
    dynamicInputQuantizer(),
    dynamicInputQuantizer({ quantMin: -128 }),
    dynamicInputQuantizer({ quantMin: -64, quantMax: 63, eps: 0.1 }),
  ];
  for (const input of inputs) {
    manualSeed(13);
    const model = single(8, 4);
    const fc = model.namedChildren()[0][1] as Linear;
    fc.weight = toLinearActivationQuantized(weight(fc), input);
    await agrees(model, [2, 8], () => 1e-4);
  }
  assertEquals(operations(await exportOnnx(new Sequential([new ReLU()]), randn([1, 2]))), ["Relu"]);
});

Deno.test("exportOnnx: a function that quantizes the input is refused, whatever it does", async () => {
  const model = single(8, 4);
  const fc = model.namedChildren()[0][1] as Linear;
  const quantize = (x: Tensor) =>
    toAffineQuantizedIntxStatic(x, tensor([0.03]), tensor([128]), x.shape, uint8);
  fc.weight = toLinearActivationQuantized(quantize(fc.weight as Tensor), quantize);
  const refused = () => exportOnnx(model, randn([1, 8]));
  await assertRejects(refused, TypeError, "the function quantize");
  await assertRejects(refused, TypeError, "staticInputQuantizer");
});
