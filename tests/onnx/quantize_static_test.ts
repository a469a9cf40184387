import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  calibrateOnnx,
  init,
  OnnxError,
  type OnnxFeeds,
  type OnnxModel,
  OnnxRuntime,
  prepareOnnx,
  quantizeStatic,
  type QuantizeStaticOptions,
  readTensor,
} from "../../mod.ts";
import { graphProto, messages } from "./files.ts";
import { optimized } from "./model.ts";
import { floats, ints, node, noise, operators, smallModel } from "./small_models.ts";

await init({ device: "cpu" });

/** A float32 constant that looks random. */
function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

/** Samples of one shape. */
function samplesOf(shape: readonly number[], count = 4, name = "x"): OnnxFeeds[] {
  const size = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, (_, s) => ({
    [name]: {
      data: Float32Array.from(
        { length: size },
        (_, i) => Math.sin(1.3 * i + s) + 0.3 * Math.cos(0.21 * i * s),
      ),
      dims: shape,
    },
  }));
}

async function run(model: OnnxModel, feeds: OnnxFeeds): Promise<Record<string, Float32Array>> {
  await using runtime = await OnnxRuntime.open("test", model);
  const outputs = Object.entries(await runtime.run(feeds));
  return Object.fromEntries(outputs.map(([name, { data }]) => [name, data as Float32Array]));
}

/** Signal to quantization noise of the only output, in dB. */
async function sqnr(float: OnnxModel, quantized: OnnxModel, feeds: OnnxFeeds): Promise<number> {
  const [x, y] = [await run(float, feeds), await run(quantized, feeds)];
  assertEquals(Object.keys(x), Object.keys(y));
  const [name] = Object.keys(x);
  let [signal, off] = [0, 0];
  x[name].forEach((value, i) => {
    signal += value ** 2;
    off += (value - y[name][i]) ** 2;
  });
  return 10 * Math.log10(signal / off);
}

/** How often each operator stands in what onnxruntime makes of a model. */
async function fused(model: OnnxModel): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const opType of await optimized(model.toBytes())) counts[opType] = (counts[opType] ?? 0) + 1;
  return counts;
}

/** Quantizes, asserts that little is lost, and tells what onnxruntime runs. */
async function quantized(
  float: OnnxModel,
  shape: readonly number[],
  options: QuantizeStaticOptions = {},
  atLeast = 30,
) {
  const samples = samplesOf(shape);
  const result = await quantizeStatic(float, samples, options);
  const loss = await sqnr(float, result.model, samples[1]);
  assert(loss > atLeast, `${loss} dB`);
  result.model.check();
  return { ...result, kernels: await fused(result.model) };
}

/** Conv, Relu, and what is put between it and another Conv. */
function between(
  nodes: ReturnType<typeof node>[],
  last: string,
  extra: ReturnType<typeof floats>[] = [],
) {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w1", "b1"], ["c1"], { pads: { ints: [1, 1, 1, 1] } }),
      node("Relu", ["c1"], ["r"]),
      ...nodes,
      node("Conv", [last, "w2", "b2"], ["c2"]),
    ],
    constants: [
      weight("w1", 8, 3, 3, 3),
      weight("b1", 8),
      weight("w2", 5, 8, 1, 1),
      weight("b2", 5),
      ...extra,
    ],
    inputs: { x: ["float32", 1, 3, 8, 8] },
    outputs: ["c2"],
  });
}
const IMAGE = [1, 3, 8, 8];

Deno.test("quantizeStatic: convolutions become QLinearConv, the Relu between them part of a range", async () => {
  const float = between([], "r");
  const { model, kernels, nodes, activations } = await quantized(float, IMAGE);
  assertEquals(kernels, { QuantizeLinear: 1, QLinearConv: 2, DequantizeLinear: 1 });
  assertEquals(operators(model).Relu, undefined);
  assertEquals(nodes.map(({ opType, quantized }) => [opType, quantized]), [
    ["Conv", true],
    ["Relu", true],
    ["Conv", true],
  ]);
  assertEquals(activations.map(({ name }) => name).toSorted(), ["c1", "c2", "r", "x"]);
  // The float model is as it was.
  assertEquals(operators(float), { Conv: 2, Relu: 1 });
});

Deno.test("quantizeStatic: biases are 32-bit integers at the scale of input times weight", async () => {
  const { model } = await quantizeStatic(between([], "r"), samplesOf(IMAGE));
  const constants = new Map(
    model.graph.initializer.map((tensor) => [tensor.name, readTensor(tensor)]),
  );
  const [conv] = model.graph.node.filter(({ opType }) => opType === "Conv");
  const [x, w, b] = conv.input.map((name) => {
    const { input } = model.graph.node.find(({ output }) => output[0] === name)!;
    return input.map((name) => constants.get(name));
  });
  assertEquals([w[0]!.dtype, b[0]!.dtype, b.length], ["int8", "int32", 2]);
  const sx = (x[1]!.data as Float32Array)[0];
  const sw = w[1]!.data as Float32Array;
  assertEquals(b[1]!.data, sw.map((s) => s * sx));
  const bias = noise(8).data as Float32Array;
  (b[0]!.data as Int32Array).forEach((q, c) =>
    assert(Math.abs(q * sw[c] * sx - bias[c]) <= sw[c] * sx)
  );
});

Deno.test("quantizeStatic: what stands between convolutions computes with bytes", async () => {
  const cases: [string, string, ReturnType<typeof node>[], ReturnType<typeof floats>[]?][] = [
    ["Add", "QLinearAdd", [node("Add", ["r", "k"], ["y"])], [weight("k", 8, 1, 1)]],
    ["Mul", "QLinearMul", [node("Mul", ["r", "r"], ["y"])]],
    ["Sigmoid", "QLinearSigmoid", [node("Sigmoid", ["r"], ["y"])]],
    ["LeakyRelu", "QLinearLeakyRelu", [node("LeakyRelu", ["r"], ["y"])]],
    ["AveragePool", "QLinearAveragePool", [
      node("AveragePool", ["r"], ["y"], { kernel_shape: { ints: [2, 2] } }),
    ]],
    ["GlobalAveragePool", "QLinearGlobalAveragePool", [node("GlobalAveragePool", ["r"], ["y"])]],
  ];
  for (const [opType, kernel, nodes, extra] of cases) {
    const { kernels } = await quantized(between(nodes, "y", extra), IMAGE, {}, 25);
    const expected = { QuantizeLinear: 1, QLinearConv: 2, DequantizeLinear: 1, [kernel]: 1 };
    assertEquals(kernels, expected, opType);
  }
});

Deno.test("quantizeStatic: what only moves elements lets bytes through, with one range", async () => {
  const concat = node("Concat", ["half", "half"], ["y"], { axis: { i: 1 } });
  const moves = [
    node("MaxPool", ["r"], ["m"], { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } }),
    node("Transpose", ["m"], ["t"], { perm: { ints: [0, 2, 3, 1] } }),
    node("Reshape", ["t", "shape"], ["f"]),
    node("Unsqueeze", ["f", "zero"], ["u"]),
    node("Squeeze", ["u", "zero"], ["s"]),
    node("Transpose", ["s"], ["back"], { perm: { ints: [0, 3, 1, 2] } }),
    node("Resize", ["back", "", "scales"], ["big"]),
    node("Slice", ["big", "zero", "four", "one"], ["half"]),
    concat,
  ];
  const float = between(moves, "y", [floats("scales", [4], [1, 1, 2, 2])]);
  float.graph.initializer.push(
    ints("shape", [1, 4, 4, 8]),
    ints("zero", [0]),
    ints("one", [1]),
    ints("four", [4]),
  );
  const { kernels, activations } = await quantized(float, IMAGE);
  assertEquals([kernels.QuantizeLinear, kernels.DequantizeLinear, kernels.QLinearConcat], [
    1,
    1,
    1,
  ]);
  const scales = ["r", "m", "t", "f", "u", "s", "back", "big", "half"]
    .map((name) => activations.find((each) => each.name === name)!.scale);
  assertEquals(new Set(scales).size, 1);
});

Deno.test("quantizeStatic: DepthToSpace lets bytes through", async () => {
  const shuffle = node("DepthToSpace", ["r"], ["d"], { blocksize: { i: 2 } });
  const float = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["c"]),
      node("Relu", ["c"], ["r"]),
      shuffle,
      node("Conv", ["d", "v"], ["y"]),
    ],
    constants: [weight("w", 8, 3, 1, 1), weight("v", 4, 2, 1, 1)],
    inputs: { x: ["float32", 1, 3, 8, 8] },
    outputs: ["y"],
  });
  const { kernels } = await quantized(float, IMAGE);
  assertEquals(kernels, {
    QuantizeLinear: 1,
    QLinearConv: 2,
    DepthToSpace: 1,
    DequantizeLinear: 1,
  });
});

Deno.test("quantizeStatic: a hard swish: the Clip is absorbed, sum and product are integers", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["c"]),
      node("Add", ["c", "three"], ["a"]),
      node("Clip", ["a", "zero", "six"], ["k"]),
      node("Mul", ["c", "k"], ["h"]),
      node("Conv", ["h", "v"], ["y"]),
    ],
    constants: [
      weight("w", 8, 3, 1, 1),
      weight("v", 4, 8, 1, 1),
      floats("three", [], [3]),
      floats("zero", [], [0]),
      floats("six", [], [6]),
    ],
    inputs: { x: ["float32", 1, 3, 8, 8] },
    outputs: ["y"],
  });
  const { kernels, activations } = await quantized(float, IMAGE);
  assertEquals(kernels, {
    QuantizeLinear: 1,
    QLinearConv: 2,
    QLinearAdd: 1,
    QLinearMul: 1,
    DequantizeLinear: 1,
  });
  const { min, max } = activations.find(({ name }) => name === "k")!;
  assert(min >= 0 && max <= 6);
});

Deno.test("quantizeStatic: a Relu that a symmetric range cannot stand for stays, between integers", async () => {
  const options = { activationType: "int8", activationSymmetric: true } as const;
  const { model, kernels } = await quantized(between([], "r"), IMAGE, options);
  assertEquals(operators(model).Relu, 1);
  assertEquals(kernels.QLinearConv, 2);
});

Deno.test("quantizeStatic: attention, whose products have two activations", async () => {
  const head = (name: string) => node("MatMul", ["x", `w${name}`], [name]);
  const float = smallModel({
    opset: 17,
    nodes: [
      ...["q", "k", "v"].map(head),
      node("Transpose", ["k"], ["kt"], { perm: { ints: [0, 2, 1] } }),
      node("MatMul", ["q", "kt"], ["scores"]),
      node("Softmax", ["scores"], ["shares"]),
      node("MatMul", ["shares", "v"], ["mixed"]),
      node("MatMul", ["mixed", "wo"], ["o"]),
      node("Add", ["o", "bo"], ["y"]),
    ],
    constants: [
      ...["q", "k", "v", "o"].map((name) => weight(`w${name}`, 16, 16)),
      weight("bo", 16),
    ],
    inputs: { x: ["float32", "n", "length", 16] },
    outputs: ["y"],
  });
  const opTypesToQuantize = ["MatMul", "Transpose", "Add"];
  const { kernels, nodes } = await quantized(float, [2, 6, 16], { opTypesToQuantize }, 20);
  assertEquals(kernels.MatMul, undefined);
  // Where floats are wanted, as before a Softmax and at the end, products give floats.
  assertEquals([kernels.QLinearMatMul, kernels.MatMulIntegerToFloat, kernels.Softmax], [4, 2, 1]);
  const add = nodes.find(({ opType }) => opType === "Add")!;
  assertEquals(add.reason, "nothing that reads its output computes with integers");
});

Deno.test("quantizeStatic: Gemm with a bias, its weight either way round", async () => {
  for (const transB of [0, 1]) {
    const float = smallModel({
      opset: 17,
      nodes: [
        node("Gemm", ["x", "w", "b"], ["h"], { transB: { i: transB } }),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "v", "c"], ["y"]),
      ],
      constants: [
        transB ? weight("w", 12, 8) : weight("w", 8, 12),
        weight("b", 12),
        weight("v", 12, 4),
        weight("c", 4),
      ],
      inputs: { x: ["float32", "n", 8] },
      outputs: ["y"],
    });
    for (const perChannel of [true, false]) {
      const { kernels } = await quantized(float, [5, 8], { perChannel });
      assertEquals(kernels, { QuantizeLinear: 1, QGemm: 2 });
    }
  }
});

Deno.test("quantizeStatic: ConvTranspose has no integer kernel: its weight alone becomes bytes", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [node("Conv", ["x", "w"], ["c"]), node("ConvTranspose", ["c", "t", "b"], ["y"])],
    constants: [weight("w", 8, 3, 1, 1), weight("t", 8, 4, 2, 2), weight("b", 4)],
    inputs: { x: ["float32", 1, 3, 8, 8] },
    outputs: ["y"],
  });
  const { model, activations } = await quantized(float, IMAGE);
  assertEquals(activations.map(({ name }) => name).toSorted(), ["c", "x"]);
  const types = model.graph.initializer.map((tensor) => readTensor(tensor))
    .filter(({ data }) => data.length > 16).map(({ dtype }) => dtype);
  assertEquals(types, ["int8", "int8"]);
});

Deno.test("quantizeStatic: types, symmetry, range and granularity of weights", async () => {
  const float = between([], "r");
  const cases: [QuantizeStaticOptions, string, (q: number[], z: number[]) => boolean][] = [
    [{}, "int8", (q, z) => Math.min(...q) >= -127 && z.length === 8 && z.every((x) => x === 0)],
    [{ perChannel: false }, "int8", (_, z) => z.length === 1],
    [
      { perChannel: false, weightSymmetric: false },
      "int8",
      (q, [z]) => z !== 0 && Math.min(...q) === -128,
    ],
    [{ weightType: "uint8" }, "uint8", (_, z) => z.every((x) => x === 128)],
    [{ reduceRange: true }, "int8", (q) => Math.max(...q.map(Math.abs)) === 63],
  ];
  for (const [options, type, holds] of cases) {
    const { model, kernels } = await quantized(float, IMAGE, options, 25);
    assertEquals(kernels.QLinearConv, 2, JSON.stringify(options));
    const dq = model.graph.node.find(({ output }) => output[0] === "w1_dequantized")!;
    const [q, , z] = dq.input.map((name) =>
      readTensor(model.graph.initializer.find((t) => t.name === name)!)
    );
    assertEquals(q.dtype, type);
    const numbers = [q, z].map(({ data }) => Array.from(data as Int8Array));
    assert(holds(numbers[0], numbers[1]), JSON.stringify(options));
  }
});

Deno.test("quantizeStatic: weights of 4 bits are multiplied with floats", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("Tanh", ["h"], ["r"]),
      node("MatMul", ["r", "v"], ["y"]),
    ],
    constants: [weight("w", 64, 32), weight("v", 32, 8)],
    inputs: { x: ["float32", "n", 64] },
    outputs: ["y"],
  });
  for (const weightType of ["int4", "uint4"] as const) {
    const { model, kernels } = await quantized(float, [3, 64], { weightType }, 12);
    assertEquals(model.opset(), 21);
    assertEquals(kernels, { MatMulNBits: 2, Tanh: 1 });
  }
});

Deno.test("quantizeStatic: operators and nodes can be chosen and left out", async () => {
  const float = between([node("Sigmoid", ["r"], ["y"])], "y");
  float.graph.node.forEach((each, i) => each.name = `n${i}`);
  const samples = samplesOf(IMAGE);
  const calibration = await calibrateOnnx(float, samples);
  const outcome = async (options: QuantizeStaticOptions) => {
    const { nodes } = await quantizeStatic(float, calibration, options);
    return Object.fromEntries(nodes.map(({ name, reason }) => [name, reason ?? "quantized"]));
  };
  assertEquals(
    (await outcome({ opTypesToQuantize: ["Conv", "Relu"] })).n2,
    "its operator is not to be quantized",
  );
  assertEquals(await outcome({ nodesToExclude: ["n3"] }), {
    n0: "quantized",
    n1: "quantized",
    n2: "nothing that reads its output computes with integers",
    n3: "it is left out by nodesToExclude",
  });
  assertEquals((await outcome({ nodesToQuantize: ["n0"] })).n3, "nodesToQuantize does not name it");
  const refuse = (options: QuantizeStaticOptions, text: string) =>
    assertRejects(() => quantizeStatic(float, calibration, options), OnnxError, text);
  await refuse({ nodesToExclude: ["n9"] }, `no node "n9"`);
  await refuse({ opTypesToQuantize: ["Conv", "Gru"] }, `"Gru", which is no operator of ONNX`);
  const everything = { nodesToExclude: ["n0", "n1", "n2", "n3"] };
  const { model } = await quantizeStatic(float, calibration, everything);
  assertEquals(operators(model), operators(calibration.model));
});

Deno.test("quantizeStatic: ranges, or scales and zero points, can be given", async () => {
  const float = between([], "r");
  const samples = samplesOf(IMAGE);
  const tensorOverrides = { x: { min: -8, max: 7.9375 }, r: { scale: 0.25, zeroPoint: 3 } };
  const { activations } = await quantizeStatic(float, samples, { tensorOverrides });
  const of = (name: string) => activations.find((each) => each.name === name)!;
  assertEquals([of("x").scale, of("x").zeroPoint], [0.0625, 128]);
  assertEquals([of("r").scale, of("r").zeroPoint], [0.25, 3]);
  await assertRejects(
    () => quantizeStatic(float, samples, { tensorOverrides: { z: { min: 0, max: 1 } } }),
    OnnxError,
    `"z"`,
  );
});

Deno.test("quantizeStatic: outputs keep their names and types, branches what they read", async () => {
  const branch = (name: string) =>
    graphProto({
      name,
      node: [messages.node({ opType: "Neg", input: ["c"], output: [`${name}.y`] })],
      output: [messages.valueInfo(`${name}.y`, "float32")],
    });
  const float = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["c"]),
      node("Conv", ["c", "v"], ["y"]),
      node("If", ["yes"], ["z"], {
        then_branch: { g: branch("a") },
        else_branch: { g: branch("b") },
      }),
    ],
    constants: [
      weight("w", 8, 3, 1, 1),
      weight("v", 4, 8, 1, 1),
      messages.tensor("yes", "bool", [], [1]),
    ],
    inputs: { x: ["float32", 1, 3, 8, 8] },
    outputs: ["c", "y", "z"],
  });
  const samples = samplesOf(IMAGE);
  const { model } = await quantizeStatic(float, samples);
  const [expected, actual] = [await run(float, samples[0]), await run(model, samples[0])];
  assertEquals(Object.keys(actual), ["c", "y", "z"]);
  for (const name of ["c", "y", "z"]) {
    const largest = Math.max(...expected[name].map(Math.abs));
    actual[name].forEach((value, i) => assert(Math.abs(value - expected[name][i]) < largest / 50));
  }
});

Deno.test("quantizeStatic: nodes that share a weight share its integers", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["c"]),
      node("Conv", ["c", "w", "b"], ["d"]),
      node("Conv", ["d", "w"], ["y"]),
    ],
    constants: [weight("w", 3, 3, 1, 1), weight("b", 3)],
    inputs: { x: ["float32", 1, 3, 8, 8] },
    outputs: ["y"],
  });
  const { model } = await quantized(float, IMAGE, {}, 20);
  const integers = model.graph.initializer.filter(({ dims }) => dims.length === 4);
  assertEquals(integers.length, 1);
});

Deno.test("quantizeStatic: a weight that is read along two axes has integers for each", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [
      node("Gemm", ["x", "w"], ["h"], { transB: { i: 1 } }),
      node("MatMul", ["h", "w"], ["y"]),
    ],
    // Larger than what is looked for among constants that are there.
    constants: [weight("w", 96, 96)],
    inputs: { x: ["float32", "n", 96] },
    outputs: ["y"],
  });
  const { model } = await quantized(float, [4, 96], {}, 25);
  assertEquals(model.graph.initializer.filter(({ dims }) => dims.length === 2).length, 2);
});

Deno.test("quantizeStatic: a table that is looked up in becomes bytes", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [node("Gather", ["table", "i"], ["e"]), node("MatMul", ["e", "w"], ["y"])],
    constants: [weight("table", 50, 8), weight("w", 8, 3)],
    inputs: { i: ["int64", "n"] },
    outputs: ["y"],
  });
  const feeds = { i: { data: BigInt64Array.of(3n, 0n, 49n), dims: [3] } };
  const { model } = await quantizeStatic(float, [feeds]);
  assert(await sqnr(float, model, feeds) > 30);
  const table = model.graph.initializer.map((tensor) => readTensor(tensor))
    .find(({ dims }) => dims[0] === 50)!;
  assertEquals(table.dtype, "uint8");
});

Deno.test("quantizeStatic: a model that is quantized already, or options that are none", async () => {
  const float = between([], "r");
  const samples = samplesOf(IMAGE);
  const { model } = await quantizeStatic(float, samples);
  await assertRejects(() => quantizeStatic(model, samples), OnnxError, "quantized already");
  const refuse = (options: unknown, text: string) =>
    assertRejects(
      () => quantizeStatic(float, samples, options as QuantizeStaticOptions),
      TypeError,
      text,
    );
  await refuse({ weightType: "int2" }, "weightType is int2");
  await refuse({ activationType: "int16" }, "activationType is int16");
  await refuse({ activationType: "int8", weightType: "uint8" }, "no kernel");
});

Deno.test("quantizeStatic: a calibration that has not seen what is asked for", async () => {
  const float = between([], "r");
  float.graph.node.forEach((each, i) => each.name = `n${i}`);
  const calibration = await calibrateOnnx(float, samplesOf(IMAGE), { nodesToQuantize: ["n0"] });
  await assertRejects(
    () => quantizeStatic(float, calibration),
    OnnxError,
    `has not observed "c2"`,
  );
});

Deno.test("quantizeStatic: a product whose Relu or Clip gives floats has an integer kernel too", async () => {
  const clips = [
    [node("Relu", ["h"], ["r"]), { Max: 1 }],
    [node("Clip", ["h", "low", "high"], ["r"]), { Max: 1, Min: 1 }],
    [node("Clip", ["h", "", "high"], ["r"]), { Min: 1 }],
  ] as const;
  for (const [clip, instead] of clips) {
    const float = smallModel({
      opset: 17,
      nodes: [node("MatMul", ["x", "w"], ["h"]), clip, node("Tanh", ["r"], ["y"])],
      constants: [weight("w", 32, 8), floats("low", [], [-0.5]), floats("high", [], [1])],
      inputs: { x: ["float32", "n", 32] },
      outputs: ["y"],
    });
    const { kernels } = await quantized(float, [3, 32], {}, 25);
    assertEquals([kernels.MatMulIntegerToFloat, kernels.Max, kernels.Min, kernels.Relu], [
      1,
      "Max" in instead ? 1 : undefined,
      "Min" in instead ? 1 : undefined,
      undefined,
    ]);
    if (clip.opType !== "Relu") continue;
    const nibbles = await quantized(float, [3, 32], { weightType: "int4" }, 12);
    assertEquals([nibbles.kernels.MatMulNBits, nibbles.kernels.Max], [1, 1]);
  }
});

Deno.test("quantizeStatic: a product that gives floats to a sum with a vector has an integer kernel", async () => {
  for (const dims of [[3, 32], [2, 3, 32], [1, 2, 3, 32]]) {
    const float = smallModel({
      opset: 17,
      nodes: [
        node("MatMul", ["x", "w"], ["h"]),
        node("Add", ["b", "h"], ["s"]),
        node("Tanh", ["s"], ["y"]),
      ],
      constants: [weight("w", 32, 8), weight("b", 8)],
      inputs: { x: ["float32", ...dims] },
      outputs: ["y"],
    });
    const { kernels, nodes } = await quantized(float, dims, {}, 25);
    assertEquals([kernels.MatMul, kernels.Gemm, nodes[0].quantized], [undefined, undefined, true]);
  }
});

Deno.test("quantizeStatic: nothing to quantize", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [node("Tanh", ["x"], ["y"])],
    inputs: { x: ["float32", "n", 2] },
    outputs: ["y"],
  });
  await assertRejects(
    () => quantizeStatic(float, samplesOf([1, 2])),
    OnnxError,
    "there is nothing to quantize",
  );
});

Deno.test("quantizeStatic: the same samples give the same bytes", async () => {
  const float = await prepareOnnx(between([node("Mul", ["r", "r"], ["y"])], "y"));
  const make = async () => (await quantizeStatic(float, samplesOf(IMAGE))).model.toBytes();
  assertEquals(await make(), await make());
});

Deno.test("quantizeStatic: a weight or a bias that is not finite is refused with its place", async () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (const spoilt of ["w", "b"]) {
      const w = Array.from({ length: 32 }, (_, i) => spoilt === "w" && i === 13 ? bad : i / 10);
      const b = Array.from({ length: 8 }, (_, i) => spoilt === "b" && i === 5 ? bad : i / 10);
      const float = smallModel({
        opset: 17,
        nodes: [node("Gemm", ["x", "w", "b"], ["y"])],
        constants: [floats("w", [4, 8], w), floats("b", [8], b)],
        inputs: { x: ["float32", "n", 4] },
        outputs: ["y"],
      });
      const at = spoilt === "w" ? "(1, 5)" : "(5)";
      await assertRejects(
        () => quantizeStatic(float, samplesOf([2, 4])),
        OnnxError,
        `"${spoilt}" holds ${bad} at ${at}`,
      );
    }
  }
});

Deno.test("quantizeStatic: the model says what made it, and in which version", async () => {
  const { model: { proto } } = await quantizeStatic(between([], "r"), samplesOf(IMAGE));
  const { version } = JSON.parse(
    await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
  );
  assertEquals([proto.producerName, proto.producerVersion], ["staticquant", version]);
});
