/**
 * What quantizing an ONNX model cost, and what it brought.
 *
 * @module
 */
import { quote } from "../../numbers/printable.ts";
import { Noise } from "../../quantization/analysis/noise.ts";
import { checkShard, type Shard, showShard } from "../../data/shard.ts";
import type { OnnxSource } from "../calibration/calibrate.ts";
import { type Origin, originOf } from "../calibration/origin.ts";
import type { OnnxSamples, ShardedSamples } from "../calibration/samples.ts";
import { classOutputs } from "./class_outputs.ts";
import {
  comparedNumbers,
  type ComparedValue,
  comparedValues,
  withoutFilling,
  withOutputs,
} from "../verify/compared_tensors.ts";
import type { OnnxComparison } from "./comparison.ts";
import {
  type ComparedOutput,
  type ComparedSample,
  type ComparedTensor,
  comparisonOf,
  type ComparisonState,
  resultDigest,
} from "./comparison_state.ts";
import { ExactNoise } from "./exact_noise.ts";
import { loadOnnx } from "../file/model_file.ts";
import { floatNumbers, isFloatType } from "./float_output.ts";
import { OnnxModel } from "../file/model.ts";
import { type OnnxFeeds, type OnnxOutput, OnnxRuntime } from "../run/runtime.ts";
import type { AnalysisOptions } from "../../quantization/analysis/inputs.ts";

/** Options of {@linkcode compareOnnx}. */
export interface CompareOnnxOptions extends AnalysisOptions {
  /** How many samples there are, for the progress. */
  total?: number;
  /** Whether tensors between inputs and outputs are compared too, which takes another run of both; true by
   * default. */
  tensors?: boolean;
  /** Threads that compute one operator; as many as there are cores by default. */
  threads?: number;
  /** Runs only this share of the samples. */
  shard?: Shard;
}

/** Loads a model unless it is one. */
export async function modelOf(source: OnnxSource): Promise<OnnxModel> {
  return source instanceof OnnxModel ? source : await loadOnnx(source);
}

/** Throws unless both tensors have one shape; their element types may differ. */
export function checkPair(where: string, name: string, a: OnnxOutput, b: OnnxOutput): void {
  const shape = ({ type, dims }: OnnxOutput) => `${type} [${dims.join(", ")}]`;
  if (a.dims.length === b.dims.length && a.dims.every((size, i) => size === b.dims[i])) return;
  throw new Error(
    `${where}: ${quote(name)} is ${shape(a)} in the float model and ${shape(b)} in the ` +
      `quantized one; give the quantized model that was made from this float model`,
  );
}

/** Sessions that are freed together, the last opened first. */
class Sessions implements AsyncDisposable {
  private readonly opened: OnnxRuntime[] = [];

  constructor(private readonly where: string, private readonly threads: number | undefined) {}

  /** Opens one more. */
  async open(model: OnnxModel): Promise<OnnxRuntime> {
    const { where, threads } = this;
    const runtime = await OnnxRuntime.open(where, model, { threads });
    this.opened.push(runtime);
    return runtime;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const runtime of this.opened.reverse()) await runtime.release();
  }
}

/** Counts rows whose greatest value is at the same place. */
function countSame(
  classes: { same: number; rows: number },
  a: Float32Array,
  b: Float32Array,
  size: number,
): void {
  const greatest = (values: Float32Array, from: number) => {
    let best = from;
    for (let i = from + 1; i < from + size; i++) if (values[i] > values[best]) best = i;
    return best;
  };
  for (let from = 0; from + size <= a.length; from += size) {
    if (greatest(a, from) === greatest(b, from)) classes.same++;
    classes.rows++;
  }
}

/** The outputs of the float model, by name, after checking that the quantized one has them too. */
function sharedOutputs(where: string, float: OnnxModel, quantized: OnnxModel): string[] {
  const others = new Set(quantized.graph.output.map(({ name }) => name));
  const outputs = float.graph.output.map(({ name }) => name);
  const missing = outputs.find((name) => !others.has(name));
  if (missing !== undefined) {
    throw new Error(
      `${where}: the quantized model has no output ${quote(missing)}, which the float one has; ` +
        `give the quantized model that was made from this float model`,
    );
  }
  return outputs;
}

/** What a model gave for one sample, by name. */
type Results = Readonly<Record<string, OnnxOutput>>;

/** Runs both models in turns and takes the time. */
class StopWatch {
  /** Milliseconds of each run, of the float and of the quantized model. */
  readonly latency: readonly [number[], number[]] = [[], []];
  private runs = 0;

  constructor(
    private readonly models: readonly [OnnxRuntime, OnnxRuntime],
    private readonly outputs: readonly string[],
  ) {}

  /** What both give for a sample. */
  async run(feeds: OnnxFeeds): Promise<[Results, Results]> {
    // The first run of a session finds its memory; it is not counted.
    if (this.runs === 0) { for (const model of this.models) await model.run(feeds); }
    const results: Results[] = [];
    // Whoever comes second may find warmer caches.
    for (const i of this.runs++ % 2 ? [1, 0] : [0, 1]) {
      const start = performance.now();
      results[i] = await this.models[i].run(feeds, this.outputs);
      this.latency[i].push(performance.now() - start);
    }
    return [results[0], results[1]];
  }
}

/** Sums up how far off the tensors between inputs and outputs are. */
class TensorSums {
  private readonly noises: ReadonlyMap<ComparedValue, ExactNoise>;
  private readonly names: readonly [string[], string[]];

  constructor(
    private readonly where: string,
    private readonly models: readonly [OnnxRuntime, OnnxRuntime],
    values: readonly ComparedValue[],
  ) {
    this.noises = new Map(values.map((value) => [value, new ExactNoise()]));
    this.names = [
      values.map(({ name }) => name),
      [...new Set(values.map(({ fetch }) => fetch))],
    ];
  }

  /** Opens both models, to give these values too. */
  static async open(
    where: string,
    models: readonly [OnnxModel, OnnxModel],
    values: readonly ComparedValue[],
    open: (model: OnnxModel) => Promise<OnnxRuntime>,
  ): Promise<TensorSums> {
    const [a, b] = models;
    const floats = values.map(({ name }) => ({ name, dtype: "float32" as const }));
    const others = values.map(({ fetch, dtype }) => ({ name: fetch, dtype }));
    const pair = [await open(withOutputs(a, floats)), await open(withOutputs(b, others))] as const;
    return new TensorSums(where, pair, values);
  }

  /** Runs both models on a sample. */
  async add(feeds: OnnxFeeds): Promise<void> {
    const [floats, others] = [
      await this.models[0].run(feeds, this.names[0]),
      await this.models[1].run(feeds, this.names[1]),
    ];
    for (const [value, noise] of this.noises) {
      const x = floats[value.name];
      const y = withoutFilling(others[value.fetch], x.dims);
      checkPair(this.where, value.name, x, y);
      noise.add(x.data as Float32Array, comparedNumbers(value, y));
    }
  }

  /** A row for each tensor. */
  result(): ComparedTensor[] {
    return [...this.noises].map(([{ name, opType, scale }, noise]) => {
      return { name, opType, quantized: scale !== undefined, noise };
    });
  }
}

/**
 * Runs a float ONNX model and the quantized one made from it on the same samples through onnxruntime, and
 * compares outputs (SQNR, see `computeError`; the share of equal classes), the tensors that both compute, size and
 * latency. Both models are timed in turns, on runs of their own.
 *
 * @param float the float model: itself, its path or its bytes.
 * @param quantized the quantized model.
 * @param data samples, each a tensor for each input; one pass, of which only sums are kept. Shapes may change
 * from sample to sample.
 * @param options progress, a signal to stop, and what to leave out.
 * @throws {RangeError} if there are no samples.
 * @throws {TypeError} if a sample does not fit the models.
 * @throws {Error} if the models have other outputs or shapes.
 *
 * @example
 * ```ts
 * import { compareOnnx, exportOnnx, Linear, randn } from "@staticquant/staticquant";
 * const model = await exportOnnx(new Linear(4, 3), randn([1, 4]));
 * const comparison = await compareOnnx(model, model, [{ input: randn([2, 4]) }]);
 * console.log(comparison.outputs[0].sqnr, comparison.outputs[0].top1); // Infinity 1
 * ```
 */
export async function compareOnnx(
  float: OnnxSource,
  quantized: OnnxSource,
  data: OnnxSamples | ShardedSamples,
  options: CompareOnnxOptions = {},
): Promise<OnnxComparison> {
  return comparisonOf(await compareState("compareOnnx", float, quantized, data, options));
}

/**
 * What comparing two models has summed up.
 *
 * @param where opens the errors.
 */
export async function compareState(
  where: string,
  float: OnnxSource,
  quantized: OnnxSource,
  data: OnnxSamples | ShardedSamples,
  options: CompareOnnxOptions,
): Promise<ComparisonState> {
  const { onProgress, signal, total, threads, shard, tensors: compareTensors = true } = options;
  if (shard) checkShard(where, shard);
  const models = [await modelOf(float), await modelOf(quantized)] as const;
  const names = sharedOutputs(where, ...models);
  const isOutput = new Set(names);
  const values = compareTensors
    ? comparedValues(...models).filter(({ name }) => !isOutput.has(name))
    : [];
  await using sessions = new Sessions(where, threads);
  const open = (model: OnnxModel) => sessions.open(model);
  const watch = new StopWatch([await open(models[0]), await open(models[1])], names);
  const inside = values.length ? await TensorSums.open(where, models, values, open) : undefined;

  const classes = classOutputs(models[0]);
  const outputs = new Map<string, ComparedOutput>();
  const samples: ComparedSample[] = [];
  const { index: own, of } = shard ?? { index: 0, of: 1 };
  const picked = typeof data === "function";
  let count = 0;
  for await (const feeds of picked ? data(shard) : data) {
    signal?.throwIfAborted();
    const place = picked ? own + of * count++ : count++;
    if (place % of !== own) continue;
    const [floats, others] = await watch.run(feeds);
    const sqnr: number[] = [];
    for (const name of names) {
      const [x, y] = [floats[name], others[name]];
      checkPair(where, name, x, y);
      if (!isFloatType(x.type) || !isFloatType(y.type)) continue;
      const output = outputs.get(name) ?? {
        name,
        noise: new ExactNoise(),
        classes: classes.has(name) ? { same: 0, rows: 0 } : undefined,
      };
      outputs.set(name, output);
      const [a, b] = [floatNumbers(x), floatNumbers(y)];
      const alone = new Noise();
      alone.add(a, b);
      sqnr.push(alone.sqnr);
      output.noise.add(a, b);
      if (output.classes) countSame(output.classes, a, b, x.dims.at(-1) ?? 1);
    }
    await inside?.add(feeds);
    const latency = watch.latency.map((times) => times.at(-1)!) as [number, number];
    samples.push({ place, sqnr, latency });
    onProgress?.({ step: "comparing", done: samples.length, total });
  }
  if (samples.length === 0) {
    throw new RangeError(
      shard
        ? `${where}: ${showShard(shard)} holds no sample; share the list out in fewer shards`
        : `${where}: there are no samples, so there is nothing to run the models on`,
    );
  }
  const portion = {
    index: shard?.index ?? -1,
    samples: samples.length,
    digest: resultDigest(samples),
  };
  return {
    origin: await comparisonOrigin(...models, compareTensors),
    seen: { shards: shard?.of ?? 0, portions: [portion] },
    bytes: [models[0].byteLength(), models[1].byteLength()],
    outputs: [...outputs.values()],
    tensors: inside?.result() ?? [],
    samples,
  };
}

/** What a comparison is of: both models, by content, and whether tensors between are compared too. */
export async function comparisonOrigin(
  float: OnnxModel,
  quantized: OnnxModel,
  tensors: boolean,
): Promise<Origin> {
  const [a, b] = [await originOf(float, ""), await originOf(quantized, "")];
  return { ...a, model: `${a.model} ${b.model}`, settings: JSON.stringify({ tensors }) };
}
