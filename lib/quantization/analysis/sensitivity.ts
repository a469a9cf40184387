/**
 * Which layers suffer most from being quantized.
 *
 * @module
 */
import type { Figure } from "../../plot/figure.ts";
import { deepcopy, type Module, nameModules } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { type AOBaseConfig, checkConfig } from "../configs/quantize.ts";
import {
  type AnalysisObservers,
  describeConfig,
  needsCalibration,
  plansFor,
  quantizeEach,
} from "./candidates.ts";
import {
  ANALYSIS_OPTIONS,
  type AnalysisOptions,
  Batches,
  type ModelInputs,
  Runs,
} from "./inputs.ts";
import { bytesOf, freeModule, type LayerSelection, place, selectLayers } from "./layers.ts";
import { Noise } from "./noise.ts";
import { decibels } from "../../plot/format.ts";
import { AnalysisReport, barsOfDecibels } from "../../plot/report.ts";
import { Table } from "../../plot/table.ts";

/** Options of {@linkcode sensitivity}. */
export interface SensitivityOptions extends AnalysisOptions {
  /** The layers to try, by full name or by a filter; every one that can be observed by default. */
  layers?: LayerSelection;
  /**
   * The observers to put in before a config that takes observed layers. For the static configs of
   * this toolkit they are by default min-max observers, PerTensor for inputs and PerAxis(0) for
   * weights; symmetric where the config asks for that, else asymmetric.
   */
  observers?: AnalysisObservers;
}

/** What quantizing one layer alone does. */
export interface LayerSensitivity {
  /** The layer's full name. */
  readonly layer: string;
  /** SQNR of the model's output with this layer alone quantized, in dB. */
  readonly sqnr: number;
  /** Bytes that the float layer takes. */
  readonly floatBytes: number;
  /** Bytes that the quantized layer takes. */
  readonly bytes: number;
}

/** The layers of a model, the most sensitive first. */
export class SensitivityReport extends AnalysisReport {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "SensitivityReport";

  /**
   * The result of `sensitivity`.
   *
   * @param config the config, for people.
   * @param layers a row for each layer, the lowest SQNR first.
   */
  constructor(readonly config: string, readonly layers: readonly LayerSensitivity[]) {
    super();
  }

  /** A row for each layer. */
  override table(): Table {
    const rows = this.layers.map(({ layer, sqnr, floatBytes, bytes }) => ({
      layer,
      "output SQNR": decibels(sqnr),
      "float bytes": floatBytes,
      bytes,
    }));
    return new Table(rows, { title: `One layer quantized at a time: ${this.config}` });
  }

  /** A bar for each layer. */
  override figure(): Promise<Figure | null> {
    const values = Object.fromEntries(this.layers.map(({ layer, sqnr }) => [layer, sqnr]));
    return barsOfDecibels(values, "One layer quantized at a time", "SQNR of the output, dB");
  }
}

/**
 * Quantizes one layer at a time and ranks the layers by the SQNR that the model's output is left
 * with. The model is not touched: all is done on copies. For a static config, observers are put in
 * and calibrated on the same inputs.
 *
 * @param model the float model.
 * @param inputs batches as `model.forward` takes them; one pass for the float model, one to
 * calibrate where that is needed, and one for each layer.
 * @param config how to quantize.
 * @param options which layers, observers, progress and a signal to stop.
 * @returns a row for each layer, the most sensitive first; layers alike stay in the model's order.
 * @throws {Error} if a layer named is not in the model, or the config cannot be used on one.
 * @throws {RangeError} if there are no inputs or they hold a NaN.
 *
 * @example
 * ```ts
 * import { Linear, randn, ReLU, sensitivity, Sequential, StaticQuantConfig, uint8 } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(64, 32), relu: new ReLU(), fc2: new Linear(32, 10) });
 * const report = await sensitivity(m, [randn([16, 64])], new StaticQuantConfig({ targetDtype: uint8 }));
 * console.log(String(report), report.layers[0].layer);
 * ```
 */
export async function sensitivity(
  model: Module,
  inputs: ModelInputs,
  config: AOBaseConfig,
  options: SensitivityOptions = {},
): Promise<SensitivityReport> {
  checkConfig("sensitivity", config);
  checkOptions("sensitivity", options, ["layers", "observers", ...ANALYSIS_OPTIONS]);
  const runs = new Runs(options);
  const work = deepcopy(model);
  const quantized: Module[] = [];
  try {
    nameModules(work);
    const outputs = options.observers?.activationPostProcess !== undefined;
    const matches = selectLayers("sensitivity", work, options.layers, outputs);
    const plans = plansFor(matches, config, options.observers);
    using batches = await Batches.from("sensitivity", inputs, runs);
    runs.total = batches.list.length * (1 + (needsCalibration(plans) ? 1 : 0) + matches.length);
    const reference = await outputsOf(work, batches, runs);
    const modules = await quantizeEach(work, plans, batches, runs);
    quantized.push(...modules.values());
    const layers: LayerSensitivity[] = [];
    for (const match of matches) {
      const layer = match.fullName;
      const module = modules.get(layer)!;
      place(match, module);
      const sqnr = await outputSqnr(work, batches, reference, runs, layer);
      place(match, match.module);
      layers.push({ layer, sqnr, floatBytes: bytesOf(match.module), bytes: bytesOf(module) });
      freeModule(module);
    }
    layers.sort((a, b) => a.sqnr === b.sqnr ? 0 : a.sqnr - b.sqnr);
    return new SensitivityReport(describeConfig(config), layers);
  } finally {
    quantized.forEach((module) => freeModule(module));
    freeModule(work);
  }
}

/** A model's outputs, on the host. */
export async function outputsOf(
  model: Module,
  batches: Batches,
  runs: Runs,
): Promise<ArrayLike<number>[]> {
  const outputs: ArrayLike<number>[] = [];
  for (const batch of batches.list) {
    using y = runs.run(model, batch);
    outputs.push(await y.data());
    runs.step("float model");
  }
  return outputs;
}

/** How far a model's outputs are from the reference, over all batches. */
export async function outputSqnr(
  model: Module,
  batches: Batches,
  reference: readonly ArrayLike<number>[],
  runs: Runs,
  step: string,
): Promise<number> {
  const noise = new Noise();
  for (const [i, batch] of batches.list.entries()) {
    using y = runs.run(model, batch);
    noise.add(reference[i], await y.data());
    runs.step(step);
  }
  return noise.sqnr;
}
