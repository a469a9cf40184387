import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveMaxPool2d,
  Add,
  add,
  AffineQuantizedMinMaxObserver,
  amax,
  argmax,
  AvgPool2d,
  BatchNorm1d,
  BatchNorm2d,
  Cat,
  cat,
  clamp,
  compile,
  Conv1d,
  Conv2d,
  Conv3d,
  ConvTranspose1d,
  ConvTranspose2d,
  cumsum,
  ELU,
  Embedding,
  eq,
  exp,
  expand,
  exportOnnx,
  flip,
  float32,
  floor,
  GELU,
  gelu,
  type Granularity,
  GroupNorm,
  GRU,
  gt,
  Hardsigmoid,
  Hardswish,
  importOnnx,
  indexSelect,
  init,
  insertObservers_,
  InstanceNorm2d,
  int32,
  int8,
  isObserved,
  LayerNorm,
  layerNorm,
  LeakyReLU,
  Linear,
  LogSoftmax,
  LSTM,
  manualSeed,
  MappingType,
  matmul,
  maximum,
  MaxPool1d,
  MaxPool2d,
  mean,
  Module,
  Mul,
  mul,
  MultiheadAttention,
  pad,
  PerAxis,
  permute,
  PerTensor,
  pow,
  PReLU,
  quantize_,
  quantizeStatic,
  randn,
  ReLU,
  relu,
  ReLU6,
  RMSNorm,
  scaledDotProductAttention,
  Sequential,
  Sigmoid,
  sigmoid,
  SiLU,
  silu,
  slice,
  Softmax,
  softmax,
  split,
  sqrt,
  StaticQuantConfig,
  sub,
  sum,
  Tanh,
  type Tensor,
  tensor,
  tidy,
  TransformerEncoderLayer,
  transpose,
  uint8,
  Upsample,
  where,
} from "../../../mod.ts";
import { assertClose, graphIn, operations, optimized } from "../model.ts";
import { Computed, run } from "./exported.ts";

await init({ device: "cpu" });

/** Asserts that onnxruntime computes what a model does, for as many samples as the example has and for others. */
async function agrees(
  model: Module,
  shapes: readonly (readonly number[])[],
  { samples = [2, 1, 5], draw = randn as (shape: number[]) => Tensor, tolerance = 2e-5 } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const inputs = (n: number) => shapes.map((shape) => draw([n, ...shape]));
  const bytes = await exportOnnx(model, inputs(samples[0]));
  for (const n of samples) {
    const xs = inputs(n);
    const y = model.forward(...xs);
    const [{ data, dims }] = await run(bytes, xs);
    assertEquals([...dims], [...y.shape]);
    assertClose(Float32Array.from(data as Float32Array, Number), await y.data(), tolerance);
  }
  return bytes;
}

/** Layers, the shape of a sample, and the operators that they become. */
const LAYERS: readonly (readonly [layer: () => Module, shape: number[], operators: string])[] = [
  [() => new ReLU6(), [4], "Clip"],
  [() => new Sigmoid(), [4], "Sigmoid"],
  [() => new Tanh(), [4], "Tanh"],
  [() => new SiLU(), [4], "Sigmoid Mul"],
  [() => new GELU(), [4], "Gelu"],
  [() => new GELU({ approximate: "tanh" }), [4], "Gelu"],
  [() => new Hardswish(), [4], "HardSwish"],
  [() => new Hardsigmoid(), [4], "HardSigmoid"],
  [() => new LeakyReLU({ negativeSlope: 0.2 }), [4], "LeakyRelu"],
  [() => new ELU({ alpha: 0.7 }), [4], "Elu"],
  [() => new PReLU(), [3, 4], "PRelu"],
  [() => new PReLU({ numParameters: 3 }), [3, 4, 4], "PRelu"],
  [() => new Softmax(-1), [3, 4], "Softmax"],
  [() => new LogSoftmax(1), [3, 4], "LogSoftmax"],
  [() => new LayerNorm(4), [3, 4], "LayerNormalization"],
  [() => new LayerNorm([3, 4], { bias: false }), [3, 4], "LayerNormalization"],
  [() => new LayerNorm(4, { elementwiseAffine: false }), [3, 4], "LayerNormalization"],
  [() => new RMSNorm(4), [3, 4], "Mul ReduceMean Add Sqrt Div Mul"],
  [() => new BatchNorm1d(3), [3, 5], "BatchNormalization"],
  [() => new BatchNorm1d(3), [3], "BatchNormalization"],
  [() => new BatchNorm2d(3, { affine: false }), [3, 5, 5], "BatchNormalization"],
  [() => new InstanceNorm2d(3, { affine: true }), [3, 5, 5], "InstanceNormalization"],
  [() => new GroupNorm(2, 4), [4, 5, 3], "Reshape InstanceNormalization Reshape Mul Add"],
  [() => new Conv1d(3, 4, 3, { padding: 1 }), [3, 9], "Conv"],
  [() => new Conv2d(4, 6, [3, 2], { stride: [2, 1], groups: 2, bias: false }), [4, 8, 7], "Conv"],
  [() => new Conv2d(3, 5, 3, { padding: "same", dilation: 2 }), [3, 8, 8], "Conv"],
  [() => new Conv2d(3, 5, 3, { padding: 1, paddingMode: "reflect" }), [3, 6, 6], "Pad Conv"],
  [() => new Conv3d(2, 3, 2), [2, 4, 4, 4], "Conv"],
  [() => new ConvTranspose1d(3, 4, 4, { stride: 2, padding: 1 }), [3, 7], "ConvTranspose"],
  [
    () => new ConvTranspose2d(4, 6, 3, { stride: 2, outputPadding: 1, groups: 2 }),
    [4, 5, 5],
    "ConvTranspose",
  ],
  [() => new MaxPool1d(3, { stride: 2 }), [3, 9], "MaxPool"],
  [() => new MaxPool2d(3, { stride: 2, padding: 1, ceilMode: true }), [3, 8, 8], "MaxPool"],
  [() => new AvgPool2d(3, { stride: 2, padding: 1 }), [3, 8, 8], "AveragePool"],
  [() => new AvgPool2d(2, { padding: 1, countIncludePad: false }), [3, 8, 8], "AveragePool"],
  [() => new AdaptiveAvgPool1d(1), [3, 8], "GlobalAveragePool"],
  [() => new AdaptiveAvgPool2d(1), [3, 8, 8], "GlobalAveragePool"],
  [() => new AdaptiveAvgPool2d([2, 4]), [3, 8, 8], "AveragePool"],
  [() => new AdaptiveMaxPool2d(1), [3, 8, 8], "GlobalMaxPool"],
  [() => new Upsample({ scaleFactor: 2 }), [3, 4, 4], "Resize"],
  [() => new Upsample({ size: [7, 10] }), [3, 5, 7], "Resize"],
  [() => new Upsample({ scaleFactor: 2, mode: "bilinear" }), [3, 4, 5], "Resize"],
  [() => new Upsample({ size: 9, mode: "bilinear", alignCorners: true }), [3, 4, 5], "Resize"],
  [() => new Upsample({ scaleFactor: 2, mode: "bicubic" }), [3, 4, 5], "Resize"],
  [
    () => new LSTM(4, 3, { batchFirst: true }),
    [5, 4],
    "Transpose LSTM Transpose Reshape Transpose",
  ],
  [
    () => new LSTM(4, 3, { batchFirst: true, bidirectional: true, numLayers: 2, bias: false }),
    [5, 4],
    "Transpose LSTM Transpose Reshape LSTM Transpose Reshape Transpose",
  ],
  [
    () => new GRU(4, 3, { batchFirst: true, bidirectional: true }),
    [5, 4],
    "Transpose GRU Transpose Reshape Transpose",
  ],
];

for (const [make, shape, operators] of LAYERS) {
  manualSeed(1);
  const layer = make();
  Deno.test(`exportOnnx: ${layer} of (N, ${shape.join(", ")})`, async () => {
    const bytes = await agrees(new Sequential({ layer }), [shape]);
    assertEquals(operations(bytes).join(" "), operators);
    if (operators.includes("Gelu") || operators.includes("Norm")) return;
    // Read back, it computes the same.
    const x = randn([3, ...shape]);
    const imported = await importOnnx(bytes);
    assertClose(await imported.forward(x).data(), await layer.forward(x).data(), 2e-5);
  });
}

Deno.test("exportOnnx: layers whose inputs have no samples, and whose samples come second", async () => {
  manualSeed(2);
  for (
    const [layer, shape] of [
      [new Conv2d(3, 4, 3), [3, 6, 6]],
      [new MaxPool2d(2), [3, 6, 6]],
      [new LSTM(4, 3), [5, 4]],
      [new LSTM(4, 3), [5, 2, 4]],
      [new GRU(4, 3, { numLayers: 2 }), [5, 2, 4]],
    ] as const
  ) {
    const x = randn(shape);
    const [{ data, dims }] = await run(await exportOnnx(layer, x), [x]);
    const y = layer.forward(x);
    assertEquals([...dims], [...y.shape]);
    assertClose(data as Float32Array, await y.data(), 2e-5);
  }
});

/** What functions compute between layers, by what they do, and the shapes of samples. */
const FUNCTIONS: Record<string, readonly [(...inputs: Tensor[]) => Tensor, ...number[][]]> = {
  "sums and products that broadcast": [(x, y) => mul(add(x, y), sub(2, y)), [3, 4], [1, 4]],
  "activations": [(x) => add(gelu(x), add(silu(x), relu(sigmoid(x)))), [5]],
  "functions of numbers": [(x) => sqrt(add(pow(x, 2), exp(clamp(x, { max: 1 })))), [5]],
  "comparisons and choices": [(x, y) => where(gt(x, y), maximum(x, 0.5), floor(y)), [3, 4], [3, 4]],
  "truths as numbers": [(x) => add(mul(gt(x, 0), x), eq(floor(x), 0)), [3, 4]],
  "another order": [(x) => permute(x, [0, 3, 1, 2]), [3, 4, 5]],
  "another order, of samples too": [(x) => transpose(permute(x, [2, 0, 1]), 0, 1), [3, 4]],
  "images with channels first again": [(x) => permute(x, [0, 3, 1, 2]), [3, 4, 8]],
  "slices": [(x) => slice(slice(x, 1, 1, 4), 2, 0, 5, 2), [5, 6]],
  "backwards": [(x) => flip(x, [2]), [3, 4]],
  "parts beside each other": [(x) => cat(split(x, [1, 3], 1).toReversed(), 1), [4, 2]],
  "repeated": [(x) => expand(x.reshape(x.shape[0], 1, 4), [-1, 3, -1]), [4]],
  "heads": [
    (x) => permute(x.reshape(x.shape[0], 5, 2, 4), [0, 2, 1, 3]),
    [5, 8],
  ],
  "means and sums": [(x) => add(mean(x, [2, 3]), sum(sum(x, -1), 2)), [2, 3, 4]],
  "the greatest, and where it is": [
    (x) => mul(amax(x, -1), argmax(x, 2).to(float32)),
    [3, 5],
  ],
  "running sums": [(x) => cumsum(x, 1), [5, 2]],
  "norms and softmax along another dimension": [
    (x) => softmax(layerNorm(x, [4], randn([4]), randn([4])), 1),
    [3, 4],
  ],
  "borders": [(x) => add(pad(x, [1, 2], { value: 0.5 }), pad(x, [1, 2], { mode: "reflect" })), [
    3,
    4,
  ]],
  "products of matrices": [
    (x, y) => matmul(matmul(x, y, { transposeB: true }), y),
    [2, 3, 4],
    [2, 5, 4],
  ],
  "products with constants": [(x) => matmul(x, tensor([[1, 2], [3, 4], [5, 6]])), [2, 3]],
  "attention": [
    (x) => scaledDotProductAttention(x, x, x, { isCausal: true }),
    [2, 5, 4],
  ],
  "slices that numbers choose": [
    (x) => indexSelect(x, 1, tensor([2, 0], { dtype: int32 })),
    [3, 4],
  ],
};

for (const [what, [compute, ...shapes]] of Object.entries(FUNCTIONS)) {
  Deno.test(`exportOnnx: functions between layers: ${what}`, async () => {
    manualSeed(3);
    const seeded = (...inputs: Tensor[]) => {
      manualSeed(4);
      return compute(...inputs);
    };
    await agrees(new Computed(seeded), shapes);
  });
}

Deno.test("exportOnnx: tokens, masks and several outputs", async () => {
  manualSeed(5);
  class Encoder extends Module {
    words = new Embedding(20, 8);
    places = randn([1, 6, 8]);
    block = new TransformerEncoderLayer(8, 2, { dimFeedforward: 16, batchFirst: true });
    heads = [new Linear(8, 3), new Linear(8, 1)];
    override forward(ids: Tensor, mask: Tensor): Tensor {
      return this.forwardAll(ids, mask)[0];
    }
    override forwardAll(ids: Tensor, mask: Tensor): Tensor[] {
      const x = add(this.words.forward(ids), this.places);
      const y = this.block.forward(x, null, eq(mask, 0));
      return [...this.heads.map((head) => head.forward(y)), argmax(y, -1)];
    }
  }
  const model = new Encoder();
  const inputs = (n: number): [Tensor, Tensor] => {
    const ids = Int32Array.from({ length: n * 6 }, (_, i) => (i * 7) % 20);
    const mask = ids.map((_, i) => i % 6 < 4 ? 1 : 0);
    const made = (data: Int32Array) => tensor(data, { shape: [n, 6], dtype: int32 });
    return [made(ids), made(mask)];
  };
  const bytes = await exportOnnx(model, inputs(1), {
    inputNames: ["input_ids", "attention_mask"],
    outputNames: ["tags", "score", "best"],
  });
  const { input, output } = graphIn(bytes);
  assertEquals(input.map(({ name }) => name), ["input_ids", "attention_mask"]);
  assertEquals(output.map(({ name }) => name), ["tags", "score", "best"]);
  for (const n of [1, 4]) {
    const xs = inputs(n);
    const results = await run(bytes, xs);
    for (const [i, y] of model.forwardAll(...xs).entries()) {
      assertEquals([...results[i].dims], [...y.shape]);
      assertClose(Float32Array.from(results[i].data as Float32Array, Number), await y.data(), 2e-5);
    }
  }
  using compiled = compile(model, { backend: "onnxruntime" });
  for (const n of [1, 3]) {
    const [tags, , best] = await compiled.forwardAll(...inputs(n));
    const [expected, , places] = model.forwardAll(...inputs(n));
    assertClose(await tags.data(), await expected.data(), 2e-5);
    assertEquals(await best.data(), await places.data());
  }
});

/** A network with everything of a small MobileNet: depthwise, squeezed, with sums and norms. */
class Mobile extends Module {
  stem = new Sequential([new Conv2d(3, 8, 3, { stride: 2, padding: 1 }), new BatchNorm2d(8)]);
  depthwise = new Conv2d(8, 8, 3, { padding: 1, groups: 8 });
  squeeze = new Sequential([new AdaptiveAvgPool2d(1), new Conv2d(8, 8, 1), new Hardsigmoid()]);
  act = new Hardswish();
  point = new Conv2d(8, 8, 1);
  head = new Linear(8, 5);
  override forward(x: Tensor): Tensor {
    const y = this.act.forward(this.stem.forward(x));
    const z = this.act.forward(this.depthwise.forward(y));
    const block = this.point.forward(mul(z, this.squeeze.forward(z)));
    return this.head.forward(mean(add(y, block), [2, 3]));
  }
}

/** A vision transformer with a token of its own before the patches. */
class Vit extends Module {
  patches = new Conv2d(3, 8, 4, { stride: 4 });
  token = randn([1, 1, 8]);
  places = randn([1, 5, 8]);
  attention = new MultiheadAttention(8, 2, { batchFirst: true });
  norm = new LayerNorm(8);
  head = new Linear(8, 3);
  override forward(x: Tensor): Tensor {
    const rows = permute(this.patches.forward(x).reshape(x.shape[0], 8, 4), [0, 2, 1]);
    const all = add(cat([expand(this.token, [x.shape[0], 1, 8]), rows], 1), this.places);
    const y = add(all, this.attention.forward(this.norm.forward(all)));
    return this.head.forward(slice(y, 1, 0, 1).reshape(x.shape[0], 8));
  }
}

for (const [name, make] of Object.entries({ Mobile: () => new Mobile(), Vit: () => new Vit() })) {
  Deno.test(`exportOnnx: ${name}, written of layers and functions, for any number of samples`, async () => {
    manualSeed(6);
    const model = make();
    const bytes = await agrees(model, [[3, 8, 8]]);
    const imported = await importOnnx(bytes);
    const x = randn([2, 3, 8, 8]);
    assertClose(await imported.forward(x).data(), await model.forward(x).data(), 2e-5);
    const samples = Array.from({ length: 4 }, () => ({ input: randn([2, 3, 8, 8]) }));
    const { nodes } = await quantizeStatic(bytes, samples);
    assert(nodes.some(({ opType, quantized }) => opType === "Conv" && quantized));
  });
}

Deno.test("exportOnnx: integer convolutions agree to a step, and become integer kernels", async () => {
  manualSeed(7);
  const model = new Sequential({
    conv1: new Conv2d(3, 8, 3, { padding: "same" }),
    relu: new ReLU(),
    conv2: new Conv2d(8, 4, 3, { stride: 2, groups: 2 }),
  });
  const observer = (granularity: Granularity) =>
    new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, { granularity });
  insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)));
  const x = randn([4, 3, 9, 9]);
  model.forward(x);
  await quantize_(model, new StaticQuantConfig(uint8), isObserved);
  const bytes = await exportOnnx(model, x);
  const [{ data }] = await run(bytes, [x]);
  const expected = await model.forward(x).data();
  const most = Math.max(...expected.map(Math.abs));
  assertClose(data as Float32Array, expected, most / 64);
  const operators = await optimized(bytes);
  assertEquals(operators.filter((name) => name === "QLinearConv").length, 1);
  using compiled = compile(model, { backend: "onnxruntime" });
  assertClose(await (await compiled.forward(x)).data(), expected, most / 64);
});

/** Layers that hand bytes on: a residual block with a function, a mean, tensors put together. */
class Bytes extends Module {
  conv1 = new Conv2d(3, 8, 3, { padding: 1 });
  act = new Hardswish();
  conv2 = new Conv2d(8, 8, 3, { padding: 1 });
  sum = new Add();
  product = new Mul();
  gate = new Sigmoid();
  pool = new AvgPool2d(2);
  join = new Cat(1);
  head = new Linear(16, 3);
  override forward(x: Tensor): Tensor {
    const y = this.act.forward(this.conv1.forward(x));
    const z = this.sum.forward(y, this.conv2.forward(y));
    const gated = this.product.forward(z, this.gate.forward(z));
    const both = this.join.forward(this.pool.forward(gated), this.pool.forward(y));
    return this.head.forward(mean(both, [2, 3]));
  }
}

for (const dtype of [uint8, int8]) {
  Deno.test(`exportOnnx: layers that hand bytes on, of ${dtype.name}`, async () => {
    manualSeed(9);
    const model = new Bytes();
    const observer = (granularity: Granularity) =>
      new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, dtype, { granularity });
    insertObservers_(model, observer(new PerTensor()), observer(new PerAxis(0)), undefined, {
      activationPostProcess: observer(new PerTensor()),
    });
    const x = randn([4, 3, 8, 8]);
    model.forward(x);
    await quantize_(model, new StaticQuantConfig(dtype), isObserved);
    const bytes = await exportOnnx(model, x);
    const [{ data }] = await run(bytes, [x]);
    const expected = await model.forward(x).data();
    // Each layer may be off by a step here and there.
    assertClose(data as Float32Array, expected, Math.max(...expected.map(Math.abs)) / 32);
    const operators = await optimized(bytes);
    for (const name of ["QLinearConv", "QLinearAdd", "QLinearMul", "QLinearAveragePool"]) {
      assert(operators.includes(name), `${name} in ${operators}`);
    }
  });
}

Deno.test("exportOnnx: what holds for one number of samples only keeps that number", async () => {
  const x = randn([2, 4]);
  const odd = new Computed((x) => mul(x, x.shape[0]));
  const fixed = graphIn(await exportOnnx(odd, x));
  assertEquals(
    fixed.input[0].type?.value.case === "tensorType" &&
      fixed.input[0].type.value.value.shape!.dim.map(({ value }) => value.value),
    [2n, 4n],
  );
  using compiled = compile(odd, { backend: "onnxruntime" });
  for (const n of [2, 3]) {
    const xs = randn([n, 4]);
    assertClose(await (await compiled.forward(xs)).data(), await odd.forward(xs).data(), 1e-6);
  }
});

Deno.test("exportOnnx: a model on the device is watched there, and nothing of it stays", async (t) => {
  const { device } = await init();
  try {
    await t.step(device, async () => {
      manualSeed(8);
      const model = new Mobile();
      const x = randn([2, 3, 8, 8]);
      const { backend } = x;
      tidy(() => void model.forward(x)); // makes ready what is kept
      const before = backend.memory().liveBuffers;
      const bytes = await exportOnnx(model, x);
      assertLessOrEqual(backend.memory().liveBuffers, before); // garbage may be collected meanwhile
      const [{ data }] = await run(bytes, [x]);
      assertClose(data as Float32Array, await model.forward(x).data(), 2e-5);
    });
  } finally {
    await init({ device: "cpu" });
  }
});
