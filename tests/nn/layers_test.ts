/** What layers are made with, refuse and hold; what they compute stands beside PyTorch's in tests/conformance. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import * as library from "../../mod.ts";
import {
  backendFor,
  BatchNorm2d,
  bfloat16,
  Conv2d,
  ConvTranspose2d,
  deepcopy,
  type Device,
  Dropout,
  Embedding,
  Flatten,
  float16,
  float32,
  GELU,
  GroupNorm,
  GRU,
  Identity,
  init,
  int32,
  int8,
  LayerNorm,
  Linear,
  loadSafetensors,
  LSTM,
  manualSeed,
  MaxPool2d,
  type Module,
  MultiheadAttention,
  ones,
  PReLU,
  randn,
  ReLU,
  RMSNorm,
  saveSafetensors,
  Sequential,
  Softmax,
  type Tensor,
  TransformerEncoder,
  TransformerEncoderLayer,
  Unflatten,
  Upsample,
  zeros,
} from "../../mod.ts";
import { eachBackend } from "../backends.ts";

type Make = (...args: unknown[]) => () => Module;

/** Calls a constructor with what its types would not let through. */
const of = (name: string): Make => (...args) => () => {
  const classes = library as unknown as Record<string, new (...args: unknown[]) => Module>;
  return new classes[name](...args);
};

Deno.test("sizes that are none are refused with the layer and the argument", () => {
  const range = (make: () => Module, message: string) => assertThrows(make, RangeError, message);
  range(of("Conv2d")(3.5, 4, 3), "Conv2d: inChannels must be a positive integer, got 3.5");
  range(of("Conv2d")(3, 4), "Conv2d: kernelSize must be a positive integer, got undefined");
  range(
    of("Conv2d")(3, 4, [3]),
    "Conv2d: kernelSize must be one integer or a list of 2, got a list of 1",
  );
  range(of("Conv2d")(3, 4, [3, 0]), "Conv2d: kernelSize[1] must be a positive integer, got 0");
  range(of("Conv2d")(3, 4, 3, { padding: -1 }), "Conv2d: padding must be a non-negative integer");
  range(
    of("Conv2d")(3, 4, 3, { groups: 2 }),
    "inChannels must be a multiple of groups, got inChannels = 3",
  );
  range(of("Conv2d")(4, 3, 3, { groups: 2 }), "outChannels must be a multiple of groups");
  range(
    of("Conv1d")(3, 4, 3, { padding: "same", stride: 2 }),
    "keeps sizes only with stride 1, got 2",
  );
  range(
    of("ConvTranspose2d")(3, 4, 3, { outputPadding: 1 }),
    "outputPadding must be smaller than stride",
  );
  range(of("BatchNorm2d")(0), "BatchNorm2d: numFeatures must be a positive integer, got 0");
  range(of("LayerNorm")([]), "LayerNorm: normalizedShape must have a size at least");
  range(
    of("RMSNorm")([2, "3"]),
    `RMSNorm: normalizedShape must be a positive integer, got the text "3"`,
  );
  range(of("GroupNorm")(3, 4), "numChannels must be a multiple of numGroups, got 4 and 3");
  range(of("Embedding")(3, 4, { paddingIdx: 3 }), "paddingIdx must be an index of 3 rows, got 3");
  range(of("Dropout")({ p: 2 }), "Dropout: p must lie in [0, 1], got 2");
  range(of("Softmax")(), "Softmax: dim must be an integer, got undefined");
  range(of("Flatten")({ startDim: 0.5 }), "Flatten: startDim must be an integer, got 0.5");
  range(of("Unflatten")(1, [-1, -1]), "one size of unflattenedSize may be -1");
  range(of("MaxPool2d")(3, { padding: 2 }), "padding must be at most half of the window, got 2");
  range(of("AdaptiveAvgPool2d")([1, 2, 3]), "outputSize must be one size or a list of 2");
  range(of("AdaptiveMaxPool2d")(0), "AdaptiveMaxPool2d: outputSize must be a positive integer");
  range(of("MultiheadAttention")(8, 3), "embedDim must be a multiple of numHeads, got 8 and 3");
  range(of("LSTM")(3, 4, { numLayers: 0 }), "LSTM: numLayers must be a positive integer, got 0");
  range(
    of("TransformerEncoder")(new TransformerEncoderLayer(4, 2, { dimFeedforward: 4 }), 0),
    "numLayers",
  );
});

Deno.test("options that are none are refused with what is meant", () => {
  const type = (make: () => Module, message: string) => assertThrows(make, TypeError, message);
  type(
    of("Conv2d")(3, 4, 3, { strides: 2 }),
    'Conv2d: there is no option "strides"; did you mean stride?',
  );
  type(of("Conv2d")(3, 4, 3, 2), "Conv2d: the options must be an object");
  type(
    of("Conv2d")(3, 4, 3, { padding: "full" }),
    `padding is "full", but must be one of "same", "valid"`,
  );
  type(of("Conv2d")(3, 4, 3, { paddingMode: "mirror" }), `"reflect"`);
  type(of("Conv2d")(3, 4, 3, { dtype: "float16" }), "give the value float16");
  type(of("Conv2d")(3, 4, 3, { dtype: int8 }), "parameters are floats, but dtype is int8");
  type(of("Conv2d")(3, 4, 3, { bias: "yes" }), "bias must be a Tensor, got the text");
  type(of("BatchNorm1d")(3, { affine: 1 }), "BatchNorm1d: affine must be true or false, got 1");
  type(of("LayerNorm")(3, { eps: "1" }), "LayerNorm: eps must be a number");
  type(of("GELU")({ approximate: true }), "GELU: approximate is true");
  type(of("LeakyReLU")(0.1), "LeakyReLU: the options must be an object { negativeSlope }, got 0.1");
  type(of("Upsample")({}), "Upsample: give size or scaleFactor, and not both");
  type(of("Upsample")({ size: 3, scaleFactor: 2 }), "and not both");
  type(of("Upsample")({ size: 3, mode: "cubic" }), "did you mean");
  type(of("LSTM")(3, 4, { bidirection: true }), "did you mean bidirectional?");
  type(
    of("TransformerEncoderLayer")(4, 2, { activation: "silu" }),
    `activation must be "relu", "gelu" or a Module`,
  );
  type(
    of("TransformerEncoder")(new ReLU(), 2),
    "expected a TransformerEncoderLayer to copy, got a ReLU",
  );
});

Deno.test("a layer that a device cannot hold is refused before a number is drawn", () => {
  const device = "cpu";
  assertThrows(() => new Conv2d(2 ** 20, 2 ** 20, 3, { device }), RangeError, "Conv2d");
  assertThrows(() => new Embedding(2 ** 30, 2 ** 10, { device }), RangeError, "Embedding");
  assertThrows(() => new LSTM(2 ** 20, 2 ** 20, { device }), RangeError, "LSTM");
  assertThrows(
    () => new MultiheadAttention(2 ** 20, 1, { device }),
    RangeError,
    "MultiheadAttention",
  );
});

eachBackend("inputs of another shape are refused with the shape that is wanted", (device) => {
  const refused = (m: Module, shape: number[], message: string) => {
    const error = assertThrows(() => m.forward(zeros(shape, { device })), RangeError, message);
    assert(error.message.startsWith(m.constructor.name), error.message);
  };
  const options = { device };
  refused(
    new Conv2d(3, 4, 3, options),
    [3],
    "expected an input (N, 3, H, W)",
  );
  refused(new Conv2d(3, 4, 3, options), [1, 4, 8, 8], "(1, 4, 8, 8)");
  refused(new Conv2d(3, 4, 3, options), [1, 3, 2, 8], "");
  refused(new ConvTranspose2d(3, 4, 3, options), [1, 4, 8, 8], "(1, 4, 8, 8)");
  refused(new BatchNorm2d(3, options), [1, 4, 8, 8], "must have 3 channels, got (1, 4, 8, 8)");
  refused(
    new BatchNorm2d(3, options),
    [1, 3, 8],
    "the input must have shape (N, C, H, W), got (1, 3, 8)",
  );
  refused(new LayerNorm(3, options), [1, 4], "");
  refused(new GroupNorm(1, 3, options), [1, 4, 2], "the input must have shape (N, 3, …)");
  refused(new MaxPool2d(2), [4], "(N, C, H, W) or (C, H, W)");
  refused(new Flatten({ startDim: 3 }), [1, 2], "there is no dimension 3");
  refused(new Flatten({ startDim: 1, endDim: 0 }), [1, 2], "endDim = 0 comes before startDim = 1");
  refused(new Unflatten(1, [2, 2]), [1, 5], "sizes (2, 2) do not fill dimension 1");
  refused(new PReLU({ numParameters: 3, device }), [1, 4], "");
  refused(
    new MultiheadAttention(4, 2, options),
    [1, 2, 5],
    "the query must have shape (L, N, 4) or (L, 4)",
  );
  refused(new LSTM(4, 2, options), [1, 2, 5], "the input must have shape (L, N, 4)");
  refused(new GRU(4, 2, { batchFirst: true, device }), [1, 0, 4], "(N, L, 4)");
  const lstm = new LSTM(4, 2, options);
  const x = zeros([3, 2, 4], options);
  const state = zeros([1, 3, 2], options);
  assertThrows(
    () => lstm.forward(x, state, state),
    RangeError,
    "hidden state must have shape (1, 2, 2)",
  );
  assertThrows(() => lstm.forward(x, state), TypeError, "h0 and c0 must be given together");
  assertThrows(() => lstm.forward(x.to(bfloat16)), TypeError, "convert one with .to(float32)");
  assertThrows(
    () => new Embedding(3, 4, options).forward(zeros([2], options)),
    TypeError,
    "integers",
  );
  const mask = zeros([4, 4], options);
  const attention = new MultiheadAttention(4, 2, options);
  assertThrows(
    () => attention.forward(x, x, x, null, mask),
    RangeError,
    "attnMask must have shape (3, 3) or (4, 3, 3), got (4, 4)",
  );
  assertThrows(
    () => attention.forward(x, x, zeros([4, 2, 4], options)),
    RangeError,
    "as many keys as values, got 3 and 4",
  );
});

Deno.test("parameters start out as PyTorch's do, the same for the same seed", async () => {
  const device = "cpu";
  const make = () => {
    manualSeed(5);
    return [
      new Conv2d(16, 32, 3, { device, groups: 2 }).weight,
      new ConvTranspose2d(16, 32, 3, { device }).bias!,
      new MultiheadAttention(32, 4, { device }).in_proj_weight!,
      new LSTM(8, 64, { device }).stateDict().weight_hh_l0,
      new Embedding(200, 20, { device }).weight,
    ];
  };
  const bounds = [1 / Math.sqrt(8 * 9), 1 / Math.sqrt(32 * 9), Math.sqrt(6 / 128), 1 / 8];
  const again = make();
  for (const [i, t] of make().entries()) {
    const values = await t.data();
    assertEquals(await again[i].data(), values);
    const variance = [...values].reduce((sum, v) => sum + v * v, 0) / values.length;
    const bound = bounds[i];
    if (bound === undefined) assertAlmostEquals(variance, 1, 0.1);
    else {
      assert(values.every((v) => Math.abs(v) <= bound), `${i}`);
      assertAlmostEquals(variance / (bound * bound / 3), 1, values.length > 1000 ? 0.1 : 0.5);
    }
  }
  const attention = new MultiheadAttention(8, 2, { device });
  assertEquals([...await attention.in_proj_bias!.data()], Array(24).fill(0));
  assertEquals([...await (attention.out_proj as Linear).bias!.data()], Array(8).fill(0));
  const table = await new Embedding(3, 2, { device, paddingIdx: 1 }).weight.data();
  assertEquals([...table].map((v) => v === 0), [false, false, true, true, false, false]);
  const norm = new BatchNorm2d(2, { device });
  const state = await Promise.all(Object.values(norm.stateDict()).map((t) => t.data()));
  assertEquals(state.map((v) => [...v]), [[1, 1], [0, 0], [0, 0], [1, 1], [0]]);
});

eachBackend("weights that are given are held, not copied", (device) => {
  const weight = ones([2, 3, 1, 1], { device });
  const bias = zeros([2], { device });
  const conv = new Conv2d(3, 2, 1, { weight, bias });
  assertStrictEquals(conv.weight, weight);
  assertStrictEquals(conv.bias, bias);
  assertStrictEquals(new Conv2d(3, 2, 1, { device, bias: null }).bias, null);
  assertThrows(
    () => new Conv2d(3, 2, 3, { weight }),
    RangeError,
    "Conv2d: the weight must have shape (2, 3, 3, 3), got (2, 3, 1, 1)",
  );
});

/** A model of many kinds of layers, and what it takes. */
function manyKinds(device: Device): { model: Sequential; x: Tensor } {
  const model = new Sequential([
    new Conv2d(3, 8, 3, { padding: 1, device }),
    new BatchNorm2d(8, { device }),
    new Sequential({ act: new GELU(), drop: new Dropout(), same: new Identity() }),
    new MaxPool2d(2),
    new ConvTranspose2d(8, 4, 2, { stride: 2, device }),
    new GroupNorm(2, 4, { device }),
    new Upsample({ scaleFactor: 2 }),
    new Conv2d(4, 4, 4, { stride: 4, paddingMode: "reflect", padding: 1, device }),
    new PReLU({ device }),
    new Flatten({ startDim: 2 }),
    new LayerNorm(16, { device }),
    new TransformerEncoder(
      new TransformerEncoderLayer(16, 2, { dimFeedforward: 8, batchFirst: true, device }),
      2,
      { norm: new RMSNorm(16, { device }) },
    ),
    new LSTM(16, 6, { batchFirst: true, bidirectional: true, numLayers: 2, device }),
    new GRU(12, 5, { batchFirst: true, device }),
    new Linear(5, 4, { device }),
    new Softmax(-1),
  ]);
  return { model, x: randn([2, 3, 8, 8], { device }) };
}

eachBackend("a deep forward frees all that it made but its output", (device) => {
  const { model, x } = manyKinds(device);
  model.forward(x).dispose(); // what is made once stays
  const before = backendFor(device).memory().liveBuffers;
  for (let i = 0; i < 3; i++) {
    const y = model.forward(x);
    assertEquals(y.shape, [2, 4, 4]);
    assertEquals(backendFor(device).memory().liveBuffers, before + 1);
    y.dispose();
    assertEquals(backendFor(device).memory().liveBuffers, before);
  }
});

eachBackend("a forward that fails frees what it made until then", (device) => {
  const before = backendFor(device).memory().liveBuffers;
  const lstm = new LSTM(4, 3, { device, numLayers: 2 });
  Object.assign(lstm, { weight_ih_l1: zeros([12, 5], { device }) }); // no longer fits
  const held = backendFor(device).memory().liveBuffers;
  using x = zeros([2, 1, 4], { device });
  assertThrows(() => lstm.forward(x), RangeError, "LSTM");
  assertEquals(backendFor(device).memory().liveBuffers, held + 1);
  assert(held > before);
});

eachBackend(
  "a model of all kinds goes to another dtype, is copied, saved and loaded",
  async (device) => {
    const { model, x } = manyKinds(device);
    const y = await model.forward(x).data();
    const copy = deepcopy(model);
    assertEquals(String(copy), String(model));
    assertEquals(await copy.forward(x).data(), y);
    const file = await saveSafetensors(model.stateDict());
    const { model: other } = manyKinds(device);
    other.loadStateDict(loadSafetensors(file, { device }));
    assertEquals(await other.forward(x).data(), y);
    for (const dtype of [float16, bfloat16]) {
      const narrow = deepcopy(model).to(dtype);
      for (const [name, t] of Object.entries(narrow.stateDict())) {
        const counts = name.endsWith("num_batches_tracked");
        assertStrictEquals(t.dtype, counts ? int32 : dtype, name);
      }
      const z = narrow.forward(x.to(dtype));
      assertStrictEquals(z.dtype, dtype);
      const values = await z.data();
      assert(values.every((v, i) => Math.abs(v - y[i]) < (dtype === float16 ? 0.01 : 0.08)));
    }
    assertStrictEquals((copy.to(float32).forward(x)).dtype, float32);
  },
);

Deno.test("a model of all kinds goes to another device and back", async () => {
  await init({ device: "webgpu" });
  const { model, x } = manyKinds("webgpu");
  const y = await model.forward(x).data();
  await model.to("cpu");
  assert(Object.values(model.stateDict()).every((t) => t.device === "cpu"));
  const z = await model.forward(await x.to("cpu")).data();
  assert(z.every((v, i) => Math.abs(v - y[i]) < 1e-5));
  await model.to("webgpu");
  assertEquals(await model.forward(x).data(), y);
});
