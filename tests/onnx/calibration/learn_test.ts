import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { calibrateOnnx, init, OnnxCalibration, OnnxError, quantizeStatic } from "../../../mod.ts";
import { weightedNode } from "../../../lib/onnx/calibration/statistics/places.ts";
import { covarianceKey } from "../../../lib/onnx/calibration/statistics/places.ts";
import { parseSafetensors } from "../../../lib/files/safetensors.ts";
import { GraphFacts } from "../../../lib/onnx/qdq/graph_facts.ts";
import { OnnxRuntime } from "../../../mod.ts";
import { floats, node, noise, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

/** y = relu(conv(x)) · w, with a convolution that reads patches. */
function model() {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "k"], ["h"], { pads: { ints: [1, 1] }, strides: { ints: [2] } }),
      node("Relu", ["h"], ["r"]),
      node("MatMul", ["r", "w"], ["y"]),
    ],
    constants: [
      floats("k", [4, 2, 3], [...noise(4, 2, 3).data as Float32Array]),
      floats("w", [3, 5], [...noise(3, 5).data as Float32Array]),
    ],
    inputs: { x: ["float32", "n", 2, 5] },
    outputs: ["y"],
  });
}

const samples = [1, 3, 2, 1].map((n, seed) => ({
  x: {
    data: Float32Array.from({ length: n * 10 }, (_, i) => Math.sin(i * 0.7 + seed) * (1 + seed)),
    dims: [n, 2, 5],
  },
}));

const learn = ["channelMaxima", "channelSums", "covariance"] as const;

Deno.test("calibrateOnnx learns what nodes with weights read and make", async () => {
  const calibration = await calibrateOnnx(model(), samples, { learn });
  const maxima = calibration.learned("channelMaxima");
  assertEquals([...maxima.keys()], ["x", "r"]);
  assertEquals(maxima.get("r")!.channels, { axis: -1, count: 3 });
  const [even, odd] = [0, 1].map((c) =>
    Math.max(
      ...samples.flatMap(({ x: { data } }) =>
        [...data].filter((_, i) => Math.floor(i / 5) % 2 === c).map(Math.abs)
      ),
    )
  );
  assertEquals([...maxima.get("x")!.maxima], [even, odd]);
  const sums = calibration.learned("channelSums");
  assertEquals([...sums.keys()], ["x", "h", "r", "y"]);
  assertEquals(sums.get("h")!.channels, { axis: 1, count: 4 });

  // With a covariance the mean square of every output is known: w' C w / n.
  const facts = new GraphFacts(calibration.model.graph);
  const [conv, , product] = calibration.model.graph.node;
  const key = (of: typeof conv) => covarianceKey(weightedNode(facts, of)!);
  assertEquals(key(product), "r");
  const covariance = calibration.learned("covariance").get(key(conv))!;
  assertEquals([covariance.size, covariance.count], [6, 7 * 3]);
  const gram = covariance.matrix();
  const kernel = noise(4, 2, 3).data as Float32Array;
  sums.get("h")!.meanSquares().forEach((found, c) => {
    let expected = 0;
    for (let i = 0; i < 6; i++) {
      for (let j = 0; j < 6; j++) {
        expected += kernel[6 * c + i] * gram[6 * i + j] * kernel[6 * c + j];
      }
    }
    assertAlmostEquals(found, expected / covariance.count, 1e-5);
  });
  await using runtime = await OnnxRuntime.open("test", calibration.model);
  let [total, count] = [0, 0];
  for (const feeds of samples) {
    const { y } = await runtime.run(feeds);
    for (let i = 0; i < y.data.length; i += 5) {
      [total, count] = [total + (y.data[i] as number), count + 1];
    }
  }
  assertAlmostEquals(sums.get("y")!.means()[0], total / count, 1e-6);
});

Deno.test("what was learnt is the same in any order and any parts, saved or not", async () => {
  for (const calibrationMethod of ["minmax", "percentile"] as const) {
    const options = { learn, calibrationMethod };
    // But for who has seen which sample.
    const seen = async (calibration: OnnxCalibration) => {
      const { tensors } = parseSafetensors(await calibration.save());
      return new Map([...tensors].filter(([name]) => !name.startsWith("part/")));
    };
    const whole = await seen(await calibrateOnnx(model(), samples, options));
    const parts = await Promise.all(
      [samples.slice(2), samples.slice(1, 2), samples.slice(0, 1)].map((part) =>
        calibrateOnnx(model(), part, options)
      ),
    );
    const all = await OnnxCalibration.open(model(), options);
    for (const part of parts) {
      const again = await OnnxCalibration.open(model(), options);
      await again.load(await part.save());
      await all.merge(again);
    }
    assertEquals(await seen(all), whole);
    // Ranges are those without learning, and so is what is made of them.
    const plain = await calibrateOnnx(model(), samples, { calibrationMethod });
    assertEquals(await all.ranges(), await plain.ranges());
    const [a, b] = [await quantizeStatic(all.model, all), await quantizeStatic(plain.model, plain)];
    assertEquals(a.model.toBytes(), b.model.toBytes());
  }
});

Deno.test("a saved calibration without what is to be learnt is refused and changes nothing", async () => {
  const calibration = await calibrateOnnx(model(), samples, { learn });
  const before = await calibration.save();
  const plain = await calibrateOnnx(model(), samples);
  const some = await calibrateOnnx(model(), samples, { learn: ["covariance"] });
  for (const other of [plain, some]) {
    await assertRejects(async () => calibration.load(await other.save()), OnnxError, "nothing was");
    await assertRejects(() => calibration.merge(other), OnnxError, "another model");
    await assertRejects(() => other.load(before), OnnxError, "nothing was loaded");
  }
  assertEquals(await calibration.save(), before);
});

Deno.test("what was not asked for is not learnt, and an unknown kind is refused", async () => {
  const calibration = await calibrateOnnx(model(), samples, {
    learn: ["channelMaxima"],
    learnFrom: ["r"],
  });
  assertEquals([...calibration.learned("channelMaxima").keys()], ["r"]);
  await assertRejects(
    async () => await Promise.resolve(calibration.learned("covariance")),
    OnnxError,
    `learn: ["covariance"]`,
  );
  const kinds = ["covariances"] as unknown as typeof learn;
  const error = await assertRejects(
    () => calibrateOnnx(model(), samples, { learn: kinds }),
    TypeError,
  );
  assert(error.message.includes(`did you mean "covariance"?`), error.message);
});
