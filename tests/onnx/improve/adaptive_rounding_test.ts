import { assert, assertEquals, assertRejects } from "@std/assert";
import { init, OnnxError } from "../../../mod.ts";
import { columnsAt, columnsOf, rowCount } from "../../../lib/quantization/statistics/rows.ts";
import { adaptRounding } from "../../../lib/onnx/improve/adaptive_rounding.ts";
import { correctBiases } from "../../../lib/onnx/improve/biases.ts";
import { roundWeights } from "../../../lib/onnx/improve/rounding.ts";
import { ImproveTools, quantizedState } from "../../../lib/onnx/improve/state.ts";
import { node, smallModel } from "../small_models.ts";
import { constant, remedied, samplesOf, sqnrOf } from "./remedied.ts";

await init({ device: "cpu" });

const image = [1, 4, 8, 8];
const pads = { pads: { ints: [1, 1, 1, 1] } };

/** Convolutions of all kinds, whose inputs go together: all are mixtures of four. */
function network() {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"]),
      node("Conv", ["a", "d", "e"], ["h"], pads),
      node("Relu", ["h"], ["r"]),
      node("Conv", ["r", "f"], ["g"], { ...pads, group: { i: 16 } }),
      node("Conv", ["g", "v", "c"], ["y"]),
    ],
    constants: [
      constant("w", [16, 4, 1, 1], 1),
      constant("b", [16], 2),
      constant("d", [16, 16, 3, 3], 3),
      constant("e", [16], 4, () => 4),
      constant("f", [16, 1, 3, 3], 7),
      constant("v", [4, 16, 1, 1], 5),
      constant("c", [4], 6),
    ],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
}

Deno.test("adaround: layers make up for what those before are off by, more than GPTQ's do", async () => {
  // A range cuts off what the layers behind can make up for.
  const { before, after, done, state, tools, float, quantized } = await remedied(
    network(),
    image,
    adaptRounding,
    { tensorOverrides: { h: { min: 0, max: 6 } } },
  );
  assertEquals(done.state.weights.size, 4);
  const other = (await roundWeights.apply(state, tools))!;
  const theirs = await sqnrOf(
    float,
    (await quantizedState(other.state)).model,
    samplesOf(image, 4, 99),
  );
  assert(after > before + 1 && after > theirs + 1, `${before} dB, GPTQ ${theirs}, ours ${after}`);
  // The integers are those that are written, and the same again.
  const rounded = done.state.weights.get("d")!;
  const written = quantized.graph.initializer.find(({ name }) => name === "d_quantized")!;
  assertEquals(written.rawData, new Uint8Array(rounded.integers.buffer));
  const once = new ImproveTools(samplesOf(image, 8));
  const again = await adaptRounding.apply(state, once);
  assertEquals((await quantizedState(again!.state)).model.toBytes(), quantized.toBytes());
});

Deno.test("adaround: nothing where weights have no scale a channel, or other bits", async () => {
  for (
    const options of [{ perChannel: false }, { weightType: "uint8" as const }, {
      reduceRange: true,
    }]
  ) {
    await assertRejects(() => remedied(network(), image, adaptRounding, options), Error, "nothing");
  }
});

Deno.test("adaround: what is off is made up for once, however many layers there are", async () => {
  const count = 40;
  const value = (i: number) => i === 0 ? "x" : i === count ? "y" : `r${i}`;
  const { before, after } = await remedied(
    smallModel({
      opset: 17,
      nodes: Array.from({ length: count }, (_, i) => [
        node("Gemm", [value(i), `w${i}`, `b${i}`], [`h${i}`]),
        node("Relu", [`h${i}`], [value(i + 1)]),
      ]).flat(),
      constants: Array.from({ length: count }, (_, i) => [
        constant(`w${i}`, [16, 16], 2 * i + 1, () => 0.6),
        constant(`b${i}`, [16], 2 * i + 2, () => 0.05),
      ]).flat(),
      inputs: { x: ["float32", 32, 16] },
      outputs: ["y"],
    }),
    [32, 16],
    adaptRounding,
  );
  assert(after > before - 0.5, `${before} dB, ${after} dB`);
});

Deno.test("adaround: products, biases behind them, and nodes that stay float", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("Add", ["a", "b"], ["h"]),
      node("Softplus", ["h"], ["s"]),
      node("Gemm", ["s", "v", "c"], ["y"], { transB: { i: 1 } }),
    ],
    constants: [
      constant("w", [8, 24], 1),
      constant("b", [24], 2),
      constant("v", [4, 24], 3),
      constant("c", [4], 4),
    ],
    inputs: { x: ["float32", 6, 8] },
    outputs: ["y"],
  });
  const data = samplesOf([6, 8], 40);
  const tensorOverrides = { s: { min: 0, max: 1.2 } };
  const { before, after } = await remedied(model, [6, 8], adaptRounding, { tensorOverrides }, data);
  assert(after > before + 1, `${before} dB, ${after} dB`);
  const { done } = await remedied(model, [6, 8], adaptRounding, { nodesToExclude: ["Gemm:y"] });
  assertEquals([...done.state.weights.keys()], ["w"]);
});

Deno.test("rows at some places are those among all", () => {
  const dims = [2, 4, 5, 6];
  const data = Float32Array.from({ length: 240 }, (_, i) => i + 1);
  const window = { kernel: [3, 3], strides: [2, 1], dilations: [1, 1] };
  for (
    const rows of [
      { channels: { axis: 1, count: 4 }, groups: 1 },
      { channels: { axis: -1, count: 6 }, groups: 1 },
      {
        channels: { axis: 1, count: 4 },
        groups: 2,
        window: { ...window, pads: [[1, 1], [0, 1]] as const },
      },
      { channels: { axis: 1, count: 4 }, groups: 4, window: { ...window, pads: "SAME_UPPER" } },
    ] as const
  ) {
    const [{ columns, n }] = [...columnsOf(rows, data, dims)];
    assertEquals(rowCount(rows, dims), n);
    const places = [0, 3, n - 1];
    const some = columnsAt(rows, data, dims, places);
    const each = columns.length / n;
    for (let k = 0; k < each; k++) {
      places.forEach((row, r) => assertEquals(some[k * 3 + r], columns[k * n + row]));
    }
  }
});

Deno.test("rounding and correcting biases see the channels of the float model, however many are filled up", async () => {
  const pair = [2, 4, 6, 6];
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"], pads),
      node("Relu", ["a"], ["r"]),
      node("Conv", ["r", "d", "e"], ["g"], { ...pads, group: { i: 22 } }),
      node("Relu", ["g"], ["h"]),
      node("Conv", ["h", "v", "c"], ["y"]),
    ],
    constants: [
      constant("w", [22, 4, 3, 3], 1),
      constant("b", [22], 2),
      constant("d", [22, 1, 3, 3], 3),
      constant("e", [22], 4),
      constant("v", [6, 22, 1, 1], 5),
      constant("c", [6], 6),
    ],
    inputs: { x: ["float32", ...pair] },
    outputs: ["y"],
  });
  for (const remedy of [adaptRounding, correctBiases]) {
    const [filled, bare] = await Promise.all([true, false].map(async (fillChannels) => {
      const { done, quantized } = await remedied(model, pair, remedy, { fillChannels });
      return { ...done.state, bytes: quantized.byteLength() };
    }));
    assert(filled.bytes > bare.bytes, "nothing was filled up");
    assertEquals(filled.weights, bare.weights);
    const biases = [filled, bare].map(({ calibration: { model: { graph } } }) =>
      graph.initializer.filter(({ dims }) => dims.length === 1).map(({ rawData }) => rawData)
    );
    assertEquals(biases[0], biases[1]);
  }
});

Deno.test("adaround: what was rounded before time is over is kept, and a recipe does as much", async () => {
  const { state } = await remedied(network(), image, adaptRounding);
  const data = samplesOf(image, 8);
  const until = (left: number) => {
    const isOver = () => left <= 0;
    const check = () => {
      if (left-- <= 0) throw new Error("over");
    };
    return new ImproveTools(data, { check, isOver });
  };
  await assertRejects(() => adaptRounding.apply(state, until(3)), Error, "over");
  const all = new ImproveTools(data);
  let parts = 0;
  for (const checks of [60, 120, 180]) {
    const done = await adaptRounding.apply(state, until(checks));
    const { blocks } = (done!.found ?? {}) as { blocks?: number };
    if (blocks === undefined) continue;
    parts++;
    const again = await adaptRounding.apply(state, all, done!.found);
    assertEquals(again!.found, { blocks });
    assertEquals([...again!.state.weights.keys()], [...done!.state.weights.keys()]);
    assertEquals(again!.state.weights, done!.state.weights);
    const [one, other] = await Promise.all(
      [done!, again!].map((each) => quantizedState(each.state)),
    );
    assertEquals(one.model.toBytes(), other.model.toBytes());
  }
  assert(parts > 0, "time was never over between two blocks");
  await assertRejects(() => adaptRounding.apply(state, all, { blocks: 0 }), OnnxError, "how many");
});

Deno.test("adaround: rows too long for the products of their columns are left as they are", async () => {
  const model = smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w"], ["a"]),
      node("Flatten", ["a"], ["f"]),
      node("Gemm", ["f", "v"], ["y"]),
    ],
    constants: [constant("w", [40, 4, 1, 1], 1), constant("v", [2560, 3], 2)],
    inputs: { x: ["float32", ...image] },
    outputs: ["y"],
  });
  const { done } = await remedied(model, image, adaptRounding);
  assertEquals([...done.state.weights.keys()], ["w"]);
});
