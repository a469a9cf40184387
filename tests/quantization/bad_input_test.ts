/** What a user can get wrong between a float model and an integer one, and what is said about it. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  AffineQuantizedFixedQParamObserver,
  AffineQuantizedMinMaxObserver,
  AffineQuantizedTensor,
  backendFor,
  compareModels,
  correctBias_,
  deepcopy,
  type DType,
  float16,
  float32,
  init,
  insertObservers_,
  int16,
  int32,
  Int4WeightOnlyConfig,
  int8,
  Int8DynamicActivationInt8WeightConfig,
  Int8StaticActivationInt8WeightConfig,
  Int8WeightOnlyConfig,
  isObservedLinear,
  Linear,
  linear,
  MappingType,
  type ObservedLinear,
  ones,
  PerAxis,
  PerGroup,
  PerRow,
  PerTensor,
  quantize_,
  quantizeAffine,
  QuantizedLinear,
  type QuantizedLinearParts,
  randn,
  ReLU,
  searchConfig,
  sensitivity,
  Sequential,
  smooth_,
  StaticQuantConfig,
  StaticQuantTensorConfig,
  type Tensor,
  tensor,
  toAffineQuantizedIntxStatic,
  toLinearActivationQuantized,
  uint8,
  zeros,
} from "../../mod.ts";
import { WebGpuBackend } from "../../lib/backend/webgpu/backend.ts";
import { eachBackend } from "../backends.ts";
import { minMax, quantized, single } from "./flow.ts";

const { ASYMMETRIC, SYMMETRIC } = MappingType;

function observedModel(): Sequential {
  const m = new Sequential({
    linear1: new Linear(4, 3),
    act: new ReLU(),
    linear2: new Linear(3, 2),
  });
  insertObservers_(
    m,
    minMax(ASYMMETRIC, uint8),
    minMax(ASYMMETRIC, uint8, { granularity: new PerAxis(0) }),
  );
  return m;
}
const layerOf = (m: Sequential, name: string) =>
  m.namedChildren().find(([field]) => field === name)![1] as ObservedLinear;
const uint8Config = () => new StaticQuantConfig({ targetDtype: uint8 });

/** Parts of a layer with 3 outputs and `k` inputs. */
function parts(k = 4, change: Partial<QuantizedLinearParts> = {}): QuantizedLinearParts {
  const three = tensor([1, 1, 1]);
  return {
    actScale: tensor([1]),
    actZeroPoint: tensor([0], { dtype: int32 }),
    qweight: toAffineQuantizedIntxStatic(zeros([3, k]), three, tensor([0, 0, 0]), [1, k], int8),
    bias: null,
    targetDtype: uint8,
    ...change,
  };
}

eachBackend("parameters before any data: says which observer and what to do", async () => {
  const m = observedModel();
  const { actObs, weightObs } = layerOf(m, "linear1");
  for (const [observer, name] of [[actObs, "actObs"], [weightObs, "weightObs"]] as const) {
    await assertRejects(
      () => observer.calculateQParams(),
      Error,
      `linear1.${name} (AffineQuantizedMinMaxObserver): calculateQParams() before any data; ` +
        "run sample inputs through the model first",
    );
  }
  await assertRejects(
    () => minMax(ASYMMETRIC, uint8).minMax(),
    Error,
    "AffineQuantizedMinMaxObserver: minMax() before any data",
  );
});

eachBackend("NaN and infinity in calibration name the layer and the batch", async () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (const dtype of [float32, float16]) {
      const m = observedModel().to(dtype);
      m.forward(randn([2, 4], { dtype }));
      m.forward(randn([1, 4], { dtype }));
      m.forward(tensor([[1, 2, bad, 4]], { dtype }));
      m.forward(tensor([[bad, 2, 3, 4]], { dtype }));
      m.forward(randn([2, 4], { dtype }));
      const message =
        "linear1.actObs (AffineQuantizedMinMaxObserver): batch 2 of the calibration " +
        "(counted from 0) holds a NaN or an infinity";
      await assertRejects(
        () => layerOf(m, "linear1").actObs.calculateQParams(),
        RangeError,
        message,
      );
      const text = String(m);
      await assertRejects(() => quantize_(m, uint8Config(), isObservedLinear), RangeError, message);
      assertEquals(String(m), text);
    }
  }
});

eachBackend("an infinity at the end of a long row is found", async () => {
  const values = new Float32Array(20_001);
  values[20_000] = -Infinity;
  const observer = minMax(ASYMMETRIC, uint8, { granularity: new PerRow() });
  observer.forward(tensor(values, { shape: [1, 20_001] }));
  await assertRejects(() => observer.calculateQParams(), RangeError, "batch 0");
});

eachBackend("NaN in a weight names the weight's observer", async () => {
  const m = observedModel();
  layerOf(m, "linear2").weight = tensor([[1, NaN, 3], [4, 5, 6]]);
  m.forward(randn([1, 4]));
  await assertRejects(
    () => quantize_(m, uint8Config(), isObservedLinear),
    RangeError,
    "linear2.weightObs",
  );
});

eachBackend("an empty batch counts when a bad one is named", async () => {
  const observer = minMax(ASYMMETRIC, uint8);
  observer.forward(zeros([0, 3]));
  observer.forward(tensor([1]));
  observer.forward(tensor([NaN]));
  await assertRejects(() => observer.calculateQParams(), RangeError, "batch 2 ");
});

eachBackend("a batch that changes an axis-wise observer's shape: both shapes", async () => {
  const observer = minMax(ASYMMETRIC, uint8, { granularity: new PerAxis(0) });
  observer.forward(tensor([[1, 2], [3, 4]]));
  assertThrows(
    () => observer.forward(zeros([3, 2])),
    RangeError,
    "AffineQuantizedMinMaxObserver: with PerAxis(0) this batch of shape (3, 2) has ranges of shape (3,), " +
      "those before it (2,); make the batches alike or observe PerTensor",
  );
  const [, max] = await observer.minMax(); // the refused batch left nothing behind
  assertEquals([...await max.data()], [2, 4]);
});

eachBackend("as many ranges in another arrangement are refused too", () => {
  const rows = minMax(ASYMMETRIC, uint8, { granularity: new PerRow() });
  rows.forward(zeros([2, 3, 4]));
  const message = assertThrows(
    () => rows.forward(zeros([3, 2, 4])),
    RangeError,
    "PerRow()",
  ).message;
  assertStringIncludes(message, "(3, 2)");
  assertStringIncludes(message, "(2, 3)");
  const groups = minMax(ASYMMETRIC, uint8, { granularity: new PerGroup(2) });
  groups.forward(zeros([2, 8]));
  assertThrows(() => groups.forward(zeros([4, 4])), RangeError, "PerGroup(2)");
});

eachBackend("a granularity that does not fit a batch is refused by name", () => {
  const axis = minMax(ASYMMETRIC, uint8, { granularity: new PerAxis(2) });
  assertThrows(
    () => axis.forward(zeros([2, 2])),
    RangeError,
    "PerAxis(2): a tensor of shape (2, 2) has axes 0 to 1",
  );
  const m = single(6, 2);
  insertObservers_(
    m,
    minMax(ASYMMETRIC, uint8),
    minMax(ASYMMETRIC, uint8, { granularity: new PerGroup(4) }),
  );
  assertThrows(
    () => m.forward(zeros([1, 6])),
    RangeError,
    "PerGroup(4): blocks of (1, 4) do not divide",
  );
});

eachBackend("integers are not observed", () => {
  assertThrows(
    () => minMax(ASYMMETRIC, uint8).forward(zeros([2], { dtype: int8 })),
    TypeError,
    "AffineQuantizedMinMaxObserver: observers take float tensors, got int8",
  );
});

Deno.test("batches on different devices are refused", async () => {
  await init({ device: "webgpu" });
  const observer = minMax(ASYMMETRIC, uint8);
  observer.forward(zeros([2]));
  assertThrows(
    () => observer.forward(zeros([2], { device: "cpu" })),
    Error,
    "this batch is on cpu, those before it on webgpu",
  );
});

eachBackend("observers want a granularity, an integer dtype and a range inside it", () => {
  const make = (dtype: DType, options: object) =>
    new AffineQuantizedMinMaxObserver(ASYMMETRIC, dtype, options as { granularity: PerTensor });
  const where = "AffineQuantizedMinMaxObserver";
  assertThrows(() => make(uint8, {}), TypeError, `${where}: the options need a granularity`);
  const granularity = new PerTensor();
  assertThrows(
    () => make(float32, { granularity }),
    TypeError,
    `${where}: float32 is not a dtype to quantize to`,
  );
  for (const [quantMin, quantMax] of [[-1, 255], [0, 256], [255, 255], [0.5, 255]]) {
    assertThrows(
      () => make(uint8, { granularity, quantMin, quantMax }),
      RangeError,
      `${where}: quantMin ${quantMin} and quantMax ${quantMax} must be integers with 0 ≤ quantMin < ` +
        "quantMax ≤ 255, the range of uint8",
    );
  }
});

eachBackend("a wrong inFeatures names the layer, before and after quantizing", async () => {
  const m = observedModel();
  const tail =
    ": the input's last dimension must be inFeatures = 4, got an input of shape (2, 5) for a " +
    "weight of shape (3, 4)";
  assertThrows(() => m.forward(zeros([2, 5])), RangeError, `linear1 (ObservedLinear)${tail}`);
  m.forward(randn([2, 4]));
  await quantize_(m, uint8Config(), isObservedLinear);
  assertThrows(() => m.forward(zeros([2, 5])), RangeError, `linear1 (QuantizedLinear)${tail}`);
  assertThrows(() => m.forward(tensor(1)), RangeError, "linear1 (QuantizedLinear)");
  assertThrows(
    () => m.forward(zeros([2, 4], { dtype: int8 })),
    TypeError,
    "linear1 (QuantizedLinear): expected a float input, got int8",
  );
});

eachBackend("a wrong inFeatures names the layer in the tensor config's way too", async () => {
  const m = observedModel();
  m.forward(randn([2, 4]));
  await quantize_(m, new StaticQuantTensorConfig({ targetDtype: uint8 }), isObservedLinear);
  const error = assertThrows(() => m.forward(zeros([2, 5])), RangeError, "inFeatures = 4");
  assertStringIncludes(error.message, "linear1");
});

eachBackend("an input that the layer refuses is not part of the calibration", async () => {
  const m = observedModel();
  m.forward(tensor([[-1, 0, 0, 1]]));
  const { actObs } = layerOf(m, "linear1");
  const expected = await Promise.all((await actObs.calculateQParams()).map((t) => t.item()));
  assertThrows(() => m.forward(tensor([[1000, 0, 0, 0, 0]])), RangeError, "inFeatures");
  const actual = await Promise.all((await actObs.calculateQParams()).map((t) => t.item()));
  assertEquals(actual, expected);
});

eachBackend("activations with more than one scale are refused, with the layer's name", async () => {
  const m = observedModel();
  const linear1 = layerOf(m, "linear1");
  Object.assign(linear1, { actObs: minMax(ASYMMETRIC, uint8, { granularity: new PerAxis(1) }) });
  m.forward(randn([2, 4]));
  const error = await assertRejects(
    () => quantize_(m, uint8Config(), isObservedLinear),
    RangeError,
  );
  assertStringIncludes(
    error.message,
    "inputs have one scale and one zero point, got shapes (4,) and (4,)",
  );
  assertStringIncludes(error.message, "observe activations PerTensor");
  assertStringIncludes(error.message, "linear1");
});

eachBackend("weights in groups are refused, with the granularities that go", async () => {
  for (const granularity of [new PerGroup(2), new PerAxis(1)]) {
    const m = single(4, 6);
    insertObservers_(m, minMax(ASYMMETRIC, int8), minMax(ASYMMETRIC, int8, { granularity }));
    m.forward(randn([2, 4]));
    await assertRejects(
      () => quantize_(m, new StaticQuantConfig({ targetDtype: int8 }), isObservedLinear),
      RangeError,
      "use PerTensor or PerAxis(0)",
    );
  }
});

eachBackend("dtypes wider than a byte are refused for integer products", async () => {
  const m = single(4, 2);
  insertObservers_(m, minMax(ASYMMETRIC, int16), minMax(ASYMMETRIC, int16));
  m.forward(randn([2, 4]));
  await assertRejects(
    () => quantize_(m, new StaticQuantConfig({ targetDtype: int16 }), isObservedLinear),
    TypeError,
    "the integer product takes 8-bit numbers, got int16 inputs and int16 weights",
  );
});

eachBackend("more inFeatures than the int32 accumulator takes are refused", async () => {
  const most = Math.floor((2 ** 31 - 1) / (255 * 255));
  assertEquals(most, 33025);
  new QuantizedLinear(parts(most));
  const message =
    `with inFeatures = ${most + 1} the int32 accumulator could overflow (each product may reach ` +
    `65025, so at most ${most} fit)`;
  assertThrows(() => new QuantizedLinear(parts(most + 1)), RangeError, message);
  // A narrower range leaves room.
  new QuantizedLinear(parts(most + 1, { actQuantMin: 0, actQuantMax: 127 }));

  // The integers of positive numbers lie up to 255 from their zero point.
  const m = single(most + 1, 1, { bias: false });
  (m.namedChildren()[0][1] as Linear).weight = ones([1, most + 1]);
  insertObservers_(m, minMax(ASYMMETRIC, uint8), minMax(ASYMMETRIC, uint8));
  m.forward(zeros([1, most + 1]));
  const error = await assertRejects(
    () => quantize_(m, uint8Config(), isObservedLinear),
    RangeError,
    message,
  );
  assertStringIncludes(error.message, "fc", "the layer's name");
});

eachBackend("the accumulator's bound is that of the zero points there are", async (device) => {
  // Symmetric int8: 128 · 128 a product, so four times as many fit.
  const k = 100_000;
  const x = tensor(Float32Array.from({ length: k }, (_, i) => Math.sin(i)), {
    shape: [1, k],
    device,
  });
  const float = single(k, 2, { bias: false });
  const expected = await float.forward(x).data();
  const near = async (m: Sequential) => {
    const y = await m.forward(x).data();
    y.forEach((v, i) => assert(Math.abs(v - expected[i]) < 0.1 * Math.abs(expected[i]) + 0.5));
  };
  const dynamic = deepcopy(float);
  await quantize_(dynamic, new Int8DynamicActivationInt8WeightConfig());
  await near(dynamic);
  const observed = deepcopy(float);
  insertObservers_(observed, minMax(SYMMETRIC, int8), minMax(SYMMETRIC, int8));
  observed.forward(x);
  await quantize_(observed, new StaticQuantConfig({ targetDtype: int8 }), isObservedLinear);
  await near(observed);
  const most = Math.floor((2 ** 31 - 1) / (128 * 128));
  for (
    const config of [
      new Int8DynamicActivationInt8WeightConfig(),
      new Int8StaticActivationInt8WeightConfig({ actQuantScale: 1 }),
    ]
  ) {
    const error = await assertRejects(
      () => quantize_(single(most + 1, 1, { bias: false }), config),
      RangeError,
      `with inFeatures = ${
        most + 1
      } the int32 accumulator could overflow (each product may reach 16384`,
    );
    assertStringIncludes(error.message, "fc");
  }
});

eachBackend("a weight with a NaN or an infinity is refused with its place", async (device) => {
  for (
    const [bad, said] of [[NaN, "NaN"], [Infinity, "Infinity"], [-Infinity, "-Infinity"]] as const
  ) {
    const values = Array.from({ length: 32 * 4 }, (_, i) => i === 70 ? bad : i / 100);
    const make = () => {
      const m = single(32, 4, { bias: false });
      (m.namedChildren()[0][1] as Linear).weight = tensor(values, { shape: [4, 32], device });
      return m;
    };
    const message = `element (2, 6) is ${said}`;
    for (
      const config of [
        new Int8WeightOnlyConfig(),
        new Int4WeightOnlyConfig({ groupSize: 32 }),
        new Int8DynamicActivationInt8WeightConfig(),
        new Int8StaticActivationInt8WeightConfig({ actQuantScale: 1 }),
      ]
    ) {
      const error = await assertRejects(() => quantize_(make(), config), RangeError, message);
      assertStringIncludes(error.message, "the weight of fc");
    }
    const fixed = new AffineQuantizedFixedQParamObserver(SYMMETRIC, int8, {
      granularity: new PerTensor(),
      scale: 0.1,
    });
    const m = make();
    insertObservers_(m, minMax(SYMMETRIC, int8), fixed);
    m.forward(zeros([1, 32], { device }));
    const error = await assertRejects(
      () => quantize_(m, new StaticQuantConfig({ targetDtype: int8 }), isObservedLinear),
      RangeError,
      message,
    );
    assertStringIncludes(error.message, "fc");
  }
});

eachBackend("the largest sums that are let through come out exact", async () => {
  const k = 33025;
  const qweight = toAffineQuantizedIntxStatic(
    tensor(new Float32Array(k).fill(-255), { shape: [1, k] }),
    tensor([1]),
    tensor([127]),
    [1, k],
    int8,
  );
  const layer = new QuantizedLinear({ ...parts(), qweight, targetDtype: uint8 });
  using x = tensor(new Float32Array(k).fill(255), { shape: [1, k] });
  using y = layer.forward(x);
  // Weights of −128, less their zero point 127, times 255, k times.
  assertEquals(await y.item(), Math.fround(-255 * 255 * k));
});

eachBackend("parts of a layer that do not fit together are refused", () => {
  const two = tensor([1, 2]);
  assertThrows(() => new QuantizedLinear(parts(4, { actScale: two })), RangeError, "one scale");
  assertThrows(
    () => new QuantizedLinear(parts(4, { actZeroPoint: two })),
    RangeError,
    "one zero point",
  );
  assertThrows(
    () => new QuantizedLinear(parts(4, { actQuantMin: -1, actQuantMax: 255 })),
    RangeError,
    "the range of uint8",
  );
});

eachBackend("a bias that does not fit the weight is refused when the layer is made or run", () => {
  assertThrows(
    () => new QuantizedLinear(parts(4, { bias: tensor([1, 2]) })).forward(zeros([1, 4])),
    RangeError,
    "the bias must have shape (3,), got (2,)",
  );
});

eachBackend("scales and zero points that do not fit the integers are refused", () => {
  const make = (scale: Tensor, zeroPoint: Tensor | null) =>
    new AffineQuantizedTensor({
      intData: zeros([3, 4], { dtype: int8 }),
      scale,
      zeroPoint,
      blockSize: [1, 4],
      dtype: float32,
    });
  make(tensor([1, 1, 1]), null);
  assertThrows(() => make(tensor([1, 1]), null), RangeError, "the scale has shape (2,)");
  assertThrows(
    () => make(tensor([1, 1, 1]), tensor([0])),
    RangeError,
    "the zeroPoint has shape (1,)",
  );
  assertThrows(
    () => toAffineQuantizedIntxStatic(zeros([3, 4]), tensor([1, 1]), null, [1, 4], int8),
    RangeError,
    "the scale has shape (2,), but a tensor of shape (3, 4) in blocks of (1, 4) needs 3 of them",
  );
});

eachBackend("an input quantized in groups is refused", () => {
  const weight = parts().qweight;
  const groups = (x: Tensor) =>
    toAffineQuantizedIntxStatic(x, tensor([1, 1, 1, 1]), tensor([0, 0, 0, 0]), [1, 2], uint8);
  assertThrows(
    () => toLinearActivationQuantized(weight, groups).linear(zeros([2, 4]), null),
    RangeError,
    "the input must be of 8 bits with one scale for all of it or one a row",
  );
});

eachBackend("a quantized layer is not observed again", async () => {
  const m = observedModel();
  m.forward(randn([1, 4]));
  await quantize_(m, new StaticQuantTensorConfig({ targetDtype: uint8 }), isObservedLinear);
  assertThrows(
    () => insertObservers_(m, minMax(ASYMMETRIC, uint8), minMax(ASYMMETRIC, uint8)),
    TypeError,
    "ObservedLinear.fromFloat: the weight of linear1 (Linear) is quantized already",
  );
});

eachBackend("a disposed tensor is refused by every layer and function", async () => {
  const x = zeros([2, 4]);
  x.dispose();
  const message = "This float32 tensor of shape (2, 4) was disposed";
  const m = observedModel();
  assertThrows(() => m.forward(x), Error, message);
  assertThrows(() => new Linear(4, 2).forward(x), Error, message);
  assertThrows(() => minMax(ASYMMETRIC, uint8).forward(x), Error, message);
  assertThrows(() => quantizeAffine(x, [2, 4], tensor([1]), null, uint8), Error, message);
  const q = await quantized(single(4, 2), uint8, [randn([1, 4])]);
  assertThrows(() => q.forward(x), Error, message);
  const y = zeros([2, 4]);
  const scale = tensor([1]);
  scale.dispose();
  assertThrows(
    () => quantizeAffine(y, [2, 4], scale, null, uint8),
    Error,
    "of shape (1,) was disposed",
  );
});

Deno.test("a tensor larger than the device can bind is refused, with both sizes", async () => {
  await init({ device: "webgpu" });
  const backend = backendFor("webgpu");
  assert(backend instanceof WebGpuBackend);
  const { maxBufferSize, maxStorageBufferBindingSize } = backend.runtime.device.limits;
  const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  const side = Math.ceil(Math.sqrt(most / 4)) + 1; // two long vectors make too large a matrix
  using x = zeros([side, 1]);
  const before = backend.memory();
  const error = assertThrows(() => linear(x, x), RangeError);
  assertStringIncludes(error.message, `linear: a tensor of ${4 * side * side} bytes`);
  assertStringIncludes(error.message, `binds at most ${most} bytes`);
  assertStringIncludes(error.message, '{ device: "cpu" }');
  assertEquals(backend.memory(), before);
  assertEquals((await x.data()).length, side, "the device is as usable as before");
});

Deno.test("a refused product leaves no memory behind", async () => {
  await init({ device: "webgpu" });
  const backend = backendFor("webgpu");
  assert(backend instanceof WebGpuBackend);
  const { maxBufferSize, maxStorageBufferBindingSize } = backend.runtime.device.limits;
  const side = Math.ceil(Math.sqrt(Math.min(maxBufferSize, maxStorageBufferBindingSize) / 4)) + 1;
  const one = tensor([1]);
  const layer = new QuantizedLinear({
    ...parts(),
    qweight: toAffineQuantizedIntxStatic(zeros([side, 1]), one, null, [side, 1], int8),
  });
  using x = zeros([side, 1]);
  const before = backend.memory();
  assertThrows(() => layer.forward(x), RangeError, "binds at most");
  assertEquals(backend.memory().liveBuffers, before.liveBuffers);
});

eachBackend("a misspelt option of an analysis is named, before anything is run", async () => {
  const m = single(4, 2);
  const x = [randn([2, 4])];
  const config = uint8Config();
  const wrong = { onprogress: () => {} } as never;
  const calls: [string, () => Promise<unknown>][] = [
    ["compareModels", () => compareModels(m, m, x, wrong)],
    ["sensitivity", () => sensitivity(m, x, config, wrong)],
    ["searchConfig", () => searchConfig(m, x, wrong)],
    ["smooth_", () => smooth_(m, x, wrong)],
    ["correctBias_", () => correctBias_(m, m, x, wrong)],
  ];
  for (const [name, call] of calls) {
    const { message } = await assertRejects(call, TypeError);
    assertStringIncludes(
      message,
      `${name}: there is no option "onprogress"; did you mean onProgress?`,
    );
  }
  await assertRejects(() => searchConfig(m, x, undefined as never), RangeError, "{ target: 30 }");
  await assertRejects(
    () => sensitivity(m, x, undefined as never),
    TypeError,
    "sensitivity: config must say how to quantize",
  );
  const candidates = [undefined, uint8] as never;
  await assertRejects(
    () => searchConfig(m, x, { target: 3, candidates }),
    TypeError,
    "searchConfig: config must say how to quantize",
  );
});
