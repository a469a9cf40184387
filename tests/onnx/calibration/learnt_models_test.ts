/** What is made of statistics that many machines have learnt: GPTQ, AWQ, SmoothQuant, bias correction. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  calibrateOnnx,
  init,
  mergeCalibrations,
  OnnxCalibration,
  OnnxError,
  type OnnxFeeds,
  quantizeWeights,
  type QuantizeWeightsOptions,
  tuneOnnx,
} from "../../../mod.ts";
import { digestOf } from "../../../lib/onnx/tune/recipe.ts";
import { constant, samplesOf } from "../improve/remedied.ts";
import { node, smallModel } from "../small_models.ts";

await init({ device: "cpu" });

const learn = ["channelMaxima", "channelSums", "covariance"] as const;
const dims = [3, 32];

/** A product, a normalization with an outlier, and a product that it goes to. */
function network(seed = 1) {
  return smallModel({
    opset: 17,
    nodes: [
      node("MatMul", ["x", "w"], ["a"]),
      node("LayerNormalization", ["a", "scale", "shift"], ["n"]),
      node("Gemm", ["n", "v", "c"], ["h"]),
      node("Relu", ["h"], ["r"]),
      node("Gemm", ["r", "u", "d"], ["y"]),
    ],
    constants: [
      constant("w", [32, 32], seed),
      constant("scale", [32], 2, (i) => i === 5 ? 40 : 1),
      constant("shift", [32], 3),
      constant("v", [32, 32], 4),
      constant("c", [32], 5),
      constant("u", [32, 16], 6),
      constant("d", [16], 7),
    ],
    inputs: { x: ["float32", ...dims] },
    outputs: ["y"],
  });
}

const samples = samplesOf(dims, 17);
const heldOut = samplesOf(dims, 3, 9);

/** What so many processes have learnt together, merged in another order and with some given twice. */
async function together(of: number): Promise<OnnxCalibration> {
  const parts = await Promise.all(Array.from({ length: of }, async (_, index) => {
    const shard = { index, of };
    return await (await calibrateOnnx(network(), samples, { learn, shard })).save();
  }));
  const again = parts.toReversed().flatMap((part, i) => i % 3 === 0 ? [part, part] : [part]);
  return await OnnxCalibration.from(network(), await mergeCalibrations(again));
}

const STEPS = ["smooth", "bias", "round"];

/** The model that remedies make; only ranges of what they rewrite are learnt from `data`. */
async function improved(
  calibration: OnnxCalibration | undefined,
  remedies: readonly string[],
  data: readonly OnnxFeeds[],
) {
  const model = network();
  const steps = remedies.map((remedy) => ({ remedy }));
  const options = { calibrationMethod: "minmax" } as const;
  const recipe = { version: 1, model: await digestOf(model), options, steps } as const;
  const result = await tuneOnnx(model, { data: [...data], heldOut, calibration, recipe });
  assertEquals(result.steps.map(({ remedy }) => remedy), ["plain", ...remedies]);
  return result.model.toBytes();
}

Deno.test("1 process, 4 shards, 16 shards: SmoothQuant, bias correction and GPTQ make the same models", async () => {
  const one = await calibrateOnnx(network(), samples, { learn });
  const few = samples.slice(0, 2);
  for (const remedies of [...STEPS.map((step) => [step]), STEPS]) {
    const expected = await improved(one, remedies, few);
    const fromFew = await improved(undefined, remedies, few);
    assert(expected.some((byte, i) => byte !== fromFew[i]), "what was learnt before is used");
    for (const shards of [1, 4, 16]) {
      assertEquals(
        await improved(await together(shards), remedies, few),
        expected,
        `${remedies}, ${shards}`,
      );
    }
  }
});

Deno.test("1 process, 4 shards, 16 shards: GPTQ and AWQ of few bits make the same models", async () => {
  const one = await calibrateOnnx(network(), samples, { learn });
  for (const method of ["gptq", "awq"] as const) {
    const make = async (options: QuantizeWeightsOptions) =>
      (await quantizeWeights(network(), { method, groupSize: 16, ...options })).model.toBytes();
    const expected = await make({ calibration: one });
    // For GPTQ onnxruntime adds up what is learnt from `data`, in floats.
    if (method === "awq") assertEquals(await make({ data: samples }), expected, "as from samples");
    const other = await make({ data: samples.slice(0, 2) });
    assert(other.some((byte, i) => byte !== expected[i]), "samples matter");
    for (const shards of [1, 4, 16]) {
      assertEquals(
        await make({ calibration: await together(shards) }),
        expected,
        `${method}, ${shards}`,
      );
    }
  }
});

Deno.test("a calibration that has not learnt it, or is of another model, is refused", async () => {
  const plain = await calibrateOnnx(network(), samples);
  const other = await calibrateOnnx(network(2), samples, { learn });
  await assertRejects(
    () => quantizeWeights(network(), { method: "gptq", calibration: plain }),
    OnnxError,
    `learn: ["covariance"]`,
  );
  await assertRejects(
    () => quantizeWeights(network(), { method: "gptq", calibration: other }),
    OnnxError,
    "quantizeWeights: the calibration is of another model",
  );
  await assertRejects(
    () => tuneOnnx(network(), { data: samples, heldOut, calibration: other }),
    OnnxError,
    "tuneOnnx: the calibration is of another model",
  );
});
