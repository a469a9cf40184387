import { assert, assertEquals } from "@std/assert";
import { init, loadOnnx, type OnnxModel, OnnxRuntime, quantizeStatic } from "../../mod.ts";
import { optimized } from "./model.ts";
import { detection, image, recognition } from "./ocr_models.ts";

await init({ device: "cpu" });

/** How often each operator stands in what onnxruntime makes of a model. */
async function kernels(model: OnnxModel): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const opType of await optimized(model.toBytes())) counts[opType] = (counts[opType] ?? 0) + 1;
  return counts;
}

/** Shares of the output's energy that are noise. */
async function noise(float: OnnxModel, quantized: OnnxModel, x: ReturnType<typeof image>) {
  const [a, b] = await Promise.all([float, quantized].map(async (model) => {
    await using runtime = await OnnxRuntime.open("test", model);
    return Object.values(await runtime.run({ x }))[0].data as Float32Array;
  }));
  let [signal, off] = [0, 0];
  a.forEach((value, i) => [signal, off] = [signal + value ** 2, off + (value - b[i]) ** 2]);
  return off / signal;
}

Deno.test("quantizeStatic: text recognition of opset 9 runs on integer kernels, at any width", async () => {
  const float = await loadOnnx(recognition);
  const samples = [64, 96, 160].map((width, seed) => ({ x: image([1, 3, 48, width], seed) }));
  const { model, calibration } = await quantizeStatic(float, samples);
  const { Conv, MatMul, ...rest } = await kernels(model);
  // Heads of 15 numbers are mixed in floats.
  assertEquals([Conv, MatMul, rest.FusedMatMul], [undefined, 2, 2]);
  assertEquals([rest.QLinearConv, rest.MatMulIntegerToFloat], [38, 9]);
  assert(rest.QLinearAdd > 30 && rest.QLinearMul > 30);
  assert(await noise(calibration.model, model, image([2, 3, 48, 128], 7)) < 0.5);
  // A quarter, and what scales and names take.
  assert(model.toBytes().length < 0.3 * float.toBytes().length);
});

Deno.test("quantizeStatic: text detection of opset 9 runs on integer kernels", async () => {
  const float = await loadOnnx(detection);
  const { model } = await quantizeStatic(float, [{ x: image([1, 3, 64, 96]) }]);
  const { Conv, QLinearConv, Resize, QuantizeLinear } = await kernels(model);
  assertEquals([Conv, QLinearConv, Resize], [undefined, 62, 6]);
  // The input: ten HardSigmoid are sums of bytes.
  assertEquals(QuantizeLinear, 1);
});
