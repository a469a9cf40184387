/**
 * Bias correction: the mean error that quantizing a layer brings, taken out by its bias.
 *
 * @module
 */
import type { Figure } from "../../plot/figure.ts";
import { Table } from "../../plot/table.ts";
import { deepcopy, type Module, nameModules, setField } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import type { DType } from "../../numbers/dtype.ts";
import { Tensor, tensor } from "../../tensor/tensor.ts";
import {
  ANALYSIS_OPTIONS,
  type AnalysisOptions,
  Batches,
  type ModelInputs,
  Runs,
} from "../analysis/inputs.ts";
import {
  type Call,
  CallRecorder,
  freeModule,
  quantizedLayers,
  release,
  view,
} from "../analysis/layers.ts";
import { Noise } from "../analysis/noise.ts";
import { decibels } from "../../plot/format.ts";
import { AnalysisReport, barsOfDecibels } from "../../plot/report.ts";
import { numelOf } from "../../numbers/shape.ts";
import { familyOf } from "../layers/layer_family.ts";
import { StaticQuantizedLayer } from "../layers/static_quantized_layer.ts";

/** What {@linkcode correctBias_} did to a layer. */
export interface CorrectedLayer {
  /** The layer's full name. */
  readonly layer: string;
  /** What was added to the bias, one number an output channel. */
  readonly change: readonly number[];
  /** The mean magnitude of the change. */
  readonly meanChange: number;
  /** The largest magnitude of the change. */
  readonly maxChange: number;
  /** Whether the layer had no bias and has one now. */
  readonly biasAdded: boolean;
}

/** What {@linkcode correctBias_} did. */
export class BiasCorrectionReport extends AnalysisReport {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "BiasCorrectionReport";

  /**
   * The result of `correctBias_`.
   *
   * @param layers what was corrected, in the order in which the layers run.
   * @param sqnrBefore SQNR of the model's output on the inputs before, in dB.
   * @param sqnrAfter the same after.
   */
  constructor(
    readonly layers: readonly CorrectedLayer[],
    readonly sqnrBefore: number,
    readonly sqnrAfter: number,
  ) {
    super();
  }

  /** A row for each layer. */
  override table(): Table {
    const rows = this.layers.map(({ layer, change, meanChange, maxChange, biasAdded }) => ({
      layer,
      channels: change.length,
      "mean |change|": meanChange,
      "max |change|": maxChange,
      "new bias": biasAdded,
    }));
    const note = `SQNR of the output: ${decibels(this.sqnrBefore)} before, ${
      decibels(this.sqnrAfter)
    } after`;
    return new Table(rows, { title: "Bias correction", note });
  }

  /** The output's SQNR before and after. */
  override figure(): Promise<Figure | null> {
    const { sqnrBefore: before, sqnrAfter: after } = this;
    return barsOfDecibels({ before, after }, "Bias correction", "SQNR of the output, dB");
  }
}

/**
 * Bias correction with data (Nagel et al. 2019, arXiv:1906.04721), after quantizing. Layer by
 * layer, in the order in which they run, it adds
 *
 * `E[float output] − E[quantized output]`
 *
 * of each output channel to the layer's bias, where the quantized output is that of the model whose
 * earlier layers are corrected already. A layer without a bias gets one.
 *
 * @param quantized the quantized model; changed in place.
 * @param float the float model that it was made from.
 * @param inputs batches as `model.forward` takes them; one pass over each model, and one for each
 * layer.
 * @param options progress and a signal to stop.
 * @returns the change of each layer's bias, and the output's SQNR before and after.
 * @throws {Error} if the models do not belong together, nothing is quantized, a quantized layer is
 * not run by the inputs or has no place for a bias. The model is then as it was.
 * @throws {RangeError} if there are no inputs, or a layer's output holds a NaN or an infinity.
 *
 * @example
 * ```ts
 * import {
 *   AffineQuantizedMinMaxObserver, correctBias_, deepcopy, insertObservers_, isObservedLinear, Linear,
 *   MappingType, PerTensor, quantize_, randn, Sequential, StaticQuantConfig, uint8,
 * } from "@staticquant/staticquant";
 * const float = new Sequential({ fc: new Linear(64, 32) });
 * const inputs = [randn([16, 64]), randn([16, 64])];
 * const m = deepcopy(float);
 * const observer = new AffineQuantizedMinMaxObserver(MappingType.ASYMMETRIC, uint8, {
 *   granularity: new PerTensor(),
 * });
 * insertObservers_(m, observer, observer);
 * for (const x of inputs) m.forward(x);
 * await quantize_(m, new StaticQuantConfig({ targetDtype: uint8 }), isObservedLinear);
 * const report = await correctBias_(m, float, inputs);
 * console.log(String(report), report.layers[0].maxChange);
 * ```
 */
export async function correctBias_(
  quantized: Module,
  float: Module,
  inputs: ModelInputs,
  options: AnalysisOptions = {},
): Promise<BiasCorrectionReport> {
  const where = "correctBias_";
  checkOptions(where, options, ANALYSIS_OPTIONS);
  const runs = new Runs(options);
  const floats = new Map(float.namedModules());
  const names = quantizedLayers(where, float, quantized)
    .filter((name) => familyOf(floats.get(name)));
  if (names.length === 0) {
    throw new Error(`${where}: the model has no quantized layer; call quantize_ first`);
  }
  const own = new Map(quantized.namedModules());
  for (const name of names) checkBias(where, name, own.get(name)!);

  using batches = await Batches.from(where, inputs, runs);
  runs.total = (names.length + 2) * batches.list.length;
  const copy = deepcopy(quantized);
  const floatCopy = deepcopy(float);
  const corrected: CorrectedLayer[] = [];
  const biases = new Map<string, Tensor>();
  let done = false;
  try {
    nameModules(copy);
    nameModules(floatCopy);
    const outputs: ArrayLike<number>[] = [];
    const dims = channelDims(floatCopy, names);
    const floatPass = await means(floatCopy, dims, batches, runs, "float model", async (y) => {
      outputs.push(await y.data());
    });
    const copies = new Map(copy.namedModules());
    let sqnrBefore: number | undefined;
    const order = [...floatPass.keys()];
    const missing = names.filter((name) => !floatPass.has(name));
    if (missing.length) {
      throw new Error(`${where}: the inputs do not run ${missing.join(", ")}, so there is no mean`);
    }
    const recorder = new CallRecorder(copy, names);
    for (const name of order) {
      const noise = new Noise();
      const own = new Map([[name, dims.get(name)!]]);
      const pass = await means(copy, own, batches, runs, name, async (y, i) => {
        if (sqnrBefore === undefined) noise.add(outputs[i], await y.data());
      }, recorder);
      sqnrBefore ??= noise.sqnr;
      const layer = copies.get(name)! as Biased;
      const made = await correctedBias(where, layer, floatPass.get(name)!, pass.get(name)!);
      biases.set(name, made.bias);
      corrected.push(made.report);
      layer.bias?.dispose();
      setField(layer, "bias", made.bias);
    }
    const after = new Noise();
    await means(copy, new Map(), batches, runs, "corrected model", async (y, i) => {
      after.add(outputs[i], await y.data());
    }, recorder);
    runs.check();
    for (const [name, bias] of biases) setField(own.get(name)!, "bias", bias);
    done = true;
    return new BiasCorrectionReport(corrected, sqnrBefore!, after.sqnr);
  } finally {
    freeModule(floatCopy);
    freeModule(copy, done ? new Set(biases.values()) : undefined);
  }
}

/** A layer's new bias, by the means of the float layer's outputs and of its own. */
async function correctedBias(
  where: string,
  layer: Biased,
  target: Means,
  got: Means,
): Promise<{ bias: Tensor; report: CorrectedLayer }> {
  const change = Array.from(target.means, (mean, j) => mean - got.means[j]);
  const bad = change.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) {
    throw new RangeError(
      `${where}: output channel ${bad} of ${layer.displayName} has a NaN or an infinity among its ` +
        `values; look at the inputs and at the layers before`,
    );
  }
  const { bias: old, fullName } = layer;
  const values = await old?.data();
  const { dtype, device } = old ?? got;
  const bias = tensor(change.map((x, j) => x + (values?.[j] ?? 0)), { dtype, device }).keep();
  const sizes = change.map(Math.abs);
  const report: CorrectedLayer = {
    layer: fullName,
    change,
    meanChange: sizes.reduce((sum, x) => sum + x, 0) / sizes.length,
    maxChange: Math.max(...sizes),
    biasAdded: !old,
  };
  return { bias, report };
}

type Biased = Module & { bias: Tensor | null };

function checkBias(where: string, name: string, module: Module): void {
  const { bias } = module as unknown as Partial<Biased>;
  if (bias !== null && !(bias instanceof Tensor)) {
    throw new TypeError(
      `${where}: ${name} (${module.constructor.name}) has no field \`bias\` that holds a tensor or null, ` +
        `so its output cannot be corrected`,
    );
  }
}

/** The mean of each output channel of a layer. */
interface Means {
  readonly means: Float64Array;
  readonly dtype: DType;
  readonly device: Tensor["device"];
}

/** The dimension of each layer's output that counts the channels. */
function channelDims(float: Module, names: readonly string[]): Map<string, number> {
  const modules = new Map(float.namedModules());
  return new Map(names.map((name) => [name, familyOf(modules.get(name))!.channelDim]));
}

/** What a call gave, as floats that no ReLU after the layer has cut off. */
function floatOutput(layer: Module, { input, output }: Call): Tensor {
  return layer instanceof StaticQuantizedLayer && layer.output
    ? layer.floatOutput(input)
    : view(output);
}

/**
 * Runs a model on all batches, for the means of its layers' outputs, in the order they ran. `dims` says of
 * each layer which dimension of its output counts the channels.
 */
async function means(
  model: Module,
  dims: ReadonlyMap<string, number>,
  batches: Batches,
  runs: Runs,
  step: string,
  onOutput: (y: Tensor, batch: number) => Promise<void>,
  recorder: CallRecorder = new CallRecorder(model, [...dims.keys()]),
): Promise<Map<string, Means>> {
  const sums = new Map<string, { sums: Float64Array; rows: number } & Omit<Means, "means">>();
  const layers = new Map(model.namedModules());
  for (const [i, batch] of batches.list.entries()) {
    using y = runs.run(model, batch);
    const calls = recorder.take();
    try {
      for (const [name, list] of calls) {
        const dim = dims.get(name);
        if (dim === undefined) continue;
        for (const call of list) {
          using output = floatOutput(layers.get(name)!, call);
          const { dtype, device } = output;
          const channels = output.shape.at(dim)!;
          const inner = numelOf(output.shape.slice(output.ndim + dim + 1));
          const entry = sums.get(name) ??
            { sums: new Float64Array(channels), rows: 0, dtype, device };
          sums.set(name, entry);
          const values = await output.data();
          for (let k = 0; k < values.length; k++) {
            entry.sums[Math.floor(k / inner) % channels] += values[k];
          }
          entry.rows += values.length / channels;
        }
      }
    } finally {
      release(calls);
    }
    await onOutput(y, i);
    runs.step(step);
  }
  return new Map(
    [...sums].map(([name, { sums, rows, dtype, device }]) => [
      name,
      { means: sums.map((sum) => sum / rows), dtype, device },
    ]),
  );
}
