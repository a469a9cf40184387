import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { Progress } from "../../../mod.ts";
import { autoQuantize } from "../../../lib/onnx/accuracy/auto_quantize.ts";
import { calibrateOnnx } from "../../../lib/onnx/calibration/calibrate.ts";
import { compareOnnx } from "../../../lib/onnx/accuracy/compare_onnx.ts";
import { quantizeStatic } from "../../../lib/onnx/quantize_static.ts";
import { upgradeOpset } from "../../../lib/onnx/upgrade/upgrade_opset.ts";
import { rankNodes } from "../../../lib/onnx/accuracy/rank_nodes.ts";
import { image, recognition } from "../ocr_models.ts";
import { unevenModel, unevenSamples } from "../uneven_model.ts";

const model = unevenModel();
const data = unevenSamples(12);
const heldOut = unevenSamples(6, 100);

/** What an independent comparison says. */
async function sqnrOf(quantized: Parameters<typeof compareOnnx>[1]): Promise<number> {
  return (await compareOnnx(model, quantized, heldOut, { tensors: false })).sqnr;
}

Deno.test("rankNodes() puts the node first that hurts most", async () => {
  const ranking = await rankNodes(model, data, { heldOut, perChannel: false });
  assertEquals(ranking.nodes.map(({ node }) => node).toSorted(), ["n0", "n2", "n4"]);
  assertEquals(
    ranking.nodes.map(({ sqnr }) => sqnr),
    ranking.nodes.map(({ sqnr }) => sqnr).toSorted((a, b) => a - b),
  );
  for (const { node, opType, sqnr } of ranking.nodes) {
    assertEquals(opType, "MatMul");
    const alone = await quantizeStatic(model, data, { nodesToQuantize: [node], perChannel: false });
    assertAlmostEquals(sqnr, await sqnrOf(alone.model), 1e-9);
  }
  const all = await quantizeStatic(model, data, { perChannel: false });
  assertAlmostEquals(ranking.sqnr, await sqnrOf(all.model), 1e-9);
  assert(String(ranking).includes("With all of them quantized"));
  assert((await ranking.figure())?.svg.includes("n2"));
});

Deno.test("autoQuantize() stops where the target is met", async () => {
  const plain = await quantizeStatic(model, data);
  const sqnr = await sqnrOf(plain.model);
  const result = await autoQuantize(model, data, { targetSqnr: sqnr - 0.5, heldOut });
  assertEquals(result.model.toBytes(), plain.model.toBytes());
  assertEquals(result.steps.map(({ step }) => step), ["everything"]);
  assertEquals(result.leftOut, []);
  assertAlmostEquals(result.sqnr, sqnr, 1e-9);
  assert(result.reached);
});

Deno.test("autoQuantize() gives each channel a scale before it leaves a node out", async () => {
  const options = { heldOut, perChannel: false };
  const perTensor = await quantizeStatic(model, data, { perChannel: false });
  const perChannel = await quantizeStatic(model, data);
  const [low, high] = [await sqnrOf(perTensor.model), await sqnrOf(perChannel.model)];
  assert(low < high, `${low} and ${high} dB`);
  const result = await autoQuantize(model, data, { ...options, targetSqnr: (low + high) / 2 });
  assertEquals(result.steps.map(({ step }) => step), ["everything", "a scale for each channel"]);
  assertEquals(result.model.toBytes(), perChannel.model.toBytes());
});

Deno.test("autoQuantize() gives weights 8 bits before it leaves a node out", async () => {
  const eight = await quantizeStatic(model, data);
  const target = await sqnrOf(eight.model) - 1;
  const result = await autoQuantize(upgradeOpset(model, 21), data, {
    heldOut,
    weightType: "int4",
    targetSqnr: target,
  });
  assertEquals(result.steps.map(({ step }) => step), ["everything", "weights of 8 bits"]);
  assert(result.steps[0].sqnr < target && result.reached);
});

Deno.test("autoQuantize() leaves out as few nodes as are needed", async () => {
  const sqnr = await sqnrOf((await quantizeStatic(model, data)).model);
  const names = ["n0", "n2", "n4"];
  for (const targetSqnr of [sqnr + 1, sqnr + 4, sqnr + 60]) {
    const result = await autoQuantize(model, data, { targetSqnr, heldOut });
    assert(result.reached);
    assertAlmostEquals(result.sqnr, await sqnrOf(result.model), 1e-9);
    // No fewer would have done.
    const reach = async (nodesToExclude: string[]) =>
      await sqnrOf((await quantizeStatic(model, data, { nodesToExclude })).model);
    const sets = names.flatMap((a, i) => [[], [a], ...names.slice(i + 1).map((b) => [a, b])]);
    const best = Math.min(
      ...(await Promise.all(
        sets.map(async (set) => await reach(set) >= targetSqnr ? set.length : 3),
      )),
    );
    assertEquals(result.leftOut.length, best);
    assertEquals(result.steps.length, 2);
    assertEquals(result.steps[1].bytes, result.model.toBytes().length);
  }
});

Deno.test("autoQuantize() says what is out of reach", async () => {
  // Exact only without any quantization, which still is no infinite number.
  const result = await autoQuantize(model, data, { targetSqnr: 1e6, heldOut });
  assertEquals(result.leftOut.length, 3);
  assertEquals(result.quantizedNodes, 0);
  assertEquals([result.sqnr, result.reached], [Infinity, true]);
  assert(String(result).includes("∞ dB of the 1000000.0 dB asked for"));
});

Deno.test("autoQuantize() gives the same model for the same samples, however they come", async () => {
  const target = await sqnrOf((await quantizeStatic(model, data)).model) + 2;
  const first = await autoQuantize(model, data, { targetSqnr: target, heldOut });
  const stream = async function* () {
    for (const feeds of heldOut) yield await Promise.resolve(feeds);
  };
  const calibration = await calibrateOnnx(model, data);
  for (const again of [stream, stream()]) {
    const result = await autoQuantize(model, calibration, { targetSqnr: target, heldOut: again });
    assertEquals(result.model.toBytes(), first.model.toBytes());
    assertEquals(result.steps, first.steps);
  }
});

Deno.test("autoQuantize() keeps what the options leave out, left out", async () => {
  const target = await sqnrOf((await quantizeStatic(model, data)).model) + 2;
  const result = await autoQuantize(model, data, {
    targetSqnr: target,
    heldOut,
    nodesToExclude: ["n4"],
  });
  assert(!result.leftOut.some(({ node }) => node === "n4"));
  assertEquals(result.model.graph.node.find(({ name }) => name === "n4")?.input[1], "w3");
});

Deno.test("autoQuantize() says how far it is, and stops when told", async () => {
  const seen: Progress[] = [];
  const onProgress = (progress: Progress) => seen.push(progress);
  await autoQuantize(model, data, { targetSqnr: 60, heldOut, onProgress });
  assertEquals(seen.slice(0, 12).map(({ step, done }) => [step, done]), [
    ...data.map((_, i) => ["calibrating", i + 1]),
  ]);
  for (const step of ["everything", "n0", "n2", "n4"]) {
    assertEquals(seen.filter((progress) => progress.step === step).length, heldOut.length);
  }
  const controller = new AbortController();
  const stopped = autoQuantize(model, data, {
    targetSqnr: 60,
    heldOut,
    signal: controller.signal,
    onProgress: ({ step }) => step === "n2" && controller.abort(new Error("enough")),
  });
  await assertRejects(() => stopped, Error, "enough");
});

Deno.test("autoQuantize() refuses what makes no sense", async () => {
  for (const targetSqnr of [NaN, Infinity]) {
    await assertRejects(
      () => autoQuantize(model, data, { targetSqnr, heldOut }),
      RangeError,
      "targetSqnr: 30",
    );
  }
  await assertRejects(
    () => autoQuantize(model, data, { targetSqnr: 30, heldOut: [] }),
    RangeError,
    "held-out",
  );
});

Deno.test("autoQuantize() shows itself", async () => {
  const result = await autoQuantize(model, data, { targetSqnr: 60, heldOut });
  const text = String(result);
  for (const word of ["everything", "in float", "float: MatMul", "were left out"]) {
    assert(text.includes(word), text);
  }
  assert((await result.figure())?.svg.includes("everything"));
});

Deno.test("autoQuantize() on a part of the recognition model", async () => {
  const samples = [0, 1].map((seed) => ({ x: image([1, 3, 48, 48 + 16 * seed], seed) }));
  // Four nodes, so that few variants are tried.
  const nodesToQuantize = ["p2o.Conv.5", "p2o.Conv.6", "p2o.MatMul.4", "p2o.MatMul.12"];
  const options = { nodesToQuantize, heldOut: [{ x: image([1, 3, 48, 64], 5) }] };
  const ranking = await rankNodes(recognition, samples, options);
  assert(ranking.nodes.length > 0 && ranking.nodes.every(({ sqnr }) => sqnr > 0));
  const targetSqnr = ranking.sqnr + 1;
  const result = await autoQuantize(recognition, samples, { ...options, targetSqnr });
  assert(result.reached);
  assert(result.leftOut.length > 0 && result.leftOut.length < ranking.nodes.length);
});
