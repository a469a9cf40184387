import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  AffineQuantizedTensor,
  bfloat16,
  compile,
  deepcopy,
  exportOnnx,
  finfo,
  float32,
  init,
  insertObservers_,
  int8,
  Int8WeightOnlyConfig,
  isObservedLinear,
  Linear,
  manualSeed,
  maxPool1d,
  Module,
  OptimizedModule,
  PerAxis,
  quantize_,
  QuantizedLinear,
  randn,
  ReLU,
  Sequential,
  StaticQuantConfig,
  Tensor,
  tensor,
  uint8,
} from "../../mod.ts";
import { loadMnist } from "../../examples/support/mnist_data.ts";
import {
  imagesTensor,
  loadMnistModel,
  logitsOf,
  predictions,
} from "../../examples/support/mnist_model.ts";
import { eachBackend } from "../backends.ts";
import { minMax, quantized } from "../quantization/flow.ts";
import { assertClose, runFile, step } from "../onnx/model.ts";
import { mlp, quantizedMlp, Toy } from "../onnx/models.ts";

const onnxruntime = { backend: "onnxruntime" } as const;

/** Asserts that a compiled model gives what the model gives. */
async function agrees(
  compiled: OptimizedModule<Promise<Tensor>>,
  model: Module,
  x: Tensor,
  tolerance: (expected: ArrayLike<number>) => number = step,
): Promise<void> {
  const [y, expected] = [await compiled.forward(x), model.forward(x)];
  assertEquals([y.shape, y.dtype, y.device], [expected.shape, expected.dtype, expected.device]);
  const numbers = await expected.data();
  assertClose(await y.data(), numbers, tolerance(numbers));
}

eachBackend("compile, onnxruntime: every batch size agrees with the model", async () => {
  manualSeed(0);
  const models = [
    mlp(),
    mlp({ bias: false }),
    await quantizedMlp(uint8),
    await quantizedMlp(int8, { mappingType: "SYMMETRIC", bias: false }),
  ];
  for (const model of models) {
    using compiled = compile(model, onnxruntime);
    for (const rows of [1, 3, 64, 0]) {
      await agrees(
        compiled,
        model,
        randn([rows, 40]),
        (y) => y.length ? Math.max(step(y), 1e-5) : 0,
      );
    }
  }
});

Deno.test("compile, onnxruntime: the tutorial's bfloat16 model", async () => {
  await init({ device: "cpu" });
  manualSeed(1);
  const common = { eps: finfo(float32).eps, scaleDtype: float32, zeroPointDtype: float32 };
  const model = new Sequential({
    linear1: new Linear(64, 32, { bias: false }),
    linear2: new Linear(32, 64, { bias: false }),
  }).to(bfloat16);
  insertObservers_(
    model,
    minMax("ASYMMETRIC", uint8, common),
    minMax("ASYMMETRIC", uint8, { ...common, granularity: new PerAxis(0) }),
  );
  for (let i = 0; i < 10; i++) model.forward(randn([4, 64], { dtype: bfloat16 })).dispose();
  await quantize_(model, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
  using compiled = compile(model, onnxruntime);
  // Two steps, since the model rounds to bfloat16 between the layers.
  const x = randn([5, 64], { dtype: bfloat16 });
  await agrees(compiled, model, x, (expected) => 2 * step(expected));
});

Deno.test("compile, onnxruntime: a class of the user's, other ranks, calls at once", async () => {
  await init({ device: "cpu" });
  manualSeed(2);
  const toy = new Toy();
  using compiled = compile(toy, onnxruntime);
  const xs = [1, 7, 2, 7].map((rows) => randn([rows, 3, 4]));
  const ys = await Promise.all(xs.map((x) => compiled.forward(x)));
  for (const [i, y] of ys.entries()) {
    assertClose(await y.data(), await toy.forward(xs[i]).data(), 1e-5);
  }
  const model = mlp();
  using other = compile(model, onnxruntime);
  for (const shape of [[2, 40], [40], [2, 3, 40]]) {
    await agrees(other, model, randn(shape), () => 1e-5);
  }
});

Deno.test("compile, onnxruntime: what is replaced in the model is seen", async () => {
  await init({ device: "cpu" });
  manualSeed(3);
  const model = mlp();
  using compiled = compile(model, onnxruntime);
  const x = randn([3, 40]);
  const same = () => agrees(compiled, model, x, () => 1e-5);
  await same();
  const fc3 = model.namedChildren()[4][1] as Linear;
  fc3.weight = randn([10, 16]);
  await same();
  fc3.bias = null;
  await same();
  Object.assign(model, { relu2: new Sequential([]) });
  await same();
  model.loadStateDict(Object.fromEntries(
    Object.entries(model.stateDict()).map(([name, t]) => [name, randn(t.shape)]),
  ));
  const [before, after] = [compiled.forward(x), model.forward(x)];
  assertClose(await (await before).data(), await after.data(), 1e-3);
});

Deno.test("compile, onnxruntime: the greatest integers do not overflow", async () => {
  await init({ device: "cpu" });
  const k = 500; // sums that a float32 holds exactly
  const [x, w] = [new Float32Array(2 * k).fill(255), new Int8Array(3 * k).fill(-128)];
  w.fill(127, 0, 2 * k);
  x.fill(0, k, k + 7);
  const scale = tensor([1]);
  const fc = new QuantizedLinear({
    actScale: scale,
    actZeroPoint: tensor([0]),
    qweight: new AffineQuantizedTensor({
      intData: tensor(w, { shape: [3, k], dtype: int8 }),
      scale,
      zeroPoint: null,
      blockSize: [3, k],
      dtype: float32,
    }),
    bias: tensor([1, -5, 3]),
    targetDtype: uint8,
  });
  using compiled = compile(fc, onnxruntime);
  await agrees(compiled, fc, tensor(x, { shape: [2, k] }), () => 0);
});

Deno.test("compile: prints as PyTorch's", () => {
  using compiled = compile(
    new Sequential({ fc: new Linear(4, 2, { bias: false }), act: new ReLU() }),
    onnxruntime,
  );
  assertEquals(
    String(compiled),
    `OptimizedModule(
  (_orig_mod): Sequential(
    (fc): Linear(in_features=4, out_features=2, bias=False)
    (act): ReLU()
  )
)`,
  );
  assert(compiled instanceof OptimizedModule);
});

class Odd extends Module {
  override forward(x: Tensor): Tensor {
    return maxPool1d(x, 1);
  }
}

Deno.test("compile, onnxruntime: errors name the layer, and leave the rest working", async () => {
  await init({ device: "cpu" });
  const odd = new Sequential({ fc: new Linear(4, 4), odd: new Odd() });
  using refused = compile(odd, onnxruntime);
  await assertRejects(() => refused.forward(randn([1, 4])), TypeError, "compile: odd (Odd)");
  Object.assign(odd, { odd: new ReLU() });
  await agrees(refused, odd, randn([2, 4]), () => 1e-5);

  const model = new Sequential({ fc: new Linear(4, 4) });
  using compiled = compile(model, onnxruntime);
  for (let i = 0; i < 2; i++) {
    await assertRejects(
      () => compiled.forward(randn([2, 5])),
      RangeError,
      "fc (Linear): the input's last dimension must be inFeatures = 4",
    );
    await agrees(compiled, model, randn([2, 4]), () => 1e-5);
  }
  await assertRejects(
    () => compiled.forward(randn([2, 4], { dtype: bfloat16 })),
    TypeError,
    "bfloat16",
  );
  await assertRejects(() => compiled.forward(), TypeError, "one tensor or more");
  const gone = randn([2, 4]);
  gone.dispose();
  await assertRejects(() => compiled.forward(gone), Error, "disposed");

  const pending = compiled.forward(randn([2, 4]));
  compiled.dispose();
  compiled.dispose();
  assertEquals((await pending).shape, [2, 4]);
  await assertRejects(() => compiled.forward(randn([2, 4])), Error, "OptimizedModule was disposed");
});

Deno.test("compile: unknown options are refused with those that are known", () => {
  const model = new Linear(2, 2);
  assertThrows(
    () => compile(model, { backend: "tensorrt" as "webgpu" }),
    TypeError,
    `backend is "tensorrt", but must be one of "webgpu", "onnxruntime"`,
  );
  assertThrows(
    () => compile(model, { ...onnxruntime, mode: "fast" as "default" }),
    TypeError,
    `mode is "fast"`,
  );
  assertThrows(() => compile({} as Module, onnxruntime), TypeError, "no Module");
});

Deno.test("compile and exportOnnx: MNIST, the same predictions on 500 images", async () => {
  await init({ device: "cpu" });
  const { train, test } = loadMnist({ train: 64, test: 500 });
  const calibration = imagesTensor(train, 0, 64);
  const images = imagesTensor(test, 0, 500);
  const models = [
    await loadMnistModel(),
    await quantized(await loadMnistModel(), uint8, [calibration]),
    await quantized(await loadMnistModel(), int8, [calibration], { mappingType: "SYMMETRIC" }),
  ];
  for (const model of models) {
    const expected = await logitsOf(model, test, 500);
    using compiled = compile(model, onnxruntime);
    using y = await compiled.forward(images);
    const exported = await runFile(await exportOnnx(model, imagesTensor(test, 0, 1)), images);
    for (const logits of [await y.data() as Float32Array, exported]) {
      assertEquals(predictions(logits), predictions(expected));
      assertClose(logits, expected, step(expected));
    }
  }
});

eachBackend(
  "compile: a compiled model is a module with one child, as PyTorch's",
  async (device) => {
    manualSeed(9);
    const model = new Sequential({ a: new Linear(32, 8, { device }), act: new ReLU() });
    using compiled = compile(model, onnxruntime);
    assert(compiled instanceof Module);
    assertEquals(compiled.namedChildren(), [["_orig_mod", model]]);
    assertEquals(Object.keys(compiled.stateDict()), ["_orig_mod.a.weight", "_orig_mod.a.bias"]);
    const x = randn([3, 32], { device });
    const float = await (await compiled.forward(x)).data();
    assertClose(float, await model.forward(x).data(), 1e-5);
    using copy = deepcopy(compiled);
    assert(copy.origMod !== model);
    copy.loadStateDict(Object.fromEntries(
      Object.entries(copy.stateDict()).map(([name, t]) => [name, randn(t.shape, { device })]),
    ));
    const other = await copy.forward(x);
    assertClose(await other.data(), await copy.origMod.forward(x).data(), 1e-5);
    assertEquals(await quantize_(compiled, new Int8WeightOnlyConfig()), ["_orig_mod.a"]);
    assert(!((model.namedChildren()[0][1] as Linear).weight instanceof Tensor));
    const quantized = await (await compiled.forward(x)).data();
    assertClose(quantized, float, 0.05);
    assert(quantized.some((v, i) => v !== float[i]));
    using again = compile(compiled, onnxruntime);
    assertEquals(again.origMod, model);
  },
);

Deno.test("compile: a compiled model inside others", async () => {
  await init({ device: "webgpu" });
  manualSeed(10);
  const inner = new Sequential([new Linear(16, 16), new ReLU()]);
  using compiled = compile(inner);
  const outer = new Sequential(compiled, new Linear(16, 4));
  const x = randn([5, 16]);
  const plain = new Sequential(inner, outer.namedChildren()[1][1]);
  const expected = await plain.forward(x).data();
  for (let i = 0; i < 2; i++) assertEquals(await outer.forward(x).data(), expected);
  using whole = compile(outer);
  for (let i = 0; i < 2; i++) assertEquals(await whole.forward(x).data(), expected);
  const file = await exportOnnx(outer, x);
  assertClose(await runFile(file, x), expected, 1e-5);
  const list = new Sequential([compiled, new ReLU()]);
  assertEquals(list.forward(x).shape, [5, 16]);
  using waits = compile(inner, onnxruntime);
  assertThrows(
    () => new Sequential(waits, new ReLU()).forward(x),
    TypeError,
    "must give a Tensor, got a Promise; `await` it first; compile the whole model",
  );
});

Deno.test("compile: a class of the user's with its forward in a field is replayed", async () => {
  await init({ device: "webgpu" });
  let calls = 0;
  const inner = new Linear(4, 4);
  class Arrow extends Module {
    fc = inner;
    override forward = (x: Tensor) => (calls++, inner.forward(x));
  }
  using compiled = compile(new Arrow());
  const x = randn([2, 4]);
  for (let i = 0; i < 6; i++) compiled.forward(x).dispose();
  assert(calls <= 3, `${calls} calls`);
  assertEquals(await compiled.forward(x).data(), await inner.forward(x).data());
});

// Small outputs, and such as memory is kept for.
for (const rows of [2, 20_000]) {
  Deno.test(`compile, onnxruntime: freed outputs of ${rows} rows are written again, held and waiting ones are not`, async () => {
    await init({ device: "cpu" });
    manualSeed(3);
    const model = await new Sequential([new Linear(16, 16)]).to("cpu");
    using fast = compile(model, { backend: "onnxruntime" });
    const inputs = [1, 2, 3].map(() => randn([rows, 16], { device: "cpu" }).keep());
    const expected = await Promise.all(inputs.map((x) => model.forward(x).data()));
    (await fast.forward(inputs[0])).dispose();
    const held = await fast.forward(inputs[0]);
    // What a run waits to read stays, though its tensor is freed and others run meanwhile.
    using twice = model.forward(held);
    const first = await fast.forward(inputs[1]);
    const waiting = [fast.forward(first), fast.forward(first)];
    first.dispose();
    using other = await fast.forward(inputs[2]);
    const given = await Promise.all(waiting);
    using wanted = model.forward(model.forward(inputs[1]));
    for (const y of given) assertClose(await y.data(), await wanted.data(), 1e-5);
    assertClose(await other.data(), expected[2], 1e-5);
    assertClose(await held.data(), expected[0], 1e-5);
    using again = await fast.forward(held);
    assertClose(await again.data(), await twice.data(), 1e-5);
    [held, ...given, ...inputs].forEach((x) => x.dispose());
  });
}
