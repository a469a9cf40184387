import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  init,
  OnnxError,
  type OnnxFeeds,
  type OnnxModel,
  tuneOnnx,
  type TuneOnnxOptions,
  type TuneRecipe,
} from "../../../mod.ts";
import { node, smallModel } from "../small_models.ts";
import { constant, samplesOf } from "../improve/remedied.ts";

await init({ device: "cpu" });

const dims = [1, 4, 8, 8];

/** Convolutions with outlier channels between them. */
function network(seed = 1) {
  return smallModel({
    opset: 17,
    nodes: [
      node("Conv", ["x", "w", "b"], ["a"]),
      node("Relu", ["a"], ["r"]),
      node("Conv", ["r", "v", "c"], ["h"]),
      node("Relu", ["h"], ["s"]),
      node("Conv", ["s", "u"], ["y"]),
    ],
    constants: [
      constant("w", [14, 4, 1, 1], seed, (i) => i < 8 ? 40 : 1),
      constant("b", [14], 2),
      constant("v", [8, 14, 1, 1], 3, (i) => i % 14 < 2 ? 1 / 40 : 1),
      constant("c", [8], 4),
      constant("u", [4, 8, 1, 1], 5),
    ],
    inputs: { x: ["float32", ...dims] },
    outputs: ["y"],
  });
}

const data = samplesOf(dims, 8);
const heldOut = samplesOf(dims, 4, 99);

/** Tunes without looking at what comes out, which takes most of the time. */
function tuned(options: Partial<TuneOnnxOptions> = {}, model: OnnxModel = network()) {
  return tuneOnnx(model, { data, heldOut, quantize: { verify: false }, ...options });
}

Deno.test("tuneOnnx says what is wrong, keeps what helps, and its recipe gives the same bytes", async () => {
  const result = await tuned();
  const [plain] = result.steps;
  assertEquals(plain.remedy, "plain");
  assert(result.sqnr > plain.sqnr + 3, `${plain.sqnr} dB, ${result.sqnr} dB`);
  assert(result.recipe.steps.some(({ remedy }) => remedy === "equalize"));
  assert(result.reached && result.value === result.sqnr);
  const [worst] = result.diagnosis;
  assert(worst.sentence.includes(worst.node) && worst.sentence.includes("dB"));
  assert(["clipping", "rounding", "weights"].includes(worst.cause));
  assert(String(result.table()).includes("equalize"));
  assert(await result.figure());
  const recipe: TuneRecipe = JSON.parse(JSON.stringify(result.recipe));
  const again = await tuned({ recipe });
  assertEquals(again.model.toBytes(), result.model.toBytes());
  assertEquals(again.sqnr, result.sqnr);
});

Deno.test("tuneOnnx stops at the target, and says where it is out of reach", async () => {
  const easy = await tuned({ target: 5 });
  assertEquals([easy.reached, easy.recipe.steps.length], [true, 0]);
  const hard = await tuned({ target: 200, remedies: ["equalize"] });
  assert(!hard.reached && hard.sqnr < 200);
  assert(String(hard.table()).includes("nothing that was tried reaches"));
});

Deno.test("tuneOnnx judges by a metric of the user's, and by those it has", async () => {
  let asked = 0;
  const metric = () => ++asked;
  const own = await tuned({ metric, remedies: ["bias"] });
  assert(asked > 2 && own.value === asked);
  for (const name of ["cosine", "top1", "ctc"] as const) {
    const { value } = await tuned({ metric: name, remedies: ["equalize"] });
    assert(value > 0.5 && value <= 1.000001, `${name} is ${value}`);
  }
});

Deno.test("tuneOnnx keeps within the budget", async () => {
  const short = await tuned({ budget: { seconds: 1e-9 } });
  assertEquals(short.recipe.steps, []);
  assert(short.warnings.some((warning) => warning.includes("seconds were over")));
  assert(Number.isFinite(short.sqnr), "the best so far is there");
  const tiny = await tuned({ budget: { bytes: 10 }, remedies: ["equalize"] });
  assert(!tiny.reached && !tiny.allowed);
  const slow = await tuned({ budget: { latency: 1e9 }, remedies: ["equalize"] });
  assert(slow.allowed);
});

Deno.test("tuneOnnx: what helped before the time was over is kept", async () => {
  const now = performance.now.bind(performance);
  let later = 0;
  performance.now = () => now() + later;
  try {
    // The hour is over once one remedy was tried.
    const onProgress = ({ step }: { step: string }) => step === "equalize" && (later = 7.2e6);
    const result = await tuned({ budget: { seconds: 3600 }, onProgress });
    assertEquals(result.recipe.steps.map(({ remedy }) => remedy), ["equalize"]);
    assertEquals(result.steps.at(-1)!.remedy, "equalize");
    assert(result.sqnr > result.steps[0].sqnr + 3 && result.sqnr === result.steps.at(-1)!.sqnr);
    assert(result.warnings.some((warning) => warning.includes("3600 seconds were over")));
  } finally {
    performance.now = now;
  }
});

Deno.test("tuneOnnx tells of samples that are on both sides", async () => {
  const { warnings } = await tuned({ heldOut: [heldOut[0], data[3]], remedies: ["bias"] });
  assert(warnings.some((warning) => warning.startsWith("1 of the 2 held-out samples")));
});

Deno.test("tuneOnnx refuses what makes no sense", async () => {
  const refuses = async (
    options: Partial<TuneOnnxOptions>,
    type: typeof OnnxError | typeof TypeError | typeof RangeError,
    message: string,
  ) => void await assertRejects(() => tuned(options), type, message);
  await refuses({ remedies: ["bias", "bias"] }, TypeError, "named twice");
  await refuses({ remedies: ["magic"] }, TypeError, "no remedy");
  await refuses({ remedies: "bias" as never }, TypeError, "list of names");
  await refuses({ budget: { seconds: "5" as never } }, RangeError, 'the text "5"');
  await refuses({ calibration: {} as never }, TypeError, "OnnxCalibration");
  const [one] = data;
  for (const odd of [undefined, null, 5, "x.npy", one, Promise.resolve(data), () => data]) {
    await refuses({ data: odd as never }, TypeError, "data must be samples");
  }
  await refuses({ heldOut: [one, null] as never }, TypeError, "sample 1 in heldOut");
  const nan = { x: { data: new Float32Array(256).fill(NaN), dims } };
  await refuses({ heldOut: [nan] }, OnnxError, "is no number");
  await refuses({ quantize: { perChannel: "no" as never } }, TypeError, "true or false");
  await refuses({ quantize: { nodesToExclude: "Conv:a" as never } }, TypeError, "list of names");
  await assertRejects(() => tuneOnnx(network(), undefined as never), TypeError, "options must be");
  await refuses({ target: NaN }, RangeError, "target");
  await refuses({ budget: { seconds: -1 } }, RangeError, "seconds");
  await refuses({ metric: "sqn" as "sqnr" }, TypeError, "did you mean");
  await refuses({ metric: () => NaN }, OnnxError, "gave NaN");
  await refuses({ metric: () => Promise.reject(new Error("no disk")) }, OnnxError, "no disk");
  await refuses({ data: [] }, RangeError, "no samples in data");
  await refuses({ heldOut: [] as OnnxFeeds[] }, RangeError, "no samples in heldOut");
  await refuses({ heldout: [] } as Partial<TuneOnnxOptions>, TypeError, "heldOut");
  const { recipe } = await tuned({ remedies: ["equalize"] });
  await assertRejects(() => tuned({ recipe }, network(7)), OnnxError, "of another model");
  const odd = (change: object) => ({ recipe: { ...recipe, ...change } as TuneRecipe });
  await refuses(odd({ version: 2 }), OnnxError, "newer version");
  await refuses(odd({ steps: [{ remedy: "magic" }] }), OnnxError, "names the remedy");
  await refuses(odd({ steps: 1 }), OnnxError, "no steps");
  await refuses(odd({ options: { verify: true } }), OnnxError, "no option");
  await refuses(odd({ steps: [{ remedy: "equalize", found: 1 }] }), OnnxError, "something else");
  const step = (remedy: string, found: unknown) => odd({ steps: [{ remedy, found }] });
  const divided = { node: "Conv:h", alpha: 0.5, floor: 0.1 };
  for (const change of [{ alpha: "0.5" }, { floor: "x" }, { floor: 1e300 }, { floor: undefined }]) {
    await refuses(step("equalize", [{ ...divided, ...change }]), OnnxError, "something else");
  }
  for (const range of [{ min: "-1", max: 1 }, { min: -1, max: Infinity }, { min: -1, max: null }]) {
    await refuses(step("fit", { r: range }), OnnxError, "something else");
    const options = { ...recipe.options, tensorOverrides: { r: range } };
    await refuses(odd({ options, steps: [] }), RangeError, "tensorOverrides says of");
  }
  const params: [unknown, unknown][] = [["1", 3], [1, 1e300], [1, -5], [1e-300, 3], [1e300, 3]];
  for (const [scale, zeroPoint] of params) {
    await assertRejects(() => tuned(step("ranges", { r: { scale, zeroPoint } })));
  }
});

Deno.test("tuneOnnx takes nodes without names, and the method that is better by name", async () => {
  const model = network();
  for (const each of model.graph.node) each.name = "";
  const quantize = { prepare: false, verify: false, calibrationMethod: "auto" } as const;
  const remedies = ["adaround", "bias"];
  const result = await tuned({ quantize, remedies }, model);
  const recipe: TuneRecipe = JSON.parse(JSON.stringify(result.recipe));
  const again = await tuned({ quantize, recipe }, model);
  assertEquals(again.model.toBytes(), result.model.toBytes());
  assertEquals(result.steps.map(({ remedy }) => remedy), ["plain", "plain", ...remedies]);
});

Deno.test("tuneOnnx ends when it is told to", async () => {
  const controller = new AbortController();
  const onProgress = () => controller.abort(new Error("enough"));
  await assertRejects(() => tuned({ onProgress, signal: controller.signal }), Error, "enough");
});
