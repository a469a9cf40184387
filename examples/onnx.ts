/**
 * Static quantization of ONNX models: PP-OCRv4's text recognition, calibrated on 64 rendered lines and
 * judged on 200 others; then the digit classifier of `mnist.ts`, exported as ONNX, on MNIST's test
 * images.
 *
 * Run it with `deno task onnx`, or with
 * `deno run --allow-read --allow-ffi --allow-env=XDG_RUNTIME_DIR examples/onnx.ts`. A number as
 * its argument sets how many lines are judged.
 *
 * @module
 */
import {
  type CalibrationOptions,
  exportOnnx,
  loadOnnx,
  OnnxCalibration,
  type OnnxModel,
  OnnxRuntime,
  quantizeStatic,
  type QuantizeStaticOptions,
  randn,
  rankNodes,
  Table,
} from "@staticquant/staticquant";
import { loadMnist, MNIST_PIXELS, type MnistSplit } from "./support/mnist_data.ts";
import { accuracyOf, imagesTensor, loadMnistModel, predictions } from "./support/mnist_model.ts";
import { judgeReading } from "./support/ocr_judge.ts";
import { ocrLines } from "./support/ocr_lines.ts";
import { OCR_MODEL, ocrCharacters, ocrInput, ocrInputs } from "./support/ocr_model.ts";

const CALIBRATION_LINES = 64;
const TEST_LINES = Number(Deno.args[0] ?? 200);

const percent = (share: number, digits = 2) => `${(100 * share).toFixed(digits)} %`;
const decibels = (sqnr: number) => Number.isFinite(sqnr) ? `${sqnr.toFixed(1)} dB` : "";

// Text recognition: a calibration can be quantized from in more than one way.
const float = await loadOnnx(OCR_MODEL);
const seen = await ocrLines(1, CALIBRATION_LINES);
const unseen = await ocrLines(2, TEST_LINES, seen);

async function calibrated(options: CalibrationOptions): Promise<OnnxCalibration> {
  const calibration = await OnnxCalibration.open(float, options);
  await calibration.add(ocrInputs(seen));
  return calibration;
}

async function quantized(
  calibration: OnnxCalibration,
  options: QuantizeStaticOptions = {},
): Promise<OnnxModel> {
  return (await quantizeStatic(calibration.model, calibration, options)).model;
}

const minmax = await calibrated({ calibrationMethod: "minmax" });
const percentile = await calibrated({ calibrationMethod: "percentile", percentile: 99.9 });
const mse = await calibrated({ calibrationMethod: "mse" });
// Neither the lines that were calibrated on nor those to judge on say which nodes stay in float.
const others = await ocrLines(3, 4, [...seen, ...unseen]);
const ranking = await rankNodes(float, mse, { heldOut: others.map(ocrInput) });
const worst = (count: number) => ranking.nodes.slice(0, count).map(({ node }) => node);
const models: Record<string, OnnxModel> = {
  "float32": float,
  "min-max": await quantized(minmax),
  "min-max, one scale a weight": await quantized(minmax, { perChannel: false }),
  "percentile 99.9": await quantized(percentile),
  "mse": await quantized(mse),
  "mse, the worst 8 nodes in float": await quantized(mse, { nodesToExclude: worst(8) }),
};
const judgements = await judgeReading(models, unseen, await ocrCharacters());
console.log(
  `PP-OCRv4 recognition, calibrated on ${seen.length} lines, reads ${unseen.length} others:`,
);
const judged = Object.entries(judgements);
console.log(String(
  new Table(judged.map(([model, { exact, characters, sqnr, milliseconds, bytes }]) => ({
    model,
    "lines right": percent(exact, 1),
    "characters right": percent(characters),
    "SQNR of the output": decibels(sqnr),
    bytes,
    "ms a line": milliseconds.toFixed(1),
  }))),
));

/** MNIST images in batches, as a calibration streams them. */
async function* batches(split: MnistSplit, size: number) {
  for (let start = 0; start < split.count; start += size) {
    using x = imagesTensor(split, start, start + size);
    yield { input: { data: await x.data() as Float32Array, dims: [...x.shape] } };
  }
}

/** The logits of all images of a split, 10 each. */
async function logitsOf(model: OnnxModel, split: MnistSplit): Promise<Float32Array> {
  await using runtime = await OnnxRuntime.open("mnist", model);
  const logits = new Float32Array(split.count * 10);
  let at = 0;
  for await (const feeds of batches(split, 1000)) {
    const { output } = await runtime.run(feeds);
    logits.set(output.data as Float32Array, at);
    at += output.data.length;
  }
  return logits;
}

// Digits: the network of this library goes the same way once it's a file.
const { train, test } = loadMnist({ train: 1024 });
const digits = await loadOnnx(await exportOnnx(await loadMnistModel(), randn([1, MNIST_PIXELS])));
const rows = await Promise.all(
  Object.entries({
    "float32": digits,
    "uint8 × int8": (await quantizeStatic(digits, batches(train, 128))).model,
  }).map(async ([name, model]) => {
    const predicted = predictions(await logitsOf(model, test));
    return {
      model: name,
      accuracy: percent(accuracyOf(predicted, test.labels)),
      bytes: model.byteLength(),
    };
  }),
);
console.log(
  `\nMNIST, ${test.count.toLocaleString("en")} test images, calibrated on ${train.count}:`,
);
console.log(String(new Table(rows)));
