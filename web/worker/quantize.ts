/**
 * Quantizing a model, and looking at what it cost.
 *
 * @module
 */
import { readSamples } from "../../lib/data/read_samples.ts";
import { replay } from "../../lib/data/replay.ts";
import type { Feeds } from "../../lib/data/sample.ts";
import { median } from "../../lib/onnx/accuracy/comparison.ts";
import { autoQuantize } from "../../lib/onnx/accuracy/auto_quantize.ts";
import { compareOnnx } from "../../lib/onnx/accuracy/compare_onnx.ts";
import { rankNodes } from "../../lib/onnx/accuracy/rank_nodes.ts";
import { OnnxCalibration } from "../../lib/onnx/calibration/calibrate.ts";
import type { OnnxModel } from "../../lib/onnx/file/model.ts";
import { modelInputs } from "../../lib/onnx/inspect/model_inputs.ts";
import { nameNodes, sharedNodeNames } from "../../lib/onnx/prepare/name_nodes.ts";
import {
  quantizeStatic,
  type QuantizeStaticOptions,
  type QuantizeStaticResult,
} from "../../lib/onnx/quantize_static.ts";
import { OnnxRuntime } from "../../lib/onnx/run/runtime.ts";
import { coarser } from "../../lib/plot/counts.ts";
import { openModel } from "./model.ts";
import type {
  CompareOutcome,
  Judges,
  OutputPair,
  QuantizeJob,
  QuantizeOutcome,
  RankOutcome,
  SeenValues,
  TargetOutcome,
} from "./protocol.ts";
import type { Turn } from "./turn.ts";

/** Samples that a ranking goes through for each of its measurements. */
const RANKED_SAMPLES = 4;
/** Samples whose values are counted where the calibration has not counted them. */
const COUNTED_SAMPLES = 32;
/** Bars of a distribution at most. */
const BARS = 128;
/** Values of an output that are shown. */
const SHOWN_VALUES = 1 << 16;

/** How short work is timed: in so many rounds of about so many milliseconds each. */
const ROUNDS = { count: 7, milliseconds: 20, short: 2, least: 0.05 };

/** What the last run left for the calls after it. */
interface Quantized {
  readonly job: QuantizeJob;
  readonly float: OnnxModel;
  readonly quantized: OnnxModel;
  readonly calibration: OnnxCalibration;
  readonly settings: QuantizeStaticOptions;
  readonly observed: ReadonlySet<string>;
  /** What both models are judged on. */
  readonly judges: () => AsyncIterable<Feeds>;
}

let last: Quantized | undefined;

/** Lets messages in, such as one that cancels, before each sample. */
async function* breathing(samples: AsyncIterable<Feeds>): AsyncGenerator<Feeds> {
  const { port1, port2 } = new MessageChannel();
  try {
    for await (const sample of samples) {
      await new Promise((resolve) => {
        port1.onmessage = resolve;
        port2.postMessage(null);
      });
      yield sample;
    }
  } finally {
    port1.close();
  }
}

async function* first(count: number, samples: AsyncIterable<Feeds>): AsyncGenerator<Feeds> {
  for await (const sample of samples) {
    yield sample;
    if (--count === 0) return;
  }
}

/** Of so many samples one is kept from the calibration, where a target is to be met and no others are given. */
const SHARE = 4;

/** Thrown where a share of the samples is nothing; the page has words for it. */
class NoShare extends Error {
  override readonly name: string = "NoShare";
}

/** How many of so many samples are kept. */
const keptOf = (samples: number) => Math.floor((samples + SHARE - 2) / SHARE);

/** The samples that are kept from the calibration, or all others. */
async function* share(samples: AsyncIterable<Feeds>, kept: boolean): AsyncGenerator<Feeds> {
  let i = 0;
  for await (const sample of samples) if ((i++ % SHARE === 1) === kept) yield sample;
  if (kept && keptOf(i) === 0) throw new NoShare();
}

/** What a job is judged on. */
function judgesOf({ heldOut, settings }: QuantizeJob): Judges {
  if (heldOut.length > 0) return "others";
  return settings.targetSqnr === undefined ? "same" : "share";
}

/** Samples to judge with, which may be gone through many times. */
function repeated(job: QuantizeJob, model: OnnxModel): () => AsyncIterable<Feeds> {
  const { heldOut, samples, read } = job;
  const judges = judgesOf(job);
  const [files, options] = judges === "others"
    ? [heldOut, { ...read, limit: undefined }]
    : [samples, read];
  const again = replay(() => readSamples(files, modelInputs(model), options));
  return () => breathing(judges === "share" ? share(again(), true) : again());
}

/** Quantizes what was calibrated, as far as the target allows if there is one. */
async function makeOf(
  calibration: OnnxCalibration,
  options: QuantizeStaticOptions,
  targetSqnr: number | undefined,
  heldOut: () => AsyncIterable<Feeds>,
  { signal, onProgress }: Turn,
): Promise<
  Pick<QuantizeStaticResult, "model" | "nodes" | "activations" | "warnings"> & {
    target?: TargetOutcome;
  }
> {
  if (targetSqnr === undefined) {
    return await quantizeStatic(calibration.model, calibration, { ...options, signal });
  }
  const found = await autoQuantize(calibration.model, calibration, {
    ...{ ...options, targetSqnr, heldOut, signal },
    onProgress: ({ done, total }) => onProgress({ step: "searching", done, total }),
  });
  const target = { asked: targetSqnr, reached: found.sqnr, leftOut: found.leftOut.length };
  return { ...found, target };
}

/** Quantizes a model as the command line does. */
export async function quantize(
  job: QuantizeJob,
  { signal, onProgress }: Turn,
): Promise<QuantizeOutcome> {
  last = undefined;
  const { method, percentile, opTypes, exclude, symmetric, ...rest } = job.settings;
  const opTypesToQuantize = opTypes.length > 0 ? [...opTypes] : undefined;
  onProgress({ step: "opening", done: 0 });
  const model = await openModel(job.model);
  if (sharedNodeNames(model.graph).length > 0) nameNodes(model.graph);
  const calibration = await OnnxCalibration.open(model, {
    calibrationMethod: method,
    percentile: method === "percentile" ? percentile : undefined,
    opTypesToQuantize,
  });
  let total = job.read.limit;
  const judgedOn = judgesOf(job);
  const all = breathing(readSamples(job.samples, modelInputs(model), {
    ...job.read,
    onTotal: (samples) => total = judgedOn === "share" ? samples - keptOf(samples) : samples,
  }));
  await calibration.add(judgedOn === "share" ? share(all, false) : all, {
    signal,
    onProgress: ({ samples }) => onProgress({ step: "calibrating", done: samples, total }),
  });
  onProgress({ step: "quantizing", done: 0 });
  const settings: QuantizeStaticOptions = {
    ...{ target: rest.target, activationType: rest.activationType, weightType: rest.weightType },
    ...{ perChannel: rest.perChannel, reduceRange: rest.reduceRange },
    activationSymmetric: symmetric,
    opTypesToQuantize,
    nodesToExclude: exclude.length > 0 ? [...exclude] : undefined,
  };
  const judges = repeated(job, model);
  const made = await makeOf(calibration, settings, rest.targetSqnr, judges, { signal, onProgress });
  last = {
    ...{ job, float: model, quantized: made.model, calibration, settings },
    observed: new Set(made.activations.map(({ name }) => name)),
    judges,
  };
  return {
    file: new Uint8Array(made.model.toBytes()),
    floatBytes: model.byteLength(),
    samples: calibration.samples,
    nodes: made.nodes,
    activations: made.activations,
    warnings: made.warnings,
    judges: judgedOn,
    target: made.target,
  };
}

function lastRun(): Quantized {
  if (!last) throw new Error("nothing was quantized yet; quantize the model first");
  return last;
}

/** Runs both models on the samples to judge with. */
export async function compare(turn: Turn): Promise<CompareOutcome> {
  const { float, quantized, judges } = lastRun();
  const { samples, outputs, tensors, float: before, quantized: after, sqnr } = await compareOnnx(
    float,
    quantized,
    judges(),
    {
      signal: turn.signal,
      onProgress: ({ done, total }) => turn.onProgress({ step: "comparing", done, total }),
    },
  );
  const costs = [before, after];
  const medians = costs.map(({ latency }) => median(latency));
  const first = await firstSample(float, quantized, judges(), medians);
  const [x, y] = costs.map(({ bytes, latency }, i) => {
    return { bytes, latency: first.latency[i] ?? latency };
  });
  return {
    comparison: { samples, outputs, tensors, sqnr, float: x, quantized: y },
    outputs: first.outputs,
  };
}

/** What both models make of the first sample. */
interface FirstSample {
  readonly outputs: OutputPair[];
  /** The milliseconds that it takes them, timed anew where the clock can hardly tell; else nothing. */
  readonly latency: readonly number[][];
}

/** @param medians the milliseconds that a run of each takes. */
async function firstSample(
  float: OnnxModel,
  quantized: OnnxModel,
  samples: AsyncIterable<Feeds>,
  medians: readonly number[],
): Promise<FirstSample> {
  await using before = await OnnxRuntime.open("compare", float);
  await using after = await OnnxRuntime.open("compare", quantized);
  for await (const feeds of samples) {
    const [a, b] = [await before.run(feeds), await after.run(feeds)];
    const outputs = before.outputs.flatMap(({ name }) => {
      const [x, y] = [a[name]?.data, b[name]?.data];
      if (!(x instanceof Float32Array && y instanceof Float32Array)) return [];
      return [{ name, float: x.slice(0, SHOWN_VALUES), quantized: y.slice(0, SHOWN_VALUES) }];
    });
    const works = [before, after].map((runtime) => () => runtime.run(feeds));
    const short = medians.every((ms) => ms < ROUNDS.short);
    return { outputs, latency: short ? await inRounds(works, medians) : [] };
  }
  return { outputs: [], latency: [] };
}

/**
 * The milliseconds that short work takes, by so many repetitions that the clock of a page, which is coarse, can tell
 * them; in turns, so that what else the machine does strikes all alike.
 */
async function inRounds(
  works: readonly (() => Promise<unknown>)[],
  medians: readonly number[],
): Promise<number[][]> {
  const times: number[][] = works.map(() => []);
  for (let round = 0; round < ROUNDS.count; round++) {
    for (const [i, work] of works.entries()) {
      const runs = Math.ceil(ROUNDS.milliseconds / Math.max(medians[i], ROUNDS.least));
      const start = performance.now();
      for (let run = 0; run < runs; run++) await work();
      times[i].push((performance.now() - start) / runs);
    }
  }
  return times;
}

/** The values of each activation that became integers, counted. */
export async function distributions(turn: Turn): Promise<SeenValues[]> {
  const { calibration, settings, observed, job } = lastRun();
  const counts = await calibration.histograms() ?? await (async () => {
    const counting = await OnnxCalibration.open(calibration.model, {
      calibrationMethod: "percentile",
      prepare: false,
      opTypesToQuantize: settings.opTypesToQuantize,
    });
    const samples = readSamples(job.samples, modelInputs(calibration.model), job.read);
    const total = Math.min(calibration.samples, COUNTED_SAMPLES);
    await counting.add(breathing(first(COUNTED_SAMPLES, samples)), {
      signal: turn.signal,
      onProgress: ({ samples }) => turn.onProgress({ step: "counting", done: samples, total }),
    });
    return (await counting.histograms())!;
  })();
  return [...counts].flatMap(([name, histogram]) =>
    observed.has(name) ? [{ name, ...coarser(histogram, BARS) }] : []
  );
}

/** Which nodes hurt most. */
export async function rank(turn: Turn): Promise<RankOutcome> {
  const { calibration, settings, judges } = lastRun();
  const { nodes, sqnr } = await rankNodes(calibration.model, calibration, {
    ...settings,
    heldOut: () => first(RANKED_SAMPLES, judges()),
    signal: turn.signal,
    onProgress: ({ done, total }) => turn.onProgress({ step: "ranking", done, total }),
  });
  return { nodes, sqnr };
}
