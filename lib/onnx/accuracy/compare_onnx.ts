/**
 * What quantizing an ONNX model cost, and what it brought.
 *
 * @module
 */
import { Noise } from "../../quantization/analysis/noise.ts";
import type { OnnxSamples, OnnxSource } from "../calibration/calibrate.ts";
import { classOutputs } from "./class_outputs.ts";
import {
  comparedNumbers,
  type ComparedValue,
  comparedValues,
  withOutputs,
} from "./compared_tensors.ts";
import { OnnxComparison, type OnnxOutputComparison } from "./comparison.ts";
import { loadOnnx } from "../file/model_file.ts";
import { OnnxModel } from "../file/model.ts";
import { type OnnxOutput, OnnxRuntime } from "../run/runtime.ts";
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
}

/** Loads a model unless it is one. */
export async function modelOf(source: OnnxSource): Promise<OnnxModel> {
  return source instanceof OnnxModel ? source : await loadOnnx(source);
}

/** Throws unless both tensors are float32 of one shape. */
export function checkPair(where: string, name: string, a: OnnxOutput, b: OnnxOutput): void {
  const shape = ({ type, dims }: OnnxOutput) => `${type} [${dims.join(", ")}]`;
  if (a.dims.length === b.dims.length && a.dims.every((size, i) => size === b.dims[i])) return;
  throw new Error(
    `${where}: ${JSON.stringify(name)} is ${shape(a)} in the float model and ${shape(b)} in the ` +
      `quantized one; give the quantized model that was made from this float model`,
  );
}

/** Counts rows whose greatest value is at the same place. */
class Agreement {
  private same = 0;
  private rows = 0;

  add(a: Float32Array, b: Float32Array, size: number): void {
    const greatest = (values: Float32Array, from: number) => {
      let best = from;
      for (let i = from + 1; i < from + size; i++) if (values[i] > values[best]) best = i;
      return best;
    };
    for (let from = 0; from + size <= a.length; from += size) {
      if (greatest(a, from) === greatest(b, from)) this.same++;
      this.rows++;
    }
  }

  get share(): number | null {
    return this.rows ? this.same / this.rows : null;
  }
}

/** What is summed up of one output. */
class OutputSums {
  private readonly noise = new Noise();
  private readonly perSample: number[] = [];
  private readonly agreement?: Agreement;

  constructor(private readonly name: string, classes: boolean) {
    if (classes) this.agreement = new Agreement();
  }

  add(a: OnnxOutput, b: OnnxOutput): void {
    const [x, y] = [a.data, b.data] as Float32Array[];
    const own = new Noise();
    own.add(x, y);
    this.noise.add(x, y);
    this.perSample.push(own.sqnr);
    this.agreement?.add(x, y, a.dims.at(-1) ?? 1);
  }

  result(): OnnxOutputComparison {
    const { name, noise: { sqnr }, perSample: sqnrPerSample } = this;
    return { name, sqnr, top1: this.agreement?.share ?? null, sqnrPerSample };
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
  data: OnnxSamples,
  options: CompareOnnxOptions = {},
): Promise<OnnxComparison> {
  const where = "compareOnnx";
  const { onProgress, signal, total, threads, tensors: compareTensors = true } = options;
  const models = [await modelOf(float), await modelOf(quantized)];
  const [a, b] = models;
  const outputs = a.graph.output.map(({ name }) => name);
  const missing = outputs.find((name) => !b.graph.output.some((output) => output.name === name));
  if (missing !== undefined) {
    throw new Error(
      `${where}: the quantized model has no output ${
        JSON.stringify(missing)
      }, which the float one has; ` +
        `give the quantized model that was made from this float model`,
    );
  }
  const values = compareTensors
    ? comparedValues(a, b).filter(({ name }) => !outputs.includes(name))
    : [];
  await using stack = new AsyncDisposableStack();
  const open = async (model: OnnxModel) =>
    stack.use(await OnnxRuntime.open(where, model, { threads }));
  const timed = [await open(a), await open(b)];
  const inside = values.length
    ? [
      await open(withOutputs(a, values.map(({ name }) => ({ name, dtype: "float32" })))),
      await open(withOutputs(b, values.map(({ fetch, dtype }) => ({ name: fetch, dtype })))),
    ]
    : [];

  const classes = classOutputs(a);
  const sums = new Map<string, OutputSums>();
  const noises = new Map(values.map((value): [ComparedValue, Noise] => [value, new Noise()]));
  const latency: number[][] = [[], []];
  let samples = 0;
  for await (const feeds of data) {
    signal?.throwIfAborted();
    // The first run of a session finds its memory; it is not counted.
    if (samples === 0) { for (const runtime of timed) await runtime.run(feeds); }
    const results: Record<string, OnnxOutput>[] = [];
    // Whoever comes second may find warmer caches.
    for (const i of samples % 2 ? [1, 0] : [0, 1]) {
      const start = performance.now();
      results[i] = await timed[i].run(feeds, outputs);
      latency[i].push(performance.now() - start);
    }
    for (const name of outputs) {
      const [x, y] = results.map((result) => result[name]);
      checkPair(where, name, x, y);
      if (x.type !== "float32" || y.type !== "float32") continue;
      const sum = sums.get(name) ?? new OutputSums(name, classes.has(name));
      sums.set(name, sum);
      sum.add(x, y);
    }
    if (inside.length) {
      const [floats, others] = [
        await inside[0].run(feeds, values.map(({ name }) => name)),
        await inside[1].run(feeds, [...new Set(values.map(({ fetch }) => fetch))]),
      ];
      for (const [value, noise] of noises) {
        const [x, y] = [floats[value.name], others[value.fetch]];
        checkPair(where, value.name, x, y);
        noise.add(x.data as Float32Array, comparedNumbers(value, y));
      }
    }
    samples++;
    onProgress?.({ step: "comparing", done: samples, total });
  }
  if (samples === 0) {
    throw new RangeError(
      `${where}: there are no samples, so there is nothing to run the models on`,
    );
  }
  const cost = (i: number) => ({ bytes: models[i].toBytes().length, latency: latency[i] });
  return new OnnxComparison({
    samples,
    outputs: [...sums.values()].map((sum) => sum.result()),
    tensors: [...noises].map(([{ name, opType, scale }, { sqnr }]) => ({
      name,
      opType,
      quantized: scale !== undefined,
      sqnr,
    })),
    float: cost(0),
    quantized: cost(1),
  });
}
