/**
 * SmoothQuant: outliers moved from activations into weights.
 *
 * @module
 */
import { plotBars } from "../../plot/bars.ts";
import type { Figure } from "../../plot/figure.ts";
import { Table } from "../../plot/table.ts";
import { deepcopy, type Module, nameModules, setField } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { int8 } from "../../numbers/dtype.ts";
import { permute } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { DataFlow } from "../analysis/graph.ts";
import {
  ANALYSIS_OPTIONS,
  type AnalysisOptions,
  type Batch,
  batchesOf,
  type ModelInputs,
  Runs,
} from "../analysis/inputs.ts";
import {
  freeModule,
  type LayerSelection,
  selectLayers,
  tap,
  tensorsOf,
} from "../analysis/layers.ts";
import { familyOf, isFloatLayer } from "../layers/layer_family.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { Noise } from "../analysis/noise.ts";
import { AnalysisReport } from "../../plot/report.ts";
import { PerAxis } from "../affine/granularity.ts";
import { AffineQuantizedMinMaxObserver } from "../observers/min_max_observer.ts";
import { groupLayers } from "./absorbers.ts";
import { Edits, roundingFloor } from "./tensor_edits.ts";
import { inputChannels, type Norm, outputChannels, weightChannels } from "./weight_channels.ts";

/** Options of {@linkcode smooth_}. */
export interface SmoothOptions extends AnalysisOptions {
  /**
   * How much of the difficulty goes from activations to weights: 0 none, 1 all; 0.5 by default,
   * which the paper found right for most models.
   */
  alpha?: number;
  /**
   * The layers to smooth, by full name or by a filter; each must have a predecessor that can absorb
   * the scale. By default every layer that has one.
   */
  layers?: LayerSelection;
}

/** What {@linkcode smooth_} did to a layer. */
export interface SmoothedLayer {
  /** The layer's full name. */
  readonly layer: string;
  /** The full name of the module that absorbed the inverse scale. */
  readonly predecessor: string;
  /** The largest magnitude of the layer's inputs before. */
  readonly inputMaxBefore: number;
  /** The largest magnitude of the layer's inputs after. */
  readonly inputMaxAfter: number;
  /** The largest magnitude of the layer's weight before. */
  readonly weightMaxBefore: number;
  /** The largest magnitude of the layer's weight after. */
  readonly weightMaxAfter: number;
  /** The smoothing scale of each input channel. */
  readonly scale: readonly number[];
}

/** What {@linkcode smooth_} did. */
export class SmoothingReport extends AnalysisReport {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "SmoothingReport";

  /**
   * The result of `smooth_`.
   *
   * @param alpha the migration strength used.
   * @param layers what was smoothed, in the model's order.
   * @param skipped the layers left as they were, with the reasons.
   */
  constructor(
    readonly alpha: number,
    readonly layers: readonly SmoothedLayer[],
    readonly skipped: readonly { readonly layer: string; readonly reason: string }[],
  ) {
    super();
  }

  /** A row for each layer. */
  override table(): Table {
    const rows = this.layers.map((row) => ({
      layer: row.layer,
      "absorbed by": row.predecessor,
      "input max": row.inputMaxBefore,
      "then": row.inputMaxAfter,
      "weight max": row.weightMaxBefore,
      "then ": row.weightMaxAfter,
    }));
    const note = this.skipped.map(({ layer, reason }) => `${layer} is as it was: ${reason}`);
    return new Table(rows, { title: `SmoothQuant, α = ${this.alpha}`, note: note.join("\n") });
  }

  /** The largest input of each layer before and after. */
  override figure(): Promise<Figure | null> {
    const bars = this.layers.flatMap(({ layer, inputMaxBefore, inputMaxAfter }) => [
      [`${layer} before`, inputMaxBefore],
      [`${layer} after`, inputMaxAfter],
    ]);
    return plotBars(Object.fromEntries(bars), {
      title: "Largest input before and after smoothing",
      label: "magnitude",
    });
  }
}

/**
 * SmoothQuant (Xiao et al. 2022, arXiv:2211.10438), before observers are put in: runs the model on
 * sample inputs, takes the largest magnitude of each input channel `j` of each layer, and divides
 * that channel by
 *
 * `s[j] = max|X[j]|^α / max|W[:, j]|^(1 − α)`
 *
 * by multiplying column `j` of the layer's weight by it and dividing what comes before by it: rows
 * and bias of a `Linear` (a `ReLU` between the two does no harm), or weight and bias of a
 * normalization. Channels without any signal keep the scale 1. The float model computes what it
 * did, up to rounding, and this is checked on the first batch; its layers' inputs have smaller
 * outliers, so that one scale for a whole tensor fits better. Layers fed by the same module are
 * smoothed together. Where no predecessor can take the scale, `SmoothQuantConfig` multiplies inputs when the model
 * runs.
 *
 * @param model the float model; changed in place.
 * @param inputs batches as `model.forward` takes them; one pass.
 * @param options alpha, which layers, progress and a signal to stop.
 * @returns what was done to each layer, and which layers were left as they were.
 * @throws {Error} if a layer asked for has a predecessor that cannot absorb the scale, no layer can
 * be smoothed, or the function would change (then something between two layers is not seen: for
 * example a sum with the output of the predecessor). The model is then as it was.
 * @throws {RangeError} if alpha is outside [0, 1], there are no inputs or they hold a NaN.
 *
 * @example
 * ```ts
 * import { Linear, randn, ReLU, Sequential, smooth_ } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(64, 32), relu: new ReLU(), fc2: new Linear(32, 10) });
 * const report = await smooth_(m, [randn([16, 64]), randn([16, 64])], { alpha: 0.5 });
 * console.log(String(report), report.layers[0].predecessor); // … fc1
 * ```
 */
export async function smooth_(
  model: Module,
  inputs: ModelInputs,
  options: SmoothOptions = {},
): Promise<SmoothingReport> {
  checkOptions("smooth_", options, ["alpha", "layers", ...ANALYSIS_OPTIONS]);
  const { alpha = 0.5 } = options;
  if (!(alpha >= 0 && alpha <= 1)) {
    throw new RangeError(`smooth_: alpha is ${alpha}; give a number from 0 to 1, such as 0.5`);
  }
  const runs = new Runs(options);
  const copy = deepcopy(model);
  const made = new Set<Tensor>();
  const before = tensorsOf(copy);
  let done = false;
  try {
    nameModules(copy);
    const targets = selectLayers("smooth_", copy, options.layers).map(({ module }) =>
      weighted(module)
    );
    using seen = await observe(copy, targets, inputs, runs);
    const { groups, skipped } = groupLayers(targets, seen.flow, seen.output);
    if (groups.size === 0 || (options.layers && skipped.length)) {
      const { layer, reason } = skipped[0];
      throw new Error(
        `smooth_: ${layer} is a layer whose predecessor cannot absorb the scale: ${reason}; ` +
          `${options.layers ? "leave it out of layers" : "no other layer can be smoothed"}`,
      );
    }
    const edits = new Edits();
    const layers: SmoothedLayer[] = [];
    for (const [predecessor, group] of groups) {
      layers.push(...await smoothGroup(predecessor, group, seen.observers, alpha, edits));
    }
    for (const { module, field, value } of edits.tensors()) {
      made.add(value);
      setField(module, field, value);
    }
    await checkUnchanged(copy, seen, runs);
    runs.check();
    const own = new Map(model.namedModules());
    const names = new Map(copy.namedModules().map(([name, module]) => [module, name] as const));
    for (const { module, field, value } of edits.tensors()) {
      setField(own.get(names.get(module)!)!, field, value);
    }
    done = true;
    const order = targets.map(({ fullName }) => fullName);
    layers.sort((a, b) => order.indexOf(a.layer) - order.indexOf(b.layer));
    return new SmoothingReport(alpha, layers, skipped);
  } finally {
    before.forEach((t) => t.dispose());
    freeModule(copy, done ? made : undefined);
  }
}

/** The layer, which must have a weight. */
function weighted(module: Module): FloatLayer {
  if (isFloatLayer(module)) return module;
  throw new TypeError(
    `smooth_: ${module.displayName} has no weight that could take over a scale; leave it out of layers`,
  );
}

/** What a pass over the inputs tells. */
interface Seen extends Disposable {
  readonly observers: ReadonlyMap<Module, AffineQuantizedMinMaxObserver>;
  readonly flow: DataFlow;
  readonly batch: Batch;
  /** The first batch's output, and its elements. */
  readonly output: Tensor;
  readonly values: ArrayLike<number>;
}

async function observe(
  copy: Module,
  targets: readonly FloatLayer[],
  inputs: ModelInputs,
  runs: Runs,
): Promise<Seen> {
  const flow = new DataFlow(copy);
  const observers = new Map<Module, AffineQuantizedMinMaxObserver>();
  const granularity = new PerAxis(-1);
  for (const target of targets) {
    const observer = new AffineQuantizedMinMaxObserver("SYMMETRIC", int8, { granularity });
    observer.fullName = `input of ${target.fullName}`;
    observers.set(target, observer);
    const { channelDim } = familyOf(target)!;
    tap(target, ([x]) => observer.forward(channelDim === -1 ? x : rowsOfChannels(x, channelDim)));
  }
  let batch: Batch | undefined;
  let output: Tensor | undefined;
  const dispose = () => {
    flow[Symbol.dispose]();
    batch?.forEach((x) => x.dispose());
    output?.dispose();
  };
  try {
    for await (const next of batchesOf("smooth_", inputs)) {
      batch ??= next.map((x) => x.clone().keep());
      const y = runs.run(copy, next);
      if (output) y.dispose();
      else {
        output = y;
        flow.stop();
      }
      runs.step("observing");
    }
    const values = await output!.data();
    return { observers, flow, batch: batch!, output: output!, values, [Symbol.dispose]: dispose };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** A tensor as rows of its channels. */
function rowsOfChannels(x: Tensor, channelDim: number): Tensor {
  const dims = Array.from({ length: x.ndim }, (_, d) => d);
  const [channels] = dims.splice(channelDim, 1);
  return permute(x, [...dims, channels]).reshape(-1, x.shape[channels]);
}

/** The largest magnitude in each channel; `channelOf` tells that of a value. */
function channelMaxima(
  values: ArrayLike<number>,
  channels: number,
  channelOf: (i: number) => number,
): Float64Array {
  const maxima = new Float64Array(channels);
  for (let i = 0; i < values.length; i++) {
    const channel = channelOf(i);
    const size = Math.abs(values[i]);
    if (size > maxima[channel]) maxima[channel] = size;
  }
  return maxima;
}

async function smoothGroup(
  predecessor: FloatLayer | Norm,
  group: readonly FloatLayer[],
  observers: ReadonlyMap<Module, AffineQuantizedMinMaxObserver>,
  alpha: number,
  edits: Edits,
): Promise<SmoothedLayer[]> {
  const channels = inputChannels(group[0]);
  const inputMax: Float64Array[] = [];
  const weightMax: Float64Array[] = [];
  for (const layer of group) {
    const [min, max] = await observers.get(layer)!.minMax();
    const [lows, highs] = await Promise.all([min.data(), max.data()]);
    min.dispose();
    max.dispose();
    inputMax.push(channelMaxima([...lows, ...highs], channels, (i) => i % channels));
    // Of the weight as it was, so that the order of layers does not matter.
    weightMax.push(channelMaxima(await layer.weight.data(), channels, weightChannels(layer)));
  }
  const scale = Float64Array.from({ length: channels }, (_, j) => {
    const x = Math.max(...inputMax.map((maxima) => maxima[j]));
    const w = Math.max(...weightMax.map((maxima) => maxima[j]));
    return x > 0 && w > 0 ? x ** alpha / w ** (1 - alpha) : 1;
  });
  const weight = await edits.values(predecessor, "weight");
  const written = outputChannels(predecessor);
  for (let i = 0; i < weight.length; i++) weight[i] /= scale[written(i)];
  if (predecessor.bias) {
    const bias = await edits.values(predecessor, "bias");
    for (let j = 0; j < channels; j++) bias[j] /= scale[j];
  }
  const layers: SmoothedLayer[] = [];
  for (const [n, layer] of group.entries()) {
    const values = await edits.values(layer, "weight");
    const channelOf = weightChannels(layer);
    for (let i = 0; i < values.length; i++) values[i] *= scale[channelOf(i)];
    const largest = (maxima: Float64Array, by = (x: number, _: number) => x) =>
      maxima.reduce((most, x, j) => Math.max(most, by(x, j)), 0);
    layers.push({
      layer: layer.fullName,
      predecessor: predecessor.fullName,
      inputMaxBefore: largest(inputMax[n]),
      inputMaxAfter: largest(inputMax[n], (x, j) => x / scale[j]),
      weightMaxBefore: largest(weightMax[n]),
      weightMaxAfter: largest(weightMax[n], (w, j) => w * scale[j]),
      scale: [...scale],
    });
  }
  return layers;
}

async function checkUnchanged(copy: Module, seen: Seen, runs: Runs): Promise<void> {
  using y = runs.run(copy, seen.batch);
  const noise = new Noise();
  noise.add(seen.values, await y.data());
  if (noise.sqnr >= roundingFloor(y.dtype)) return;
  throw new Error(
    `smooth_: the smoothed model would compute something else (${
      noise.sqnr.toFixed(1)
    } dB from what it ` +
      `did), so something between its layers is not seen: a sum, a function called without a module, ` +
      `or numbers too large for ${y.dtype.name}; the model is as it was. Name the layers to smooth ` +
      `in options.layers`,
  );
}
