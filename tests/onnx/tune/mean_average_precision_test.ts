import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { OnnxError } from "../../../mod.ts";
import { MetricJudge } from "../../../lib/onnx/tune/metrics.ts";
import { type Boxes, meanAveragePrecision } from "../../../lib/onnx/tune/mean_average_precision.ts";
import { floats, node, smallModel } from "../small_models.ts";

const picture = (corners: number[], scores: number[], classes = 1): Boxes => ({
  ...{ corners, scores, classes },
});
const truth = [picture([0, 0, 10, 10, 20, 20, 30, 30], [1, 0.9])];

Deno.test("what finds the same is worth 1, what misses half 1/2, what finds nothing 0", () => {
  assertEquals(meanAveragePrecision(truth, truth), 1);
  assertEquals(meanAveragePrecision(truth, [picture([20, 20, 30, 30], [0.5])]), 0.5);
  assertEquals(meanAveragePrecision(truth, [picture([], [])]), 0);
  assertEquals(meanAveragePrecision([picture([], [])], truth), 1);
});

Deno.test("boxes that lie off count at the overlaps that they have, false ones before right ones cost", () => {
  // 9 · 10 of 10 · 10 + 10: an overlap of 0.818, so 7 of the 10 thresholds.
  const off = [picture([1, 0, 11, 10, 20, 20, 30, 30], [1, 0.9])];
  assertAlmostEquals(meanAveragePrecision(truth, off), (7 * 1 + 3 * 0.25) / 10, 1e-9);
  const extra = [picture([50, 50, 60, 60, 0, 0, 10, 10, 20, 20, 30, 30], [1, 0.9, 0.8])];
  assertAlmostEquals(meanAveragePrecision(truth, extra), 2 / 3, 1e-9);
  // Doubles are put aside, a box of another class is another one, and so is one of another picture.
  const twice = [picture([0, 0, 10, 10, 0, 0, 10, 10, 20, 20, 30, 30], [1, 0.95, 0.9])];
  assertEquals(meanAveragePrecision(truth, twice), 1);
  const [a, b] = [picture([0, 0, 9, 9], [1, 0], 2), picture([0, 0, 9, 9], [0, 1], 2)];
  assertEquals(meanAveragePrecision([a], [b]), 0);
  const none = picture([0, 0, 9, 9], [0, 0], 2);
  assertEquals(meanAveragePrecision([a, none], [none, a]), 0);
});

/** A model whose outputs are constants. */
const gives = (...outputs: [number[], number[]][]) =>
  smallModel({
    opset: 17,
    nodes: outputs.map((_, i) => node("Add", [`c${i}`, "x"], [`y${i}`])),
    constants: outputs.map(([dims, data], i) => floats(`c${i}`, dims, data)),
    inputs: { x: ["float32", 1] },
    outputs: outputs.map((_, i) => `y${i}`),
  });
const samples = [{ x: { data: Float32Array.of(0), dims: [1] } }];

Deno.test("map reads boxes and scores, and YOLO's one output", async () => {
  const corners = gives([[1, 2, 4], [0, 0, 10, 10, 20, 20, 30, 30]], [[1, 2, 1], [1, 0.9]]);
  const worse = gives([[1, 2, 4], [0, 0, 10, 10, 50, 50, 60, 60]], [[1, 2, 1], [1, 0.9]]);
  const count = 6;
  const rows = [[5, 25], [5, 25], [10, 10], [10, 10], [1, 0.9]];
  const padded = rows.flatMap((row) => [...row, ...new Array(count - 2).fill(0)]);
  const yolo = gives([[1, 5, count], padded]);
  for (const model of [corners, yolo]) {
    const judge = await MetricJudge.open("test", model, samples, "map", () => {});
    assertEquals((await judge.score(model)).metric, 1);
  }
  const judge = await MetricJudge.open("test", corners, samples, "map", () => {});
  assert(Math.abs((await judge.score(worse)).metric - 0.5) < 1e-9);
  const other = gives([[1, 3], [1, 2, 3]]);
  const none = await MetricJudge.open("test", other, samples, "map", () => {});
  await assertRejects(() => none.score(other), OnnxError, 'the metric "map" takes boxes');
});
