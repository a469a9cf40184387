import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { NodeSwitches } from "../../../lib/onnx/accuracy/node_switches.ts";
import { rankNodes } from "../../../lib/onnx/accuracy/rank_nodes.ts";
import { calibrateOnnx } from "../../../lib/onnx/calibration/calibrate.ts";
import { quantizeStatic, type QuantizeStaticOptions } from "../../../lib/onnx/quantize_static.ts";
import { upgradeOpset } from "../../../lib/onnx/upgrade/upgrade_opset.ts";
import { type OnnxOutput, OnnxRuntime } from "../../../lib/onnx/run/runtime.ts";
import type { OnnxModel } from "../../../lib/onnx/file/model.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

const numbers = (...dims: number[]) => [...noise(...dims).data as Float32Array];

/** Convolutions with a ReLU, a bias and a shared weight, products of activations, a Gemm. */
function variedModel() {
  const nodes = [
    node("Conv", ["x", "w1", "b1"], ["c1"]),
    node("Relu", ["c1"], ["r1"]),
    node("Conv", ["r1", "w2"], ["c2"]),
    node("Conv", ["c2", "w2"], ["c3"]),
    node("Add", ["c2", "c3"], ["s"]),
    node("Transpose", ["s"], ["t"], { perm: { ints: [0, 2, 1] } }),
    node("MatMul", ["s", "t"], ["m"]),
    node("MatMul", ["m", "w3"], ["p"]),
    node("Flatten", ["p"], ["f"]),
    node("Gemm", ["f", "w4", "b4"], ["g"], { transB: { i: 1 } }),
    node("Relu", ["g"], ["y"]),
  ];
  return smallModel({
    opset: 17,
    nodes: nodes.map((each, i) => Object.assign(each, { name: `n${i}` })),
    constants: [
      floats("w1", [6, 2, 1], numbers(6, 2, 1)),
      floats("b1", [6], [1, -1, 0, 2, -2, 0.5]),
      floats("w2", [6, 6, 1], numbers(6, 6, 1)),
      floats("w3", [6, 4], numbers(6, 4)),
      floats("w4", [3, 24], numbers(3, 24)),
      floats("b4", [3], [1, 2, 3]),
    ],
    inputs: { x: ["float32", "n", 2, 5] },
    outputs: ["y", "c3"],
  });
}

const feeds = [1, 2, 3].map((scale) => {
  const { data, dims } = noise(2, 2, 5);
  return { x: { data: (data as Float32Array).map((value) => value * scale), dims: [...dims] } };
});
const products = ["n0", "n2", "n3", "n6", "n7", "n9"];
const outputs = ["y", "c3"];

/** What a model computes, however onnxruntime rewrites it. */
async function run(model: OnnxModel, sample: typeof feeds[number]) {
  await using runtime = await OnnxRuntime.open("test", model);
  return await runtime.run(sample, outputs);
}

/** Ways to quantize, and what to say instead of a node that is quantized alone, if it has to be said otherwise. */
const ways: Record<string, { options: QuantizeStaticOptions; of?: typeof overridden }> = {
  "as they are": { options: {} },
  "per tensor, with signed bytes": { options: { perChannel: false, activationType: "int8" } },
  "in 4 bits": { options: { weightType: "int4" } },
  "with a range of the caller's": {
    options: { tensorOverrides: { r1: { min: 0, max: 3 } } },
    of: overridden,
  },
};

/** The second convolution alone reads what has that range. */
function overridden(name: string): QuantizeStaticOptions {
  return name === "n2" ? { tensorOverrides: { r1: { min: 0, max: 3 } } } : {};
}

for (const [way, { options, of = () => options }] of Object.entries(ways)) {
  Deno.test(`NodeSwitches: a node that is switched on is as if it alone were quantized, ${way}`, async () => {
    const float = options.weightType ? upgradeOpset(variedModel(), 21) : variedModel();
    const calibration = await calibrateOnnx(float, feeds, { prepare: false });
    await using switches = await NodeSwitches.open("test", calibration, products, options);
    for (const name of products) {
      const settings = { ...of(name), nodesToQuantize: [name] };
      const { model } = await quantizeStatic(float, calibration, settings);
      for (const sample of feeds) {
        const [plain, alone] = [await run(float, sample), await run(model, sample)];
        const off = await switches.run(sample, new Set(), outputs);
        const on = await switches.run(sample, new Set([name]), outputs);
        for (const output of outputs) {
          assertClose(off[output], plain[output], 1e-6);
          assertClose(on[output], alone[output], 1e-6);
        }
        assertNotEquals([on.y.data, on.c3.data], [off.y.data, off.c3.data]);
      }
    }
  });
}

/** Asserts that numbers are equal to within a share of the greatest. */
function assertClose(a: OnnxOutput, b: OnnxOutput, share: number): void {
  const [x, y] = [a.data, b.data] as Float32Array[];
  const most = share * Math.max(...y.map(Math.abs));
  assertEquals(x.length, y.length);
  x.forEach((value, i) => assert(Math.abs(value - y[i]) <= most, `${value} for ${y[i]}`));
}

Deno.test("NodeSwitches: several nodes together, in any order of their names", async () => {
  const calibration = await calibrateOnnx(variedModel(), feeds, { prepare: false });
  await using switches = await NodeSwitches.open("test", calibration, products, {});
  await using backwards = await NodeSwitches.open("test", calibration, products.toReversed(), {});
  const some = new Set(["n2", "n9"]);
  const [a, b] = [
    await switches.run(feeds[0], some, outputs),
    await backwards.run(feeds[0], some, outputs),
  ];
  assertEquals(a, b);
  assertNotEquals(a, await switches.run(feeds[0], new Set(["n2"]), outputs));
});

Deno.test("rankNodes() measures the nodes of a deep model that hurt most, and shares out the rest", async () => {
  const depth = 140;
  const weight = (i: number) =>
    numbers(8, 8).map((value, at) => value / 20 * (i === 77 && at % 8 === 3 ? 300 : 1));
  const nodes = Array.from({ length: depth }, (_, i) => [
    node("MatMul", [`h${i}`, `w${i}`], [`m${i}`]),
    node("Add", [`h${i}`, `m${i}`], [`h${i + 1}`]),
  ]).flat();
  const model = smallModel({
    opset: 17,
    nodes,
    constants: Array.from({ length: depth }, (_, i) => floats(`w${i}`, [8, 8], weight(i))),
    inputs: { h0: ["float32", "n", 8] },
    outputs: [`h${depth}`],
  });
  const samples = [{ h0: noise(4, 8) }];
  const seen = new Map<string, number>();
  const ranking = await rankNodes(model, samples, {
    heldOut: samples,
    perChannel: false,
    onProgress: ({ step }) => seen.set(step, (seen.get(step) ?? 0) + 1),
  });
  assertEquals(ranking.nodes.length, depth);
  assertEquals([ranking.nodes[0].node, ranking.nodes[0].estimated], ["MatMul:m77", false]);
  assert(ranking.nodes.some(({ estimated }) => estimated));
  // Calibrating, all nodes, and the measurements.
  assert(seen.size <= 2 + 128, `${seen.size}`);
  assert(String(ranking).includes("≈"));
});

Deno.test("what comes as bytes and is read by a node that stores its weight alone is ranked", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w1", "b1"], ["a"]),
      node("ConvTranspose", ["a", "w2"], ["t"]),
      node("Relu", ["t"], ["r"]),
      node("Conv", ["r", "w3"], ["y"]),
    ],
    constants: [
      floats("w1", [6, 2, 1], numbers(6, 2, 1)),
      floats("b1", [6], [1, -1, 0, 2, -2, 0.5]),
      floats("w2", [6, 6, 2], numbers(6, 6, 2)),
      floats("w3", [4, 6, 1], numbers(4, 6, 1)),
    ],
    inputs: { x: ["float32", "n", 2, 5] },
    outputs: ["y"],
  });
  const { nodes } = await rankNodes(model, feeds, { heldOut: feeds });
  assertEquals(nodes.map(({ node }) => node).sort(), ["Conv:a", "Conv:y", "ConvTranspose:t"]);
});
