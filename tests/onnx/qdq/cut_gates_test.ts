/** HardSwish whose gate is its input, cut off. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { importOnnx, init, OnnxRuntime, quantizeStatic, tensor } from "../../../mod.ts";
import { cutGates } from "../../../lib/onnx/qdq/cut_gates.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { removeUnusedInitializers, removeUnusedNodes } from "../../../lib/onnx/graph/unused.ts";
import { optimized } from "../model.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

/** HardSwish as one node, and in its parts, whose division by 6 goes into the weights behind it. */
const WHOLE = [node("HardSwish", ["c"], ["a"])];
const PARTS = [
  ...[node("Add", ["c", "three"], ["s"]), node("Clip", ["s", "zero", "six"], ["g"])],
  ...[node("Mul", ["c", "g"], ["m"]), node("Div", ["m", "six"], ["a"])],
];

/** HardSwish between two convolutions, of numbers so many times as large. */
function between(
  size: number,
  { hardSwish = WHOLE, others = [] }: {
    hardSwish?: readonly ReturnType<typeof node>[];
    others?: readonly ReturnType<typeof node>[];
  } = {},
): OnnxModel {
  const weight = (name: string, ...dims: number[]) =>
    floats(name, dims, Array.from(noise(...dims).data as Float32Array, (w) => size * w));
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["c"]),
      ...hardSwish,
      node("Conv", ["a", "v"], ["y"]),
      ...others,
    ],
    constants: [
      ...[weight("w", 16, 4, 1, 1), weight("v", 8, 16, 1, 1)],
      ...[floats("zero", [], [0]), floats("three", [], [3]), floats("six", [], [6])],
    ],
    inputs: { x: ["float32", 1, 4, 8, 8] },
    outputs: ["y", ...others.flatMap(({ output }) => output)],
  });
}

const x = noise(1, 4, 8, 8);

async function run(model: OnnxModel): Promise<Float32Array> {
  await using runtime = await OnnxRuntime.open("test", model);
  return (await runtime.run({ x })).y.data as Float32Array;
}

/** The SQNR of numbers beside those that they should be. */
function sqnr(given: Float32Array, expected: Float32Array): number {
  const off = given.reduce((sum, y, i) => sum + (y - expected[i]) ** 2, 0);
  return 10 * Math.log10(expected.reduce((sum, y) => sum + y * y, 0) / off);
}

const sums = (kernels: readonly string[]) =>
  kernels.filter((kernel) => ["Clip", "QLinearAdd"].includes(kernel));

Deno.test("HardSwish's gate is a Clip of bytes, no less right, and importOnnx computes its bits", async () => {
  for (const hardSwish of [WHOLE, PARTS]) {
    const float = between(3, { hardSwish });
    const { model } = await quantizeStatic(float, [{ x }]);
    const [plain, expected] = [await run(model), await run(float)];
    assertEquals(sums(await optimized(model.toBytes())), ["QLinearAdd"]);
    const cut = model.clone();
    cutGates(cut);
    const kernels = await optimized(cut.toBytes());
    assertEquals(sums(kernels), ["Clip"]);
    // onnxruntime would run what nothing reads.
    assertEquals([removeUnusedNodes, removeUnusedInitializers].map((each) => each(cut.graph)), [
      0,
      0,
    ]);
    assertEquals(kernels.filter((kernel) => /QLinear/.test(kernel)), [
      ...["QLinearConv", "QLinearMul", "QLinearConv"],
    ]);
    const given = await run(cut);
    assertGreater(sqnr(given, expected), sqnr(plain, expected) - 0.2);
    const module = await importOnnx(cut);
    using y = module.forward(tensor(x.data as Float32Array, { shape: x.dims }));
    assertEquals(Array.from(await y.data()), Array.from(given));
  }
});

Deno.test("it stays a sum where the range ends before the gate begins, or something else reads its input", async () => {
  for (const float of [between(0.1), between(3, { others: [node("Conv", ["c", "v"], ["z"])] })]) {
    const { model } = await quantizeStatic(float, [{ x }]);
    const before = model.toBytes();
    cutGates(model);
    assertEquals(model.toBytes(), before);
  }
});

Deno.test('quantizeStatic has it so with optimize: "latency", and what it tells gives the same file', async () => {
  const float = between(3);
  const { model, fasterInFloat, dynamicLstms } = await quantizeStatic(float, [{ x }], {
    optimize: "latency",
  });
  assert(model.graph.node.every(({ opType }) => opType !== "Add"));
  assertGreater(sqnr(await run(model), await run(float)), 25);
  const again = await quantizeStatic(float, [{ x }], {
    ...{ nodesToExclude: fasterInFloat, dynamicLstms, cutGates: true },
  });
  assertEquals(again.model.toBytes(), model.toBytes());
});
