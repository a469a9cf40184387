/**
 * Static quantization of a real network on real data: an MLP on MNIST, calibrated on training
 * images and judged on all 10,000 test images.
 *
 * Run it with `deno task tutorial`, or alone with
 * `deno run --allow-read --allow-env=XDG_RUNTIME_DIR examples/mnist.ts`.
 *
 * @module
 */
import {
  AffineQuantizedMinMaxObserver,
  computeError,
  deepcopy,
  type DType,
  init,
  insertObservers_,
  int8,
  isObservedLinear,
  MappingType,
  PerAxis,
  PerTensor,
  quantize_,
  type Sequential,
  StaticQuantConfig,
  Table,
  tensor,
  uint8,
} from "@staticquant/staticquant";
import { loadMnist } from "./support/mnist_data.ts";
import {
  accuracyOf,
  imagesTensor,
  loadMnistModel,
  logitsOf,
  predictions,
} from "./support/mnist_model.ts";

const CALIBRATION_IMAGES = 1024;

const { device, adapter } = await init();
console.log(`Running on ${device}: ${adapter}`);
const { train, test } = loadMnist({ train: CALIBRATION_IMAGES });
const float = await loadMnistModel();

/** A quantized copy of the float model. */
async function quantized(mappingType: MappingType, targetDtype: DType): Promise<Sequential> {
  const model = deepcopy(float);
  insertObservers_(
    model,
    new AffineQuantizedMinMaxObserver(mappingType, targetDtype, { granularity: new PerTensor() }),
    new AffineQuantizedMinMaxObserver(mappingType, targetDtype, { granularity: new PerAxis(0) }),
  );
  for (let start = 0; start < train.count; start += 128) {
    using x = imagesTensor(train, start, start + 128);
    model.forward(x).dispose();
  }
  await quantize_(model, new StaticQuantConfig({ targetDtype }), isObservedLinear);
  return model;
}

const bytesOf = (model: Sequential) =>
  Object.values(model.stateDict()).reduce((sum, t) => sum + t.nbytes, 0);

const floatLogits = await logitsOf(float, test);
const rows: Record<string, string | number>[] = [];
for (
  const [name, model] of [
    ["float32", float],
    ["uint8 asymmetric", await quantized(MappingType.ASYMMETRIC, uint8)],
    ["int8 symmetric", await quantized(MappingType.SYMMETRIC, int8)],
  ] as const
) {
  await logitsOf(model, { ...test, count: 1000 }); // compiles the kernels
  const start = performance.now();
  const logits = await logitsOf(model, test);
  const seconds = (performance.now() - start) / 1000;
  const sqnr = await computeError(
    tensor(floatLogits, { device: "cpu" }),
    tensor(logits, { device: "cpu" }),
  );
  rows.push({
    "model": name,
    "accuracy": `${(100 * accuracyOf(predictions(logits), test.labels)).toFixed(2)} %`,
    "SQNR of the logits": Number.isFinite(sqnr) ? `${sqnr.toFixed(1)} dB` : "",
    "bytes": bytesOf(model),
    "images/s": Math.round(test.count / seconds),
  });
}
console.log(
  `\nMNIST, ${
    test.count.toLocaleString("en")
  } test images, calibrated on ${train.count} training images:`,
);
console.log(String(new Table(rows)));
