import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLessOrEqual,
  assertStrictEquals,
} from "@std/assert";
import {
  AffineQuantizedTensor,
  backendFor,
  bfloat16,
  computeError,
  deepcopy,
  type DType,
  finfo,
  float16,
  float32,
  init,
  Int4WeightOnlyConfig,
  int8,
  Int8DynamicActivationInt8WeightConfig,
  Int8WeightOnlyConfig,
  Linear,
  LinearActivationQuantizedTensor,
  MappingType,
  PerTensor,
  quantize_,
  QuantizedLinear,
  randn,
  ReLU,
  Sequential,
  StaticQuantTensorConfig,
  type Tensor,
  tensor,
  uint8,
} from "../../../mod.ts";
import { eachBackend, few } from "../../backends.ts";
import { integerDot, quantizeOne, ulp, uniform, wider } from "../../oracles.ts";
import { type FlowOptions, quantized, single } from "../flow.ts";

const sizes = [1, 3, 17, 64, 65, 100];
const fixed = { eps: finfo(float32).eps, scaleDtype: float32, zeroPointDtype: float32 };
const fc = (m: Sequential) => m.namedChildren()[0][1];

/** Compares a layer with sums of integers worked out here, and scales applied in float32. */
async function checkAgainstIntegers(layer: QuantizedLinear, weight: Tensor, x: Tensor, y: Tensor) {
  const { qweight, actScale, actZeroPoint, targetDtype: dtype } = layer;
  const [n, k] = qweight.shape;
  const read = (t: Tensor | null) => t && t.data();
  const [xs, ws, ys, bs] = await Promise.all([x, weight, y, layer.bias].map(read));
  const [sx, zx] = [await actScale.item(), await actZeroPoint.item()];
  const [sw, zw] = [await qweight.scale.data(), await qweight.zeroPoint!.data()];
  const range = { quantMin: dtype.min, quantMax: dtype.max };
  const quantize = (
    values: ArrayLike<number>,
    scale: Tensor,
    ofDtype: DType,
    at: (i: number) => [number, number],
  ) =>
    Array.from(values, (v, i) => {
      const [step, zeroPoint] = at(i);
      const productDtype = wider(ofDtype, scale.dtype, float32);
      return quantizeOne(v, {
        ...range,
        scale: step,
        scaleDtype: scale.dtype,
        zeroPoint,
        productDtype,
      });
    });
  const param = (row: number) => sw.length === 1 ? 0 : row;
  const qx = quantize(xs!, actScale, x.dtype, () => [sx, zx]);
  const qw = quantize(ws!, qweight.scale, weight.dtype, (i) => {
    const p = param(Math.floor(i / k));
    return [sw[p], zw[p]];
  });
  using integers = qweight.intData();
  assertEquals([...await integers.data()], qw, "the weight's integers");
  assertEquals(ys!.length, xs!.length / k * n);
  for (let i = 0; i < ys!.length; i++) {
    const [row, column] = [Math.floor(i / n), i % n];
    const p = param(column);
    const acc = integerDot(qx, zx, row, qw, zw[p], column, k);
    const product = Math.fround(Math.fround(acc) * Math.fround(sx * sw[p]));
    const bias = bs ? bs[column] : 0;
    const expected = product + bias;
    // With a bias the sum may cancel; what counts is the size of what was added.
    let tolerance = 1e-6 * (bs ? Math.max(Math.abs(product), Math.abs(bias)) : Math.abs(product));
    if (y.dtype !== float32) tolerance += ulp(y.dtype, Math.abs(expected) + tolerance);
    assertLessOrEqual(
      Math.abs(ys![i] - expected),
      tolerance,
      `element ${i}: ${ys![i]}, expected ${expected}`,
    );
  }
}

let turn = 0;
for (const target of [uint8, int8]) {
  for (const mappingType of [MappingType.ASYMMETRIC, MappingType.SYMMETRIC]) {
    for (const dtype of few([float32, float16, bfloat16], 2)) {
      const number = turn++;
      eachBackend(
        `${mappingType} ${target.name} of ${dtype.name} multiplies integers exactly`,
        async (device) => {
          // Every size comes in every place, in turns. A GPU compiles a kernel for most of them.
          const turns = device === "cpu" ? [0, 1, 2, 3, 4, 5] : [number % 6, (number + 3) % 6];
          for (const i of turns) {
            const m = sizes[i];
            const n = sizes[(i + 1 + number) % 6];
            const k = sizes[(2 * i + number) % 6];
            const bias = (i + number) % 2 === 0;
            const model = single(k, n, { bias, dtype });
            const linear = fc(model) as Linear;
            linear.weight = tensor(uniform(i, n * k, -0.3, 0.7), { shape: [n, k], dtype });
            if (bias) linear.bias = tensor(uniform(i + 9, n, -2, 2), { dtype });
            const weight = linear.weight;
            const x = tensor(uniform(i + 20, m * k, -3, 2), { shape: [m, k], dtype });
            const options: FlowOptions = { mappingType };
            if (i % 3 === 1) Object.assign(options, { act: fixed, weight: fixed });
            if (i % 3 === 2) options.weight = { granularity: new PerTensor() };
            await quantized(model, target, [x], options);
            const layer = fc(model);
            assertInstanceOf(layer, QuantizedLinear);
            using y = layer.forward(x);
            assertStrictEquals(y.dtype, dtype);
            assertEquals([...y.shape], [m, n]);
            await checkAgainstIntegers(layer, weight, x, y);
            // What lies outside the calibrated range is clamped.
            using wide = tensor(uniform(i + 30, m * k, -9, 9), { shape: [m, k], dtype });
            using clamped = layer.forward(wide);
            await checkAgainstIntegers(layer, weight, wide, clamped);
          }
        },
      );
    }
  }
}

eachBackend("a bias or not, for each dtype and every size", async () => {
  for (const [i, size] of few([...sizes.entries()], 3)) {
    for (const bias of [true, false]) {
      const model = single(size, sizes[5 - i], { bias }); // three rows, so that one tile does
      const { weight } = fc(model) as Linear;
      using x = tensor(uniform(i, 3 * size), { shape: [3, size] });
      await quantized(model, i % 2 ? int8 : uint8, [x]);
      const layer = fc(model) as QuantizedLinear;
      assertEquals(layer.bias === null, !bias);
      using y = layer.forward(x);
      await checkAgainstIntegers(layer, weight as Tensor, x, y);
    }
  }
});

Deno.test("the output has the same bits on both devices, but for the bias's rounding", async () => {
  await init({ device: "webgpu" });
  for (const dtype of [float32, float16, bfloat16]) {
    const outputs = await Promise.all((["cpu", "webgpu"] as const).map(async (device) => {
      const options = { bias: false, dtype, device };
      const linear = new Linear(65, 17, options);
      linear.weight = tensor(uniform(3, 17 * 65), { shape: [17, 65], dtype, device });
      const x = tensor(uniform(4, 65 * 65), { shape: [65, 65], dtype, device });
      const model = await quantized(new Sequential({ fc: linear }), uint8, [x]);
      return await model.forward(x).bytes();
    }));
    assertEquals(outputs[0], outputs[1]);
  }
});

eachBackend("leading dimensions are kept, empty batches too", async () => {
  const model = await quantized(single(5, 3), uint8, [randn([4, 5])]);
  for (const leading of [[], [2], [2, 3], [1, 2, 2], [0], [2, 0]]) {
    using x = randn([...leading, 5]);
    using y = model.forward(x);
    assertEquals([...y.shape], [...leading, 3]);
    assertEquals((await y.data()).length, y.numel);
  }
});

const tensorConfig = (targetDtype: DType) => new StaticQuantTensorConfig({ targetDtype });

eachBackend("the tensor config's way gives the same bits", async () => {
  for (const [target, dtypes] of [[uint8, [float32, float16]], [int8, [bfloat16]]] as const) {
    for (const dtype of dtypes) {
      const model = new Sequential({
        a: new Linear(17, 9, { dtype }),
        r: new ReLU(),
        b: new Linear(9, 4, { dtype, bias: false }),
      });
      const x = randn([5, 17], { dtype });
      const options = target === uint8 ? {} : { act: fixed, weight: fixed };
      const one = await quantized(deepcopy(model), target, [x], options);
      const other = await quantized(deepcopy(model), target, [x], {
        ...options,
        config: tensorConfig,
      });
      const layer = other.namedChildren()[0][1];
      assert(layer instanceof Linear && layer.weight instanceof LinearActivationQuantizedTensor);
      assertEquals(await other.forward(x).bytes(), await one.forward(x).bytes());
    }
  }
});

eachBackend("the tensor config's way takes the shapes that the other takes", async () => {
  const one = await quantized(single(5, 3), uint8, [randn([4, 5])], { config: tensorConfig });
  for (const leading of [[], [2], [2, 3], [0], [2, 0]]) {
    using x = randn([...leading, 5]);
    using y = one.forward(x);
    assertEquals([...y.shape], [...leading, 3]);
  }
});

eachBackend("a narrower integer range is kept to", async () => {
  const range = { quantMin: -100, quantMax: 90 };
  const model = single(33, 5, { bias: false });
  const x = tensor(uniform(1, 66), { shape: [2, 33] });
  await quantized(model, int8, [x], { act: range, weight: range });
  const layer = fc(model) as QuantizedLinear;
  using integers = layer.qweight.intData();
  const values = [...await integers.data()];
  assertEquals([Math.min(...values), Math.max(...values)], [-100, 90]);
  const other = single(33, 5, { bias: false });
  Object.assign(fc(other), { weight: layer.qweight.dequantize() });
  assert(await computeError(other.forward(x), model.forward(x)) > 30);
});

eachBackend("quantizing costs little accuracy where calibration saw the input", async () => {
  const model = new Sequential([new Linear(64, 32), new ReLU(), new Linear(32, 10)]);
  const x = randn([32, 64]);
  const expected = model.forward(x);
  for (const target of [uint8, int8]) {
    const copy = await quantized(deepcopy(model), target, [x]);
    assert(await computeError(expected, copy.forward(x)) > 30);
  }
});

eachBackend(
  "a quantized weight takes a quarter of float32, its parameters and row sums",
  async (device) => {
    for (const [n, k] of [[32, 64], [65, 100], [3, 17]]) {
      const backend = backendFor(device);
      const model = await quantized(single(k, n, { bias: false }), uint8, [randn([2, k])]);
      const { qweight } = fc(model) as QuantizedLinear;
      const padded = n * Math.ceil(k / 16) * 16;
      assertEquals(qweight.nbytes, padded + 3 * 4 * n);
      const held = Object.values(qweight.tensors());
      assert(held.every((t) => t.backend === backend && !t.disposed));
      assertEquals(held.map((t) => t.nbytes).reduce((a, b) => a + b), qweight.nbytes);
    }
  },
);

eachBackend("plain integers are not kept beside the packed ones", async (device) => {
  const [n, k] = [64, 1024];
  const model = single(k, n, { bias: false });
  const { weight } = fc(model) as Linear;
  const float = (weight as Tensor).nbytes;
  await quantized(model, uint8, [randn([1, k])]);
  const backend = backendFor(device);
  const before = backend.memory().liveBytes;
  const { qweight } = fc(model) as QuantizedLinear;
  qweight.dispose();
  const freed = before - backend.memory().liveBytes;
  assertLessOrEqual(freed, float / 4 * 1.25 + 4096);
  assert(freed >= float / 4);
});

eachBackend("a thousand forwards leave memory flat", async (device) => {
  const backend = backendFor(device);
  for (const config of [undefined, tensorConfig]) {
    const model = await quantized(single(8, 4), uint8, [randn([2, 8])], { config });
    using x = randn([2, 8]);
    model.forward(x).dispose();
    await backend.read(x.operand.buffer);
    const before = backend.memory();
    for (let i = 0; i < 1000; i++) model.forward(x).dispose();
    const after = backend.memory();
    assertEquals(after.liveBytes, before.liveBytes);
    assertEquals(after.liveBuffers, before.liveBuffers);
    assertLessOrEqual(after.pooledBytes, before.pooledBytes + 4096);
    await x.data();
  }
});

eachBackend("a deep copy of a quantized model stands alone", async () => {
  const model = await quantized(single(17, 5), uint8, [randn([2, 17])]);
  const x = randn([3, 17]);
  const expected = await model.forward(x).data();
  const copy = deepcopy(model);
  Object.values(model.stateDict()).forEach((t) => t.dispose());
  assertEquals(await copy.forward(x).data(), expected);
});

Deno.test("a quantized model moves to another device and back whole, however it is quantized", async () => {
  await init({ device: "webgpu" });
  const x = randn([3, 32]);
  const onCpu = await x.to("cpu");
  const models: Sequential[] = [];
  for (const config of [undefined, tensorConfig]) {
    models.push(await quantized(single(32, 5), uint8, [randn([2, 32])], { config }));
  }
  const configs = [
    new Int8DynamicActivationInt8WeightConfig(),
    new Int8WeightOnlyConfig(),
    new Int4WeightOnlyConfig({ groupSize: 32 }),
  ];
  for (const config of configs) {
    const model = single(32, 5);
    await quantize_(model, config);
    models.push(model);
  }
  for (const model of models) {
    const expected = await model.forward(x).data();
    await model.to("cpu");
    assertEquals(new Set(Object.values(model.stateDict()).map((t) => t.device)), new Set(["cpu"]));
    const y = await model.forward(onCpu).data();
    y.forEach((v, i) => assertLessOrEqual(Math.abs(v - expected[i]), 1e-5));
    await model.to("webgpu");
    assertEquals(await model.forward(x).data(), expected);
  }
});

eachBackend("casting a quantized model leaves its ranges alone", async () => {
  const model = await quantized(single(17, 5, { bias: false }), uint8, [randn([2, 17])]);
  const x = randn([64, 17], { dtype: bfloat16 });
  const expected = await model.forward(x).data();
  model.to(bfloat16);
  assertEquals(await model.forward(x).data(), expected);
});

eachBackend("the state dict of a quantized model holds what it consists of", async () => {
  const model = await quantized(single(4, 2), uint8, [randn([2, 4])]);
  assertEquals(Object.keys(model.stateDict()).sort(), [
    "fc.actScale",
    "fc.actZeroPoint",
    "fc.bias",
    "fc.qweight.packed",
    "fc.qweight.rowSums",
    "fc.qweight.scale",
    "fc.qweight.zeroPoint",
  ]);
  assertInstanceOf((fc(model) as QuantizedLinear).qweight, AffineQuantizedTensor);
});
