import { TARGETS } from "../../../lib/onnx/qdq/targets.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  autoQuantize,
  calibrateOnnx,
  init,
  OnnxCalibration,
  OnnxError,
  type OnnxFeeds,
  type OnnxModel,
  OnnxRuntime,
  quantizeStatic,
} from "../../../mod.ts";
import { TemporaryFile } from "../../../lib/files/temporary_file.ts";
import { setAttribute } from "../../../lib/onnx/file/attributes.ts";
import { quantizeGraph } from "../../../lib/onnx/qdq/quantize_graph.ts";
import { verifiedGraph } from "../../../lib/onnx/verify/verify.ts";
import { computedInFloat, graphIn } from "../../../lib/onnx/verify/what_ran.ts";
import { messages } from "../files.ts";
import { floats, ints, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

/** Samples of one shape. */
function samplesOf(
  dims: readonly number[],
  count = 4,
): { x: { data: Float32Array; dims: readonly number[] } }[] {
  const size = dims.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, (_, s) => ({
    x: { data: Float32Array.from({ length: size }, (_, i) => Math.sin(1.3 * i + s)), dims },
  }));
}

/** SQNR of the only output, in dB. */
async function sqnr(float: OnnxModel, quantized: OnnxModel, feeds: OnnxFeeds): Promise<number> {
  const outputs: Float32Array[] = [];
  for (const model of [float, quantized]) {
    await using runtime = await OnnxRuntime.open("test", model);
    outputs.push(Object.values(await runtime.run(feeds))[0].data as Float32Array);
  }
  let [signal, off] = [0, 0];
  outputs[0].forEach((value, i) => {
    signal += value ** 2;
    off += (value - outputs[1][i]) ** 2;
  });
  return 10 * Math.log10(signal / off);
}

/** Two convolutions and what is between them. */
function between(nodes: ReturnType<typeof node>[], constants: ReturnType<typeof ints>[] = []) {
  return smallModel({
    opset: 19,
    ir: 9,
    nodes: [
      node("Conv", ["x", "w1"], ["c"], { pads: { ints: [1, 1, 1, 1] } }),
      node("Relu", ["c"], ["r"]),
      ...nodes,
      node("Conv", ["z", "w2"], ["y"]),
    ],
    constants: [weight("w1", 8, 4, 3, 3), weight("w2", 4, 8, 1, 1), ...constants],
    inputs: { x: ["float32", 1, 4, 8, 8] },
    outputs: ["y"],
  });
}
const IMAGE = [1, 4, 8, 8];

/** onnxruntime 1.30 moves Transpose across this Resize and forgets its axes, between integer kernels only;
 * preparing would spell the sizes of all axes out. */
const resized = () =>
  between([
    node("Resize", ["r", "", "", "sizes"], ["z"], {
      axes: { ints: [2, 3] },
      mode: { s: "linear" },
    }),
  ], [ints("sizes", [12, 12])]);

Deno.test("a node with which onnxruntime does not run the model is found and left in float", async () => {
  const samples = samplesOf(IMAGE);
  const broken = await quantizeStatic(resized(), samples, {
    ...{ verify: false, prepare: false },
  });
  assertEquals(broken.warnings, []);
  const error = await assertRejects(() => OnnxRuntime.open("test", broken.model), Error);
  const { model, nodes, warnings } = await quantizeStatic(resized(), samples, { prepare: false });
  assert(await sqnr(resized(), model, samples[2]) > 30);
  const convs = nodes.filter(({ opType }) => opType === "Conv");
  assertEquals(convs.filter(({ quantized }) => quantized).length, 1, "the other is quantized");
  const [{ name, reason }] = convs.filter(({ quantized }) => !quantized);
  assert(reason!.startsWith("onnxruntime does not run the model with it quantized: "), reason);
  const { cause } = error as { cause: Error };
  assert(reason!.includes(cause.message.slice(0, 60)), reason);
  assertEquals(warnings, [`${JSON.stringify(name)} stays float: ${reason}`]);
});

Deno.test("variants are made without what onnxruntime does not run", async () => {
  const [, , ...heldOut] = samplesOf(IMAGE, 6);
  const options = { targetSqnr: 20, heldOut, prepare: false };
  const { reached, nodes, warnings, steps, model } = await autoQuantize(
    resized(),
    samplesOf(IMAGE, 2),
    options,
  );
  assertEquals([reached, steps.map(({ step }) => step), warnings.length], [
    true,
    ["everything"],
    1,
  ]);
  assertEquals(nodes.filter(({ quantized }) => quantized).length, 1);
  await (await OnnxRuntime.open("test", model)).release();
});

/** A quantized graph in which onnxruntime's integer AveragePool counts what is beyond the padding. */
async function miscounted() {
  const pool = {
    ...{ kernel_shape: { ints: [3, 3] }, strides: { ints: [2, 2] }, pads: { ints: [1, 1, 1, 1] } },
    ...{ ceil_mode: { i: 1 }, count_include_pad: { i: 1 } },
  };
  const float = between([node("AveragePool", ["r"], ["z"], pool)]);
  const samples = samplesOf(IMAGE);
  const calibration = await calibrateOnnx(float, samples);
  const ranges = new Map(await calibration.ranges());
  ranges.set("z", { min: 0, max: 20 }).set("r", { min: 0, max: 20 });
  const names: string[][] = [];
  const result = await verifiedGraph({
    where: "test",
    calibration,
    left: new Map(),
    quantize: (left) => {
      names.push([...left.keys()]);
      // The attribute that keeps the pool from being quantized is put back once it is.
      const plain = calibration.model.clone();
      const pool = plain.graph.node.find(({ output }) => output[0] === "z")!;
      setAttribute(plain.messages, pool, "count_include_pad", undefined);
      const graph = quantizeGraph("test", plain, ranges, {
        specs: {
          target: TARGETS.onnxruntime,
          activation: { type: "uint8", symmetric: false },
          weight: { type: "int8", symmetric: true },
          nibbles: undefined,
          perChannel: true,
        },
        ...{ selection: {}, overrides: new Map(), left },
      });
      const written = graph.model.graph.node.find(({ name }) => name === pool.name)!;
      setAttribute(plain.messages, written, "count_include_pad", { i: 1 });
      return Promise.resolve(graph);
    },
  });
  return { result, names, float, samples };
}

Deno.test("a node whose integer kernel computes something else is found and left in float", async () => {
  const { result: { model, nodes, warnings }, names, float, samples } = await miscounted();
  const [first, ...others] = nodes.filter(({ quantized }) => !quantized);
  assertEquals([first.opType, others], ["AveragePool", []]);
  assert(
    /^onnxruntime's integer kernels compute something else, \d+\.\d dB on a .* \d+\.\d dB$/
      .test(first.reason!),
    first.reason,
  );
  assertEquals(warnings, [`${JSON.stringify(first.name)} stays float: ${first.reason}`]);
  assert(await sqnr(float, model, samples[1]) > 30);
  assert(names.length < 10, `${names.length} graphs were made`);
});

Deno.test("what does not run whatever is left in float is an error", async () => {
  const calibration = await calibrateOnnx(
    between([node("Sigmoid", ["r"], ["z"])]),
    samplesOf(IMAGE),
  );
  const error = await assertRejects(() =>
    verifiedGraph({
      where: "test",
      calibration,
      left: new Map(),
      quantize: () => {
        const model = calibration.model.clone();
        model.graph.node[0].input[1] = "nothing";
        const nodes = [{ name: model.graph.node[0].name, opType: "Conv", quantized: true }];
        return Promise.resolve({ model, nodes, activations: [] });
      },
    }), OnnxError);
  assert(
    error.message.startsWith("test: onnxruntime does not run the quantized model, whatever stays"),
    error.message,
  );
});

Deno.test("onnxruntime's optimized graph tells what it computes in float", async () => {
  const model = (input: string) =>
    smallModel({
      opset: 17,
      nodes: [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("DequantizeLinear", ["w", "s", "z"], ["v"]),
        Object.assign(node("MatMul", [input, "v"], ["m"]), { name: "product" }),
        Object.assign(node("Add", ["m", "b"], ["y"]), { name: "sum" }),
      ],
      constants: [
        floats("s", [], [0.1]),
        messages.tensor("z", "uint8", [], Uint8Array.of(3)),
        messages.tensor("w", "uint8", [4, 3], Uint8Array.from({ length: 12 }, (_, i) => 7 * i)),
        floats("b", [3], [1, 2, 3]),
      ],
      inputs: { x: ["float32", 2, 4] },
      outputs: ["y"],
    });
  const made = async (input: string) => {
    const written = model(input);
    await using file = (await TemporaryFile.create())!;
    await using _ = await OnnxRuntime.open("test", written, { optimizedModelPath: file.path });
    const optimized = await graphIn(written, file);
    return [...computedInFloat(written.graph, optimized, new Set(["product"]))];
  };
  // Fused with the sum to a Gemm of another name, which reads the weight.
  assertEquals(await made("x"), [["product", "Gemm"]]);
});

/** A product that gives floats. */
const product = () =>
  smallModel({
    opset: 17,
    nodes: [node("MatMul", ["x", "w"], ["m"]), node("Tanh", ["m"], ["y"])],
    constants: [weight("w", 16, 8)],
    inputs: { x: ["float32", 4, 16] },
    outputs: ["y"],
  });

Deno.test("a method that does worse than the whole ranges is told, with both figures", async () => {
  const samples = samplesOf([4, 16]);
  for (const options of [{ calibrationMethod: "minmax" }, { calibrationMethod: "mse" }] as const) {
    assertEquals((await quantizeStatic(product(), samples, options)).warnings, []);
  }
  const { warnings, model } = await quantizeStatic(product(), samples, {
    ...{ calibrationMethod: "percentile", percentile: 60 },
  });
  const [, told, better] =
    /^the ranges that calibrationMethod chooses give (.*) dB .* minmax (.*) dB;/
      .exec(warnings.join())!;
  assertEquals(warnings.length, 1);
  assert(Math.abs(Number(told) - await sqnr(product(), model, samples[0])) < 0.1, told);
  assert(Number(better) > Number(told) + 1);
});

Deno.test("an output that is far off is told, with the node at which most is lost", async () => {
  const float = between([node("Sigmoid", ["r"], ["z"])]);
  const { warnings } = await quantizeStatic(float, samplesOf(IMAGE), {
    tensorOverrides: { z: { min: 0, max: 500 } },
  });
  assertEquals(warnings.length, 1);
  assert(
    /^the output is far from the float model's, .* at the Sigmoid node ".*", after which it is .* dB: leave it/
      .test(warnings[0]),
    warnings[0],
  );
});

Deno.test("a model in which nothing became integers is told of", async () => {
  const float = product();
  const calibration = await calibrateOnnx(float, samplesOf([4, 16]));
  const nodesToExclude = calibration.model.graph.node.map(({ name }) => name);
  const { warnings } = await quantizeStatic(float, calibration, { nodesToExclude });
  assertEquals(warnings.length, 1);
  assert(warnings[0].startsWith("nothing became integers: "), warnings[0]);
});

Deno.test("the sample that is kept is the first, whatever becomes of its array", async () => {
  const samples = samplesOf([4, 16]);
  const first = { ...samples[0].x, data: samples[0].x.data.slice() };
  const calibration = await OnnxCalibration.open(product());
  await calibration.add(samples.slice(0, 2));
  samples[0].x.data.fill(0);
  assertEquals(calibration.firstSample, { x: first });
  const resumed = await OnnxCalibration.open(product());
  await resumed.load(await calibration.save());
  // A saved calibration has it too, so that what is made of it elsewhere is run.
  assertEquals(resumed.firstSample, { x: first });
  assertEquals((await quantizeStatic(product(), resumed)).warnings, []);
  await resumed.add([{ x: first }, ...samples.slice(1)], { skip: 2 });
  assertEquals([resumed.samples, resumed.firstSample], [4, { x: first }]);
  assertEquals((await quantizeStatic(product(), resumed)).warnings, []);
});

Deno.test({
  name: "where no temporary file may be written, that is told",
  permissions: { read: "inherit", ffi: "inherit", env: "inherit", write: false },
  fn: async () => {
    const { warnings, nodes } = await quantizeStatic(product(), samplesOf([4, 16]));
    assertEquals([warnings.length, nodes.some(({ quantized }) => quantized)], [1, true]);
    assert(warnings[0].startsWith("which kernels onnxruntime runs was not looked at"), warnings[0]);
  },
});
