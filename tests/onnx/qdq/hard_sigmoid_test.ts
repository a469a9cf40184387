import { assert, assertEquals, assertGreater } from "@std/assert";
import {
  importOnnx,
  init,
  OnnxRuntime,
  prepareOnnx,
  quantizeStatic,
  type QuantizeStaticOptions,
  tensor,
} from "../../../mod.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { optimized } from "../model.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

function weight(name: string, ...dims: number[]) {
  return floats(name, dims, Array.from(noise(...dims).data as Float32Array));
}

/** An activation between two convolutions, of numbers so large that it cuts off at both ends. */
function between(opType: string, attributes: Record<string, { f: number }> = {}): OnnxModel {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["c"]),
      node(opType, ["c"], ["a"], attributes),
      node("Conv", ["a", "v"], ["y"]),
    ],
    constants: [weight("w", 8, 4, 1, 1), weight("v", 8, 8, 1, 1)],
    inputs: { x: ["float32", 1, 4, 8, 8] },
    outputs: ["y"],
  });
}

const x = noise(1, 4, 8, 8);

async function run(model: OnnxModel): Promise<Float32Array> {
  await using runtime = await OnnxRuntime.open("test", model);
  return Object.values(await runtime.run({ x }))[0].data as Float32Array;
}

/** Quantizes; the SQNR, what onnxruntime computes, and what was told. */
async function quantized(float: OnnxModel, options: QuantizeStaticOptions = {}) {
  const { model, nodes, warnings } = await quantizeStatic(float, [{ x }], options);
  const [expected, given] = [await run(float), await run(model)];
  const off = given.reduce((sum, y, i) => sum + (y - expected[i]) ** 2, 0);
  const sqnr = 10 * Math.log10(expected.reduce((sum, y) => sum + y * y, 0) / off);
  return { sqnr, nodes, warnings, kernels: await optimized(model.toBytes()) };
}

Deno.test("HardSwish is computed with bytes, as a sum and a product", async () => {
  const { sqnr, nodes, warnings, kernels } = await quantized(between("HardSwish"));
  assert(nodes.every(({ quantized }) => quantized));
  assertEquals(warnings, []);
  const own = kernels.filter((kernel) =>
    !["QuantizeLinear", "DequantizeLinear", "Transpose"].includes(kernel)
  );
  assertEquals(own, ["QLinearConv", "QLinearAdd", "QLinearMul", "QLinearConv"]);
  assertGreater(sqnr, 35);
});

Deno.test("HardSigmoid is computed with bytes, whatever it multiplies with and adds", async () => {
  for (const [alpha, beta] of [[0.2, 0.5], [1 / 6, 0.5], [0.5, 0], [0.05, 0.9], [3, 2]]) {
    const float = between("HardSigmoid", { alpha: { f: alpha }, beta: { f: beta } });
    for (const activationType of ["uint8", "int8"] as const) {
      const { sqnr, nodes } = await quantized(float, { activationType, target: "arm64" });
      assert(nodes.every(({ quantized }) => quantized));
      assertGreater(sqnr, 30, `${alpha}·x + ${beta}, ${activationType}`);
    }
    const { kernels } = await quantized(float);
    assert(!kernels.includes("HardSigmoid"), kernels.join());
  }
});

Deno.test("importOnnx computes what is written for them to the bits of onnxruntime", async () => {
  for (const opType of ["HardSwish", "HardSigmoid"]) {
    const { model } = await quantizeStatic(between(opType), [{ x }]);
    const module = await importOnnx(model);
    const { data, dims } = x;
    const given = await module.forward(tensor(data as Float32Array, { shape: dims })).data();
    assertEquals(given, await run(model));
  }
});

Deno.test("HardSigmoid stays what it is where bytes do not end at 0, and where it falls", async () => {
  const float = between("HardSigmoid");
  const symmetric = await quantized(float, { activationSymmetric: true });
  assert(symmetric.kernels.includes("HardSigmoid"), symmetric.kernels.join());
  assertGreater(symmetric.sqnr, 30);
  const falling = await quantized(between("HardSigmoid", { alpha: { f: -0.2 } }));
  const { reason } = falling.nodes.find(({ opType }) => opType === "HardSigmoid")!;
  assertEquals(reason, "its alpha is not above 0, or its beta below");
  assertGreater(falling.sqnr, 30);
});

Deno.test("prepareOnnx writes HardSwish as it is defined, to the same numbers", async () => {
  const float = between("HardSwish");
  const prepared = await prepareOnnx(float);
  assertEquals(prepared.graph.node.map(({ opType }) => opType), [
    "Conv",
    "HardSigmoid",
    "Mul",
    "Conv",
  ]);
  const [expected, given] = [await run(float), await run(prepared)];
  expected.forEach((y, i) => assert(Math.abs(y - given[i]) < 1e-5 * Math.abs(y) + 1e-5));
});
