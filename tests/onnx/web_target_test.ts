import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  init,
  loadOnnx,
  type OnnxModel,
  OnnxRuntime,
  quantizeStatic,
  type QuantizeStaticOptions,
  rankNodes,
} from "../../mod.ts";
import { GraphView } from "../../lib/onnx/graph/graph_view.ts";
import { tensorDims, tensorType } from "../../lib/onnx/file/tensor_data.ts";
import { messages } from "./files.ts";
import { optimized } from "./model.ts";
import { image, recognition } from "./ocr_models.ts";
import { floats, node, noise, operators, smallModel } from "./small_models.ts";
import { type Floats, runInWasm } from "./web_runtime.ts";

await init({ device: "cpu" });

function weight(name: string, ...dims: number[]) {
  const scale = 1 / Math.sqrt(dims.slice(1).reduce((n, size) => n * size, 1));
  const data = Array.from(noise(...dims).data as Float32Array, (x) => x * scale);
  return floats(name, dims, data);
}

function input(...dims: number[]): Floats {
  return { data: noise(...dims).data as Float32Array, dims };
}

const PADS = { pads: { ints: [1, 1, 1, 1] } };

/** Convolutions that gain by bytes, with what stands between convolutions. */
function convolutions(): OnnxModel {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w1", "b1"], ["c1"], PADS),
      node("Relu", ["c1"], ["r1"]),
      node("Conv", ["r1", "w2", "b2"], ["c2"], PADS),
      node("Add", ["c2", "r1"], ["s"]),
      node("Relu", ["s"], ["r2"]),
      node("Conv", ["r2", "w3", "b3"], ["c3"], PADS),
      node("Sigmoid", ["c3"], ["g"]),
      node("Conv", ["g", "w4", "b4"], ["y"], PADS),
    ],
    constants: [1, 2, 3, 4].flatMap((i) => [
      weight(`w${i}`, 64, i === 1 ? 3 : 64, 3, 3),
      weight(`b${i}`, 64),
    ]),
    inputs: { x: ["float32", 1, 3, 16, 16] },
    outputs: ["y"],
  });
}

/** Attention and a layer, as in transformers. */
function attention(): OnnxModel {
  const names = ["q", "k", "v"];
  return smallModel({
    opset: 17,
    nodes: [
      ...names.map((n) => node("MatMul", ["x", `w${n}`], [n])),
      node("Transpose", ["k"], ["kt"], { perm: { ints: [0, 2, 1] } }),
      node("MatMul", ["q", "kt"], ["a"]),
      node("Softmax", ["a"], ["p"], { axis: { i: -1 } }),
      node("MatMul", ["p", "v"], ["o"]),
      node("MatMul", ["o", "wo"], ["f"]),
      node("Add", ["bo", "f"], ["h"]),
      node("Add", ["h", "x"], ["y"]),
    ],
    constants: [...names, "o"].map((n) => weight(`w${n}`, 128, 128)).concat([weight("bo", 128)]),
    inputs: { x: ["float32", 1, 64, 128] },
    outputs: ["y"],
  });
}

/** A depthwise convolution between two others of few channels, and many channels after them. */
function depthwise(): OnnxModel {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w1"], ["c1"]),
      node("Conv", ["c1", "w2"], ["c2"], { ...PADS, group: { i: 16 } }),
      node("Mul", ["c2", "c1"], ["m"]),
      node("Conv", ["m", "w3"], ["c3"]),
      node("Tanh", ["c3"], ["t"]),
      node("Conv", ["t", "w4"], ["y"], PADS),
    ].map((each) => Object.assign(each, { name: `/${each.output[0]}/${each.opType}` })),
    constants: [
      weight("w1", 16, 16, 1, 1),
      weight("w2", 16, 1, 3, 3),
      weight("w3", 128, 16, 1, 1),
      weight("w4", 128, 128, 3, 3),
    ],
    inputs: { x: ["float32", 1, 16, 24, 24] },
    outputs: ["y"],
  });
}

async function forWeb(float: OnnxModel, x: Floats, options: QuantizeStaticOptions = {}) {
  return await quantizeStatic(float, [{ x }], { target: "web", ...options });
}

/** The output of onnxruntime-node. */
async function runInNode(model: OnnxModel, x: Floats): Promise<Float32Array> {
  await using runtime = await OnnxRuntime.open("test", model);
  return Object.values(await runtime.run({ x }))[0].data as Float32Array;
}

/** Signal to noise, in dB. */
function sqnr(x: Float32Array, y: Float32Array): number {
  let [signal, noise] = [0, 0];
  x.forEach((value, i) => [signal, noise] = [signal + value ** 2, noise + (value - y[i]) ** 2]);
  return 10 * Math.log10(signal / noise);
}

/** The bytes of activations, given as outputs beside those of the model. */
function withBytes(model: OnnxModel): OnnxModel {
  const copy = model.clone();
  const quantized = copy.graph.node.filter(({ opType }) => opType === "QuantizeLinear");
  copy.graph.output.push(
    ...quantized.map(({ output }) => messages.valueInfo(output[0], "uint8")),
  );
  return copy;
}

Deno.test("target web: onnxruntime-web's WebAssembly gives what onnxruntime-node gives", async () => {
  const models = [
    ["convolutions", convolutions(), [1, 3, 16, 16]],
    ["attention", attention(), [1, 64, 128]],
    ["depthwise", depthwise(), [1, 16, 24, 24]],
  ] as const;
  for (const [name, float, dims] of models) {
    const x = input(...dims);
    const { model, nodes } = await forWeb(float, x);
    assert(nodes.some(({ quantized }) => quantized), name);
    const [y] = await runInWasm(model, x);
    const node = await runInNode(model, x);
    const loss = sqnr(await runInNode(float, x), node);
    assert(loss > 25, `${name}: ${loss} dB`);
    const same = sqnr(node, y.data as Float32Array);
    assert(same > loss + 15, `${name}: ${same} dB from onnxruntime-node, ${loss} of quantizing`);
  }
});

Deno.test("target web: the integers are those of onnxruntime-node, byte for byte", async () => {
  const x = input(1, 3, 16, 16);
  const { model } = await forWeb(convolutions(), x);
  const bytes = withBytes(model);
  const inWasm = await runInWasm(bytes, x);
  await using runtime = await OnnxRuntime.open("test", bytes);
  const inNode = Object.values(await runtime.run({ x }));
  const integers = inNode.filter(({ type }) => type === "uint8");
  assert(integers.length >= 3);
  inNode.forEach(({ type, data }, i) => {
    if (type === "uint8") assertEquals(inWasm[i].data, data);
  });
});

Deno.test("target web: what has one scale for a whole tensor is of onnxruntime's domain, and fused all the same", async () => {
  const x = input(1, 3, 16, 16);
  const float = convolutions();
  const [web, plain] = [await forWeb(float, x), await quantizeStatic(float, [{ x }])];
  assertEquals(operators(web.model), operators(plain.model));
  assertEquals(await optimized(web.model.toBytes()), await optimized(plain.model.toBytes()));
  assertEquals(await runInNode(web.model, x), await runInNode(plain.model, x));
  for (const { domain } of plain.model.graph.node) assertEquals(domain, "");
  const view = new GraphView(web.model.graph);
  let ofTensor = 0;
  for (const { opType, domain, input } of web.model.graph.node) {
    if (!/^(Deq|Q)uantizeLinear$/.test(opType)) {
      assertEquals(domain, "");
      continue;
    }
    const scale = view.initializer(input[1])!;
    const one = tensorDims(scale).length === 0;
    ofTensor += +one;
    assertEquals(domain, one ? "com.microsoft" : "", opType);
    // JSEP up to 1.23 refuses a zero point of biases.
    const constant = view.initializer(input[0]);
    if (constant && tensorType(constant) === "int32") assertEquals(input.length, 2);
  }
  assert(ofTensor > 8);
  assertEquals(web.model.opset("com.microsoft"), 1);
  web.model.check();
});

Deno.test("target web: one scale for each weight, signed bytes, 4 bits", async () => {
  const float = attention();
  const x = input(1, 64, 128);
  const expected = await runInNode(float, x);
  for (
    const options of [
      { perChannel: false },
      { weightType: "uint8" },
      { activationType: "int8", activationSymmetric: true },
      { weightType: "int4" },
    ] as const
  ) {
    const { model } = await forWeb(float, x, options);
    const view = new GraphView(model.graph);
    for (const { opType, domain, input } of model.graph.node) {
      // JSEP takes the zero points of unsigned bytes from them as unsigned numbers.
      const unsigned = opType === "DequantizeLinear" && view.initializer(input[0]) &&
        tensorType(view.initializer(input[0])!) === "uint8";
      if (unsigned) assertEquals(domain, "com.microsoft");
    }
    const [y] = await runInWasm(model, x);
    const db = sqnr(expected, y.data as Float32Array);
    assert(db > 18, `${JSON.stringify(options)}: ${db} dB`);
  }
});

Deno.test("target web: depthwise convolutions and what stands between them stay float, with the reason", async () => {
  const { nodes } = await forWeb(depthwise(), input(1, 16, 24, 24));
  assertEquals(nodes.map(({ name, quantized }) => [name, quantized]), [
    ["/c1/Conv", false],
    ["/c2/Conv", false],
    ["/m/Mul", false],
    ["/c3/Conv", false],
    ["/t/Tanh", false],
    ["/y/Conv", true],
  ]);
  assert(/faster with floats/.test(nodes[1].reason!));
});

Deno.test("target web: a recognizer of any width is right in WebAssembly", async () => {
  const float = await loadOnnx(recognition);
  const samples = [64, 96].map((width, seed) => ({ x: image([1, 3, 48, width], seed) }));
  const { model, nodes } = await quantizeStatic(float, samples, { target: "web" });
  const left = nodes.filter(({ quantized }) => !quantized).map(({ opType }) => opType);
  assert(left.filter((opType) => opType === "Conv").length >= 14, "its depthwise convolutions");
  assert(nodes.some(({ opType, quantized }) => quantized && opType === "Conv"));
  const { data, dims } = image([1, 3, 48, 80], 5);
  const floats = { data: data as Float32Array, dims };
  const [y] = await runInWasm(model, floats);
  assert(sqnr(await runInNode(model, floats), y.data as Float32Array) > 25);
});

Deno.test("target web: nodes are ranked whether or not they stay float", async () => {
  const x = input(1, 16, 24, 24);
  const ranking = await rankNodes(depthwise(), [{ x }], { target: "web", heldOut: [{ x }] });
  assertEquals(ranking.nodes.some(({ node }) => node === "/y/Conv"), true);
});

Deno.test("target web: a target that is none is refused with those that are", async () => {
  const refuse = (target: unknown) =>
    assertRejects(
      () => quantizeStatic(convolutions(), [], { target } as QuantizeStaticOptions),
      TypeError,
      'must be one of "onnxruntime", "web"',
    );
  await refuse("browser");
  await refuse("");
  await refuse(null);
});
