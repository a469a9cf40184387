import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import {
  init,
  OnnxRuntime,
  quantizeStatic,
  type QuantizeStaticOptions,
  type QuantizeTarget,
} from "../../mod.ts";
import type { OnnxModel } from "../../lib/onnx/file/model.ts";
import { readTensor, tensorType } from "../../lib/onnx/file/tensor_data.ts";
import { floats, node, noise, smallModel } from "./small_models.ts";

await init({ device: "cpu" });

function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

/** Convolutions with biases and a sum around one of them, and a product with a Softmax behind it. */
function network(): OnnxModel {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w1", "b1"], ["a"]),
      node("Relu", ["a"], ["r"]),
      node("Conv", ["r", "w2", "b1"], ["c"]),
      node("Add", ["c", "r"], ["s"]),
      node("Flatten", ["s"], ["f"]),
      node("MatMul", ["f", "w3"], ["m"]),
      node("Softmax", ["m"], ["p"]),
      node("MatMul", ["p", "w4"], ["y"]),
    ],
    constants: [
      ...[weight("w1", 8, 4, 1, 1), weight("w2", 8, 8, 1, 1), weight("b1", 8)],
      ...[weight("w3", 8 * 16, 16), weight("w4", 16, 4)],
    ],
    inputs: { x: ["float32", 1, 4, 4, 4] },
    outputs: ["y"],
  });
}

const samples = [{ x: noise(1, 4, 4, 4) }];

async function quantized(options: QuantizeStaticOptions) {
  const result = await quantizeStatic(network(), samples, options);
  const { graph } = result.model;
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const typeOf = (name: string) => tensorType(constants.get(name)!);
  /** Zero points of activations, with their types. */
  const zeroPoints = graph.node.filter(({ opType }) => opType === "QuantizeLinear")
    .map(({ input }) => constants.get(input[2])!)
    .map((tensor) => [tensorType(tensor), Number(readTensor(tensor).data[0])] as const);
  /** Integers that become floats again when the model runs: weights and biases. */
  const stored = graph.node.filter(({ opType, input }) =>
    opType === "DequantizeLinear" && constants.has(input[0])
  ).map(({ input }) => ({ type: typeOf(input[0]), scales: constants.get(input[1])! }));
  const [output] = await outputs(result.model);
  return { ...result, zeroPoints, stored, constants, output };
}

async function outputs(model: OnnxModel): Promise<Float32Array[]> {
  await using runtime = await OnnxRuntime.open("test", model);
  return Object.values(await runtime.run(samples[0])).map(({ data }) => data as Float32Array);
}

const typesOf = (
  zeroPoints: readonly (readonly [string, number])[],
) => [...new Set(zeroPoints.map(([type]) => type))];

Deno.test("targets: each gives the types, symmetry and ranges that it wants", async () => {
  const [expected] = await outputs(network());
  // The one for browsers has tests of its own.
  const wanted: Record<
    Exclude<QuantizeTarget, "web">,
    [activations: string, weights: string, biases: boolean]
  > = {
    onnxruntime: ["uint8", "int8", true],
    "cpu-vnni": ["uint8", "int8", true],
    "cpu-avx2": ["uint8", "int8", true],
    arm64: ["int8", "int8", true],
    qnn: ["uint8", "uint8", true],
    tensorrt: ["int8", "int8", false],
  };
  for (const [target, [activations, weights, biases]] of Object.entries(wanted)) {
    const { zeroPoints, stored, output, warnings } = await quantized(
      { target: target as QuantizeTarget },
    );
    assertEquals<string[]>(typesOf(zeroPoints), [activations], target);
    const types = new Set<string>(stored.map(({ type }) => type));
    assertEquals([...types].sort(), biases ? ["int32", weights] : [weights], target);
    const noise = output.reduce((sum, y, i) => sum + (y - expected[i]) ** 2, 0);
    const sqnr = 10 * Math.log10(expected.reduce((sum, y) => sum + y * y, 0) / noise);
    assertGreater(sqnr, 20, target);
    assertEquals(warnings, [], "kernels of other machines are not looked for on this one");
  }
});

Deno.test("targets: what VNNI has is the default, AVX2 wants weights of 7 bits", async () => {
  const bytes = async (target?: QuantizeTarget) => (await quantized({ target })).model.toBytes();
  assertEquals(await bytes("cpu-vnni"), await bytes());
  const { constants } = await quantized({ target: "cpu-avx2" });
  for (const [name, tensor] of constants) {
    if (tensorType(tensor) !== "int8" || tensor.dims.length < 2) continue;
    const most = Math.max(
      ...Array.from(readTensor(tensor).data as Iterable<number>, (x) => Math.abs(Number(x))),
    );
    assert(most <= 63, `${name} has ${most}`);
  }
});

Deno.test("targets: TensorRT wants zero points of 0, QNN one scale a weight and all operators", async () => {
  const { zeroPoints } = await quantized({ target: "tensorrt" });
  assert(zeroPoints.every(([, zeroPoint]) => zeroPoint === 0));
  const { stored, nodes } = await quantized({ target: "qnn" });
  assert(
    stored.filter(({ type }) => type === "uint8").every(({ scales }) => scales.dims.length === 0),
  );
  assert(nodes.every(({ quantized }) => quantized), nodes.map(({ reason }) => reason).join());
  const plain = await quantized({});
  assert(!plain.nodes.find(({ opType }) => opType === "Softmax")!.quantized);
});

Deno.test("targets: what is given goes before what a target has", async () => {
  const { zeroPoints } = await quantized({ target: "arm64", activationType: "uint8" });
  assertEquals(typesOf(zeroPoints), ["uint8"]);
  const { nodes } = await quantized({ target: "qnn", opTypesToQuantize: ["Conv"] });
  assertEquals(
    new Set(nodes.filter(({ quantized }) => quantized).map(({ opType }) => opType)),
    new Set(["Conv"]),
  );
});

Deno.test("optimize: accuracy leaves what has no weights in float, and what is no word is refused", async () => {
  const { nodes } = await quantized({ optimize: "accuracy" });
  assertEquals(
    nodes.filter(({ quantized }) => !quantized).map(({ opType }) => opType),
    ["Add", "Softmax"],
  );
  await assertRejects(() => quantized({ optimize: "speed" as never }), TypeError, "optimize");
  for (const target of ["arm64", "qnn", "tensorrt"] as const) {
    const message = `a file for ${target} runs on another`;
    await assertRejects(() => quantized({ optimize: "latency", target }), TypeError, message);
  }
});

Deno.test("optimize: for size, products stay in integers that lose too much", async () => {
  const float = smallModel({
    opset: 17,
    nodes: [
      node("Sigmoid", ["x"], ["s"]),
      node("Mul", ["x", "s"], ["g"]),
      node("MatMul", ["g", "w"], ["h"]),
      node("Tanh", ["h"], ["t"]),
      node("MatMul", ["t", "v"], ["y"]),
    ],
    constants: [weight("w", 8, 8), weight("v", 8, 4)],
    inputs: { x: ["float32", 4, 8] },
    outputs: ["y"],
  });
  const x = noise(4, 8);
  (x.data as Float32Array)[0] = 90;
  const products = async (optimize?: "size") =>
    (await quantizeStatic(float, [{ x }], { optimize })).nodes
      .filter(({ opType }) => opType === "MatMul").map(({ quantized }) => quantized);
  assertEquals([await products(), await products("size")], [[false, true], [true, true]]);
});
