/**
 * A calibration that is shared out: each of four Deno workers observes a quarter of the sample with
 * a model of its own and sends back what its observers saw, as the bytes of a safetensors file. The
 * main thread merges them and quantizes. The scales have the same bits as those of one pass over the
 * whole sample. With other machines in place of workers, nothing else would change.
 *
 * Run it with
 * `deno run --allow-read --allow-env=XDG_RUNTIME_DIR examples/merge_calibration.ts`. Reading is for
 * the weights, the images and the worker's own file.
 *
 * @module
 */
import {
  AffineQuantizedHistogramObserver,
  AffineQuantizedMinMaxObserver,
  type AffineQuantizedObserverBase,
  computeError,
  deepcopy,
  type Device,
  init,
  insertObservers_,
  isObservedLinear,
  MappingType,
  mergeCalibration_,
  ObservedLinear,
  PerAxis,
  PerTensor,
  quantize_,
  type Sequential,
  type Shard,
  StaticQuantConfig,
  Table,
  type TableCell,
  tensor,
  uint8,
} from "@staticquant/staticquant";
import { loadMnist, MNIST_PIXELS, type MnistSplit } from "./support/mnist_data.ts";
import {
  accuracyOf,
  imagesTensor,
  loadMnistModel,
  logitsOf,
  predictions,
} from "./support/mnist_model.ts";

/** Which observer looks at the activations. */
export type ObserverKind = "min-max" | "histogram";

/** What a worker is asked to do. */
export interface CalibrationJob {
  /** Which observer looks at the activations. */
  kind: ObserverKind;
  /** Where to compute. */
  device: Device;
  /** The worker's share of the sample, 784 pixels an image. */
  images: Float32Array<ArrayBuffer>;
  /** Which share that is. */
  shard: Shard;
}

const BATCH = 32;
const WORKERS = 4;

/** A copy of the model, under observation. */
export function observed(float: Sequential, kind: ObserverKind): Sequential {
  const model = deepcopy(float);
  const options = { granularity: new PerTensor() };
  const actObs = kind === "min-max"
    ? new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, options)
    : new AffineQuantizedHistogramObserver(MappingType.ASYMMETRIC, uint8, options);
  const weightObs = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
    granularity: new PerAxis(0),
  });
  insertObservers_(model, actObs, weightObs);
  return model;
}

/** Runs images through an observed model. */
export function calibrate(model: Sequential, images: Float32Array<ArrayBuffer>): void {
  const count = images.length / MNIST_PIXELS;
  const split = { images, labels: new Uint8Array(), count };
  for (let start = 0; start < count; start += BATCH) {
    using x = imagesTensor(split, start, Math.min(start + BATCH, count));
    model.forward(x).dispose();
  }
}

/** Lets workers calibrate, each on its part of the sample; gives back the files that they made. */
export async function calibrateInWorkers(
  parts: readonly Float32Array<ArrayBuffer>[],
  kind: ObserverKind,
  device: Device,
): Promise<Uint8Array[]> {
  return await Promise.all(parts.map(async (images, index) => {
    const url = new URL("./support/merge_calibration_worker.ts", import.meta.url);
    const worker = new Worker(url, { type: "module" });
    try {
      return await new Promise<Uint8Array>((resolve, reject) => {
        worker.onmessage = ({ data }: MessageEvent<Uint8Array | string>) =>
          typeof data === "string" ? reject(new Error(data)) : resolve(data);
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(`A calibration worker failed: ${event.message}`));
        };
        const shard = { index, of: parts.length };
        const job: CalibrationJob = { kind, device, images, shard };
        worker.postMessage(job);
      });
    } finally {
      worker.terminate();
    }
  }));
}

/** The sample in parts of as many images each. */
export function partsOf({ images, count }: MnistSplit, parts: number): Float32Array<ArrayBuffer>[] {
  const size = Math.ceil(count / parts) * MNIST_PIXELS;
  return Array.from({ length: parts }, (_, i) => images.slice(i * size, (i + 1) * size));
}

/** Scale and zero point of an observer of activations, as numbers. */
export async function qparamsOf(observer: AffineQuantizedObserverBase): Promise<[number, number]> {
  const [scale, zeroPoint] = await observer.calculateQParams();
  return [await scale.item(), await zeroPoint.item()];
}

async function main(): Promise<void> {
  const { device, adapter } = await init();
  const { train, test } = loadMnist({ train: 1024 });
  const parts = partsOf(train, WORKERS);
  console.log(`Running on ${device}: ${adapter}`);
  console.log(
    `${train.count} training images: one pass, and ${WORKERS} workers with ${
      train.count / WORKERS
    }\n`,
  );
  const float = await loadMnistModel();
  const floatLogits = tensor(await logitsOf(float, test), { device: "cpu" });
  const scales: Record<string, TableCell>[] = [];
  const models: Record<string, TableCell>[] = [];
  for (const kind of ["min-max", "histogram"] as const) {
    const onePass = observed(float, kind);
    calibrate(onePass, train.images);

    const merged = observed(float, kind);
    await mergeCalibration_(merged, await calibrateInWorkers(parts, kind, device));

    const layers = new Map(onePass.namedModules());
    for (const [layer, module] of merged.namedModules()) {
      if (!(module instanceof ObservedLinear)) continue;
      const [a, zeroA] = await qparamsOf((layers.get(layer) as ObservedLinear).actObs);
      const [b, zeroB] = await qparamsOf(module.actObs);
      scales.push({
        "observer": kind,
        "input of": layer,
        "one pass": a,
        "merged": b,
        "same bits": Object.is(a, b) && zeroA === zeroB,
      });
    }
    await quantize_(merged, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
    const logits = await logitsOf(merged, test);
    const sqnr = await computeError(floatLogits, tensor(logits, { device: "cpu" }));
    const accuracy = accuracyOf(predictions(logits), test.labels);
    models.push({
      "observer": kind,
      "accuracy": `${(100 * accuracy).toFixed(2)} %`,
      "SQNR": `${sqnr.toFixed(1)} dB`,
    });
  }
  console.log(String(new Table(scales)));
  console.log(`\nThe merged models, quantized to uint8, on ${test.count} test images:`);
  console.log(String(new Table(models)));
}

if (import.meta.main) await main();
