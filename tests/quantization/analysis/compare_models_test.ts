import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  AffineQuantizedFixedQParamObserver,
  type AffineQuantizedTensor,
  compareModels,
  computeError,
  deepcopy,
  init,
  insertObservers_,
  int8,
  isObservedLinear,
  Linear,
  manualSeed,
  Module,
  ones,
  PerTensor,
  quantize_,
  type QuantizedLinear,
  randn,
  ReLU,
  Sequential,
  StaticQuantConfig,
  StaticQuantTensorConfig,
  type Tensor,
  tensor,
  toAffineQuantizedIntxStatic,
  uint8,
} from "../../../mod.ts";
import { eachBackend } from "../../backends.ts";
import { quantized, single } from "../flow.ts";
import { normalBatches, snapshot } from "../outliers.ts";

function mlp(): Sequential {
  manualSeed(21);
  return new Sequential({ fc1: new Linear(16, 32), r: new ReLU(), fc2: new Linear(32, 8) });
}

eachBackend("compareModels tells what each layer lost", async () => {
  const float = mlp();
  const batches = normalBatches(2, [16, 16]);
  const model = await quantized(deepcopy(float), uint8, batches);
  const states = [await snapshot(float), await snapshot(model)];
  const report = await compareModels(float, model, batches);
  assertEquals([await snapshot(float), await snapshot(model)], states);
  assertEquals(report.batches, 2);

  // The same numbers, worked out with the layers themselves on both batches in one.
  const [a, b] = await Promise.all(batches.map((x) => x.data()));
  const x = tensor([...a, ...b], { shape: [32, 16] });
  const layers = (m: Sequential) => m as unknown as Record<"fc1" | "fc2", Linear>;
  const q = model as unknown as Record<"fc1" | "fc2", QuantizedLinear>;
  const hidden = [layers(float).fc1.forward(x), q.fc1.forward(x)];
  const inner = hidden.map((h) => new ReLU().forward(h));
  const outputs = [float.forward(x), model.forward(x)];
  const weightError = (name: "fc1" | "fc2") =>
    computeError(layers(float)[name].weight as Tensor, q[name].qweight.dequantize());
  const [fc1, fc2] = report.layers;
  assertEquals([fc1.layer, fc2.layer], ["fc1", "fc2"]);
  assertEquals(fc1.inputSqnr, Infinity);
  assertAlmostEquals(fc1.outputSqnr, await computeError(hidden[0], hidden[1]), 1e-9);
  assertAlmostEquals(fc2.inputSqnr, await computeError(inner[0], inner[1]), 1e-9);
  assertAlmostEquals(fc2.outputSqnr, await computeError(outputs[0], outputs[1]), 1e-9);
  assertAlmostEquals(report.outputSqnr, fc2.outputSqnr, 1e-9);
  assertAlmostEquals(fc1.weightSqnr!, await weightError("fc1"), 1e-9);
  assertAlmostEquals(fc2.weightSqnr!, await weightError("fc2"), 1e-9);
  assertEquals([fc1.inputClipped, fc1.weightClipped], [0, 0]);
  assertEquals([fc1.inputRangeUsed, fc1.weightRangeUsed], [1, 1]);
});

eachBackend("compareModels counts what is clipped, and the range used", async () => {
  for (const config of [StaticQuantConfig, StaticQuantTensorConfig]) {
    const float = single(4, 2);
    const weight = tensor([[0.1, 0.2, -0.1, 0], [0.4, 0, 0, 0]]);
    (float as unknown as { fc: Linear }).fc.weight = weight;
    const observer = (scale: number) =>
      new AffineQuantizedFixedQParamObserver("SYMMETRIC", int8, {
        granularity: new PerTensor(),
        scale,
        quantMin: -10,
        quantMax: 10,
      });
    const model = deepcopy(float);
    insertObservers_(model, observer(0.1), observer(0.02));
    await quantize_(model, new config({ targetDtype: int8 }), isObservedLinear);
    const x = tensor([[0.5, 1, 1.04, 1.06], [-3, 0.2, 0, 0.1]]);
    const { layers: [fc] } = await compareModels(float, model, [x, x]);
    assertEquals(fc.inputClipped, 2 / 8);
    assertEquals(fc.inputRangeUsed, 1); // −10 … 10
    assertEquals(fc.weightClipped, 1 / 8);
    assertEquals(fc.weightRangeUsed, 15 / 20);
    assertEquals(fc.kind, config === StaticQuantConfig ? "QuantizedLinear" : fc.kind);
  }
});

Deno.test("compareModels takes weight-only layers, models of several inputs, and unquantized ones", async () => {
  await init({ device: "cpu" });
  manualSeed(22);
  class Two extends Module {
    left = new Linear(4, 3);
    right = new Linear(4, 3);
    override forward(a: Tensor, b: Tensor): Tensor {
      this.left.forward(a);
      return this.right.forward(b);
    }
  }
  const float = new Two();
  const inputs: Tensor[][] = [[randn([5, 4]), randn([2, 4])]];
  assertEquals((await compareModels(float, deepcopy(float), inputs)).layers, []);

  const model = deepcopy(float);
  const w = model.right.weight as Tensor;
  const q: AffineQuantizedTensor = toAffineQuantizedIntxStatic(
    w,
    tensor([0.01]),
    null,
    [3, 4],
    int8,
  );
  model.right.weight = q;
  const report = await compareModels(float, model, inputs);
  assertEquals(report.layers.map(({ layer }) => layer), ["right"]);
  const { inputClipped, inputRangeUsed, weightSqnr } = report.layers[0];
  assertEquals([inputClipped, inputRangeUsed], [null, null]);
  assert(weightSqnr! > 20);
});

Deno.test("compareModels refuses what does not fit", async () => {
  await init({ device: "cpu" });
  const float = mlp();
  const batches = normalBatches(2, [4, 16]);
  const model = await quantized(deepcopy(float), uint8, batches);
  await assertRejects(() => compareModels(float, model, []), RangeError, "no batch");
  await assertRejects(() => compareModels(model, float, batches), Error, "no float Linear");
  await assertRejects(() => compareModels(single(4, 4), model, batches), Error, "called fc");
  const bad = [ones([1, 16]), "x"] as unknown as Tensor[];
  await assertRejects(() => compareModels(float, model, bad), TypeError, "input 1");
  let seen = 0;
  const stop = new AbortController();
  await assertRejects(
    () =>
      compareModels(float, model, batches, {
        signal: stop.signal,
        onProgress: ({ done }) => {
          seen = done;
          stop.abort(new Error("enough"));
        },
      }),
    Error,
    "enough",
  );
  assertEquals(seen, 1);
});

Deno.test("a comparison prints and draws", async () => {
  await init({ device: "cpu" });
  const float = mlp();
  const batches = normalBatches(1, [4, 16]);
  const model = await quantized(deepcopy(float), uint8, batches);
  const report = await compareModels(float, model, batches);
  const [title, head, fc1] = String(report).split("\n");
  assertEquals(title, "Float against quantized");
  assertStringIncludes(head, "input SQNR");
  assertEquals(fc1.indexOf("∞ dB") + 4, head.indexOf("input SQNR") + 10); // aligned to the right
  assertStringIncludes(Deno.inspect(report), "input clipped");
  const display = report as unknown as Record<symbol, () => Promise<Record<string, string>>>;
  const bundle = await display[Symbol.for("Jupyter.display")]();
  assertStringIncludes(bundle["text/html"], "<table");
  assertStringIncludes(bundle["text/html"], "<img");
});
