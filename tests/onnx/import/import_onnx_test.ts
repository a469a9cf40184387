import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { backendFor, importOnnx, init, int32, OnnxError, tensor, uint8 } from "../../../mod.ts";
import type { OnnxDataType } from "../../../lib/onnx/file/data_type.ts";
import { eachBackend } from "../../backends.ts";
import { fileOf, graphProto, messages, modelProto } from "../files.ts";
import { floats, ints, node, smallModel } from "../small_models.ts";
import { assertSame, feed, noise } from "./against_onnxruntime.ts";
import { OnnxModel } from "../../../lib/onnx/file/model.ts";

/** y = relu(x·W + b) reshaped by what its own shape says. */
function layeredModel() {
  return smallModel({
    opset: 13,
    inputs: { x: ["float32", "n", 3] },
    outputs: ["y"],
    constants: [
      floats("w", [3, 2], [1, -2, 3, -4, 5, -6]),
      floats("b", [2], [0.5, -0.5]),
      ints("zero", [0], []),
      ints("minus", [-1]),
      ints("axes", [0]),
    ],
    nodes: [
      messages.node({ name: "fc.0", opType: "MatMul", input: ["x", "w"], output: ["p"] }),
      messages.node({ name: "7", opType: "Add", input: ["p", "b"], output: ["s"] }),
      messages.node({ name: "relu", opType: "Relu", input: ["s"], output: ["r"] }),
      node("Shape", ["r"], ["shape"]),
      messages.node({ name: "fc_0", opType: "Gather", input: ["shape", "zero"], output: ["n"] }),
      node("Unsqueeze", ["n", "axes"], ["n1"]),
      node("Concat", ["minus", "n1"], ["to"], { axis: { i: 0 } }),
      messages.node({ name: "forward", opType: "Reshape", input: ["r", "to"], output: ["y"] }),
    ],
  });
}

eachBackend(
  "importOnnx gives children by the names of nodes, and layers where nodes are layers",
  async (device) => {
    const module = await assertSame(layeredModel(), { x: noise([5, 3]) }, device);
    const names = module.namedChildren().map(([name, child]) =>
      `${name}: ${child.constructor.name}`
    );
    assertEquals(names, [
      "constants: OnnxConstants",
      "fc_0: Linear",
      "relu: ReLU",
      "Shape:shape: OnnxOperation",
      "fc_0_1: OnnxOperation",
      "Unsqueeze:n1: OnnxOperation",
      "Concat:to: OnnxOperation",
      "forward_1: OnnxOperation",
    ]);
    assertEquals(Object.keys(module.stateDict()), ["fc_0.weight", "fc_0.bias"]);
    assertEquals(module.inputs, [{
      name: "x",
      dtype: module.inputs[0].dtype,
      shape: ["n", 3],
      onHost: false,
    }]);
    assertStringIncludes(String(module), 'inputs: "x" float32[n, 3]');
  },
);

Deno.test("all that cannot be imported is named at once", async () => {
  const model = smallModel({
    opset: 17,
    domains: { "my.domain": 1 },
    inputs: { x: ["float32", 2], t: ["string", 1] },
    outputs: ["y"],
    nodes: [
      node("Mine", ["x"], ["a"], {}, "my.domain"),
      node("Mine", ["a"], ["b"], {}, "my.domain"),
      node("Bernoulli", ["b"], ["c"]),
      node("Elu", ["c"], ["d"], { alpha: { f: 1 }, beta: { f: 2 } }),
      node("Mod", ["d", "d"], ["e"], { fmod: { f: 1 } }),
      node("Cast", ["e"], ["f"], { to: { i: 8 } }),
      node("Sum", ["f", "t"], ["y"]),
    ],
  });
  const { message } = await assertRejects(() => importOnnx(model), OnnxError);
  for (
    const part of [
      'the operator Mine of the domain "my.domain" is not computed here (2 nodes, the first is Mine node',
      "the operator Bernoulli is not computed here",
      'Elu node "Elu:d" has an attribute "beta", which is not known here',
      'Mod node "Mod:e" has an attribute "fmod" that holds no int',
      'Cast node "Cast:f" casts to string',
      'the input "t" is of string',
    ]
  ) assertStringIncludes(message, part);
});

Deno.test("an operator that its operator set has not is named with those that are not computed", async () => {
  const model = smallModel({
    opset: 13,
    inputs: { x: ["float32", 2] },
    outputs: ["y"],
    nodes: [node("Gelu", ["x"], ["a"]), node("Bernoulli", ["a"], ["b"]), node("Det", ["b"], ["y"])],
  });
  const { message } = await assertRejects(() => importOnnx(model), OnnxError);
  assertStringIncludes(message, "came with operator set 20, but the model declares 13");
  assertStringIncludes(message, "the operator Det is not computed here");
});

Deno.test("a shape that depends on the numbers of an input is refused with input and node", async () => {
  const model = smallModel({
    opset: 13,
    inputs: { image: ["float32", 1, 4] },
    outputs: ["y"],
    nodes: [
      node("Exp", ["image"], ["e"]),
      node("Cast", ["e"], ["shape"], { to: { i: 7 } }),
      node("Flatten", ["shape"], ["flat"]),
      node("Reshape", ["image", "flat"], ["y"]),
    ],
  });
  const { message } = await assertRejects(() => importOnnx(model), OnnxError);
  assertStringIncludes(message, "Reshape node");
  assertStringIncludes(message, 'the numbers of the input "image"');
});

eachBackend("an input that tells a shape is given on the CPU", async (device) => {
  const model = smallModel({
    opset: 13,
    inputs: { x: ["float32", 6], shape: ["int64", 2] },
    outputs: ["y"],
    nodes: [node("Reshape", ["x", "shape"], ["y"])],
  });
  const module = await assertSame(
    model,
    { x: noise([6]), shape: feed("int64", [2], [2, 3]) },
    device,
  );
  assertEquals(module.inputs.map(({ onHost }) => onHost), [false, true]);
  if (device === "cpu") return;
  const x = tensor(new Float32Array(6));
  const shape = tensor([3, 2], { dtype: int32 });
  assertThrows(() => module.forward(x, shape), TypeError, 'await x.to("cpu")');
});

eachBackend("wrong inputs are refused before anything is computed", async (device) => {
  await init({ device });
  const module = await importOnnx(layeredModel(), { device });
  const x = tensor(new Float32Array(6), { shape: [2, 3] });
  assertThrows(() => module.forward(), TypeError, 'takes 1 inputs ("x"), got 0');
  assertThrows(() => module.run({ X: x }), TypeError, 'did you mean "x"?');
  assertThrows(() => module.run({}), TypeError, 'input "x" must be a Tensor, got undefined');
  assertThrows(
    () => module.run({ x: x.reshape(3, 2) }),
    RangeError,
    "must have the shape (n, 3), got (3, 2)",
  );
  assertThrows(() => module.run({ x: x.to(int32) }), TypeError, "must be of float32, got int32");
  assertThrows(() => module.run({ x: x.reshape(6) }), RangeError, "must have the shape (n, 3)");
});

eachBackend(
  "what fails while it runs is named, and leaves nothing on the device",
  async (device) => {
    const model = smallModel({
      opset: 13,
      inputs: { x: ["float32", "a"], y: ["float32", "b"], w: ["float32", "c", 1] },
      outputs: ["z"],
      nodes: [
        messages.node({ name: "exp", opType: "Exp", input: ["x"], output: ["e"] }),
        messages.node({ name: "sum", opType: "Add", input: ["e", "y"], output: ["z"] }),
      ],
    });
    const module = await importOnnx(model, { device });
    const [x, y, w] = [tensor([1, 2]), tensor([1, 2, 3]), tensor([[1]])];
    const { liveBytes } = backendFor(device).memory();
    assertThrows(
      () => module.forward(x, y, w),
      RangeError,
      'Add node "sum": add: shapes (2,) and (3,)',
    );
    assertEquals(backendFor(device).memory().liveBytes, liveBytes);
    module.forward(x, x, w).dispose();
    assertEquals(backendFor(device).memory().liveBytes, liveBytes);
  },
);

eachBackend("a model that cannot be imported leaves nothing on the device", async (device) => {
  const { liveBytes } = backendFor(device).memory();
  const model = layeredModel();
  model.graph.node.push(node("Reshape", ["w", "minus"], ["q"]), node("Add", ["q", "b"], ["z"]));
  model.graph.output.push(messages.valueInfo("z", "float32"));
  // (6,) and (2,) do not broadcast, which shows when constants are computed ahead.
  const { message } = await assertRejects(() => importOnnx(model, { device }), OnnxError);
  assertStringIncludes(message, "Add node");
  assertEquals(backendFor(device).memory().liveBytes, liveBytes);
});

/** A file of one node on bytes, with the constants that it reads. */
function byteModel(
  opType: string,
  x: [type: string, ...dims: number[]],
  constants: readonly [type: OnnxDataType, dims: number[], values: number[]][],
) {
  return smallModel({
    opset: 13,
    inputs: { x: x as ["uint8", ...number[]] },
    outputs: ["y"],
    constants: constants.map(([type, dims, values], i) =>
      messages.tensor(`c${i}`, type, dims, values)
    ),
    nodes: [node(opType, ["x", ...constants.map((_, i) => `c${i}`)], ["y"])],
  });
}

/** A convolution of bytes, 1 × 1, of so many channels into two. */
function byteConvModel(
  channels: number,
  { xZero = "uint8", wZeros = [0], yZero = "uint8" }: {
    xZero?: OnnxDataType;
    wZeros?: number[];
    yZero?: OnnxDataType;
  } = {},
) {
  return byteModel("QLinearConv", ["uint8", 1, channels, 1, 1], [
    ["float32", [], [0.1]],
    [xZero, [], [3]],
    ["int8", [2, channels, 1, 1], new Array(2 * channels).fill(1)],
    ["float32", [], [0.1]],
    ["int8", wZeros.length > 1 ? [wZeros.length] : [], wZeros],
    ["float32", [], [0.1]],
    [yZero, [], [3]],
  ]);
}

eachBackend(
  "zero points that do not fit, and sums beyond int32, are refused with node and fix",
  async (device) => {
    await init({ device });
    const dequantize = (zero: OnnxDataType, dims: number[], values: number[]) =>
      byteModel("DequantizeLinear", ["uint8", 1, 2], [["float32", [], [0.1]], [
        zero,
        dims,
        values,
      ]]);
    const cases: [model: OnnxModel, channels: number, message: string][] = [
      [dequantize("int8", [], [-3]), 2, 'node "DequantizeLinear:y": its zero point is of int8'],
      [dequantize("int32", [], [300]), 2, "its zero point is of int32 and its integers of uint8"],
      [dequantize("uint8", [3], [1, 2, 3]), 2, 'DequantizeLinear node "DequantizeLinear:y"'],
      [byteConvModel(4, { xZero: "int8" }), 4, "the input must be of int8, got uint8"],
      [byteConvModel(4, { wZeros: [1, 2, 3] }), 4, "zeroPoint must be float32, one number or 2"],
      [byteConvModel(70_000), 70_000, "an output adds up 70000 products"],
      [byteConvModel(70_000), 70_000, "split the channels, or convolve in floats"],
    ];
    for (const [model, size, message] of cases) {
      const module = await importOnnx(model, { device });
      const x = tensor(new Array(size).fill(1), {
        shape: module.inputs[0].shape!.map((each) => Number(each)),
        dtype: uint8,
        device,
      });
      const { liveBytes } = backendFor(device).memory();
      const { message: said } = assertThrows(() => module.forward(x), Error);
      assertStringIncludes(said, message);
      assertStringIncludes(said, "Linear");
      assertEquals(backendFor(device).memory().liveBytes, liveBytes, message);
    }
    const { liveBytes } = backendFor(device).memory();
    await assertRejects(
      () => importOnnx(byteConvModel(4, { yZero: "int32" }), { device }),
      OnnxError,
      "its input 6 is of int32, and only int8 and uint8 are computed here",
    );
    assertEquals(backendFor(device).memory().liveBytes, liveBytes);
  },
);

Deno.test("files that are no whole model are refused as by loadOnnx", async () => {
  const circle = graphProto({
    input: [messages.valueInfo("x", "float32", [1])],
    output: [messages.valueInfo("b", "float32")],
    node: [node("Add", ["x", "b"], ["a"]), node("Neg", ["a"], ["b"])],
  });
  await assertRejects(() => importOnnx(fileOf(circle)), OnnxError, "the graph is cyclic");
  const missing = graphProto({ ...circle, node: [node("Add", ["x", "weight"], ["b"])] });
  await assertRejects(
    () => importOnnx(fileOf(missing)),
    OnnxError,
    '"weight", which nothing makes',
  );
  const model = new OnnxModel(modelProto(missing), messages);
  await assertRejects(() => importOnnx(model), OnnxError, '"weight", which nothing makes');
});

Deno.test("options are checked", async () => {
  const model = layeredModel();
  await assertRejects(
    () => importOnnx(model, { dtype: int32 }),
    TypeError,
    "int32 computes no floats",
  );
  await assertRejects(
    () => importOnnx(model, { devise: "cpu" } as never),
    TypeError,
    "did you mean device",
  );
  await assertRejects(
    () => importOnnx(model, { device: "gpu" as never }),
    TypeError,
    "unknown device",
  );
});

Deno.test("the model that is imported stays as it was", async () => {
  const model = layeredModel();
  const before = model.toBytes();
  await importOnnx(model, { device: "cpu" });
  assert(before.every((byte, i) => model.toBytes()[i] === byte));
});
