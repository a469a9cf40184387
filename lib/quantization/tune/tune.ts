/**
 * Finding out why a quantized model of modules is bad, and making it better.
 *
 * @module
 */
import type { Device } from "../../backend/backend.ts";
import { processorTime } from "../../files/processor_time.ts";
import { timeInTurns } from "../../files/time_in_turns.ts";
import { checkModule, deepcopy, type Module, nameModules } from "../../nn/module.ts";
import { checkChoice, checkOptions } from "../../numbers/arguments.ts";
import type { FloatOutput } from "../analysis/float_output.ts";
import {
  ANALYSIS_OPTIONS,
  type AnalysisOptions,
  type Batch,
  Batches,
  type ModelInputs,
  Runs,
} from "../analysis/inputs.ts";
import {
  bytesOf,
  freeModule,
  type LayerSelection,
  selectLayers,
  tensorsOf,
} from "../analysis/layers.ts";
import {
  freeQuantized,
  type ImprovedModule,
  type ImprovedOptions,
  quantizedModule,
  quantizedNames,
} from "../improve/improved_module.ts";
import { MODULE_REMEDIES } from "../improve/module_remedies.ts";
import { type ModuleRemedy, ModuleTools, outputsOf } from "../improve/module_tools.ts";
import { RANGE_METHODS, type RangeMethod } from "../improve/range_methods.ts";
import { familyOf } from "../layers/layer_family.ts";
import { type LayerFinding, layerFindings } from "./layer_findings.ts";
import { checkModuleRecipe, digestOfModule, type ModuleRecipe } from "./module_recipe.ts";
import {
  askMetric,
  checkMetricOf,
  checkValue,
  OUTPUT_METRICS,
  outputsSqnr,
} from "./output_metrics.ts";
import {
  checkGoal,
  type Judged,
  remediesNamed,
  RemedySearch,
  sharedSamples,
  type TuneBudget,
} from "./remedy_search.ts";
import { TuneResult } from "./tune_result.ts";

const WHERE = "tune";

/**
 * What a model is judged by: how near its outputs on the held-out samples are to the float model's, or a function that
 * gives a number for a model, the greater the better.
 *
 * - `"sqnr"`: signal to quantization noise of the output that is furthest off, in dB
 * - `"cosine"`: the mean cosine between outputs, at most 1
 * - `"top1"`: the share of rows of the first output whose greatest element is at the same place
 * - `"ctc"`: the share of samples that read as the same text, by greedy decoding of (batch, steps, classes) with blank 0
 */
export type ModuleMetric =
  | "sqnr"
  | "cosine"
  | "top1"
  | "ctc"
  | ((model: Module) => number | Promise<number>);

/** How {@linkcode tune} quantizes. */
export interface TuneQuantize {
  /** The dtype of activations; `"uint8"` by default. Weights are int8, with a scale for each output channel. */
  activationType?: "uint8" | "int8";
  /** Whether the zero of activations is in the middle; false by default. */
  activationSymmetric?: boolean;
  /** How ranges are chosen to begin with; the better of `"minmax"` and `"mse"` by default. */
  calibrationMethod?: RangeMethod;
  /** The layers to quantize, by full name or by a filter; every one with a weight that can be by default. */
  layers?: LayerSelection;
}

/** Options of {@linkcode tune}. */
export interface TuneOptions extends AnalysisOptions {
  /** Batches to calibrate on; they are gone through several times. */
  data: ModelInputs;
  /** Batches that were not calibrated on, to judge by. */
  heldOut: ModelInputs;
  /** What is judged by; `"sqnr"` by default. */
  metric?: ModuleMetric;
  /** What the metric is to reach; tuning goes on as long as something helps without. */
  target?: number;
  /** Limits; none by default. */
  budget?: TuneBudget;
  /** How to quantize. */
  quantize?: TuneQuantize;
  /** The remedies to try, by name and in this order; all by default. */
  remedies?: readonly string[];
  /** What was done to this model before: it is done again, and nothing is searched for. */
  recipe?: ModuleRecipe;
}

const OPTIONS: readonly string[] = [
  ...["data", "heldOut", "metric", "target", "budget", "quantize", "remedies", "recipe"],
  ...ANALYSIS_OPTIONS,
];
const QUANTIZE_OPTIONS = [
  ...["activationType", "activationSymmetric", "calibrationMethod", "layers"],
];

/** Ways to choose ranges that are tried where the options name none. */
const METHODS: readonly RangeMethod[] = ["minmax", "mse"];

/** The error of a message. */
function problem(message: string, options?: ErrorOptions): Error {
  return new Error(`${WHERE}: ${message}`, options);
}

/** @throws {TypeError | RangeError} if an option is not one. */
function checkTuneOptions(options: TuneOptions): readonly ModuleRemedy[] {
  checkOptions(WHERE, options ?? null, OPTIONS);
  const { metric = "sqnr", target, budget = {}, quantize = {}, remedies } = options ?? {};
  checkOptions(`${WHERE}: quantize`, quantize, QUANTIZE_OPTIONS);
  const { activationType = "uint8", calibrationMethod = "minmax" } = quantize;
  checkChoice(WHERE, "quantize.activationType", activationType, ["uint8", "int8"]);
  checkChoice(WHERE, "quantize.calibrationMethod", calibrationMethod, RANGE_METHODS);
  checkMetricOf(WHERE, metric, Object.keys(OUTPUT_METRICS));
  checkGoal(WHERE, target, budget);
  return remediesNamed(WHERE, MODULE_REMEDIES, remedies);
}

/** The layers to quantize, each once, by full names. */
function layersOf(model: Module, selection: LayerSelection | undefined): string[] {
  const names = new Map<Module, string>();
  for (const { module, fullName } of selectLayers(WHERE, model, selection)) {
    if (!familyOf(module)) {
      throw new TypeError(
        `${WHERE}: ${fullName} (${module.constructor.name}) has no weight to quantize; leave it out of layers`,
      );
    }
    if (!names.has(module)) names.set(module, fullName);
  }
  return [...names.values()];
}

/** How many batches of one list are in the other too. */
async function shared(a: readonly Batch[], b: readonly Batch[]): Promise<number> {
  const keyOf = async (batch: Batch) => {
    const parts: string[] = [];
    for (const t of batch) {
      const hash = await crypto.subtle.digest("SHA-256", Uint8Array.from(await t.bytes()));
      parts.push(`${t.dtype.name} [${t.shape.join()}] ${new Uint8Array(hash).join(" ")}`);
    }
    return parts.join();
  };
  const known = new Set<string>();
  for (const batch of a) known.add(await keyOf(batch));
  let count = 0;
  for (const batch of b) if (known.has(await keyOf(batch))) count++;
  return count;
}

/** A model that is tuned, and what it is judged by. */
class Tuning implements Disposable {
  readonly search: RemedySearch<ImprovedModule, ModuleTools>;
  readonly tools: ModuleTools;
  private readonly runs: Runs;
  private reference: FloatOutput[][] = [];
  /** Float models that were made on the way. */
  private readonly floats = new Set<Module>();

  constructor(
    private readonly float: Module,
    data: readonly Batch[],
    private readonly heldOut: readonly Batch[],
    private readonly options: TuneOptions,
  ) {
    const { metric = "sqnr", target, budget, signal, onProgress } = options;
    this.runs = new Runs({ signal });
    this.floats.add(float);
    this.search = new RemedySearch({
      ...{ target, seconds: budget?.seconds, signal, onProgress, problem },
      score: async (state) => {
        this.floats.add(state.float);
        const model = await quantizedModule(state);
        try {
          return await this.judge(model);
        } finally {
          freeQuantized(model);
        }
      },
    });
    this.tools = new ModuleTools(float, data, {
      ...{ check: this.search.check, allows: this.allows },
      target: metric === "sqnr" ? target : undefined,
    });
  }

  /** Runs the float model. */
  async open(): Promise<void> {
    this.reference = await this.outputs(this.float);
    if (this.reference[0].length === 0) throw problem("the model gives no floats to compare");
  }

  private async outputs(model: Module): Promise<FloatOutput[][]> {
    const all: FloatOutput[][] = [];
    for (const batch of this.heldOut) {
      this.search.check();
      all.push(await outputsOf(model, batch));
    }
    return all;
  }

  /** What a quantized model is worth, and what it costs. */
  async judge(model: Module): Promise<Judged> {
    const { metric = "sqnr" } = this.options;
    const outputs = await this.outputs(model);
    const sqnr = outputsSqnr(this.reference, outputs);
    const value = typeof metric === "function"
      ? await askMetric(metric, model, problem)
      : OUTPUT_METRICS[metric](this.reference, outputs);
    if (typeof metric === "string") checkValue(metric, value, problem);
    return { metric: value, sqnr, bytes: bytesOf(model), takes: await this.takes(model) };
  }

  /** Whether a model is within the limits of size and time. */
  private readonly allows = async (model: Module): Promise<boolean> => await this.takes(model) <= 1;

  /** What a model takes of the limits of size and time; the time is not taken of what is too large. */
  private readonly takes = async (model: Module): Promise<number> => {
    const { bytes = Infinity, latency } = this.options.budget ?? {};
    const share = bytesOf(model) / bytes;
    if (latency === undefined || share > 1) return share;
    const [batch] = this.heldOut;
    const [run, other] = [model, this.float].map((each) => async () => {
      using y = this.runs.run(each, batch);
      await y.data();
    });
    const device: Device = [...tensorsOf(this.float)][0].device;
    const clock = device === "cpu" ? processorTime : () => performance.now();
    return Math.max(share, await timeInTurns(run, other, clock) / latency);
  };

  /** A plain quantized model to start from: of several ways to choose ranges, the best. */
  async start(options: Omit<ImprovedOptions, "calibrationMethod">, method?: RangeMethod) {
    const none = new Map();
    return await this.search.start((method ? [method] : METHODS).map((calibrationMethod) => ({
      summary: `ranges by ${calibrationMethod}`,
      make: async (): Promise<ImprovedModule> => {
        const own = { ...options, calibrationMethod };
        const ranges = await this.tools.calibrate(this.float, own);
        if (ranges.size === 0) throw problem("the samples run none of the layers");
        const plain = { ranges, weights: none, biases: none, norms: none };
        return { float: this.float, options: own, ...plain, floats: new Set() };
      },
    })));
  }

  /** What costs most in a state. */
  async diagnose(state: ImprovedModule): Promise<LayerFinding[]> {
    return this.search.isOver ? [] : await layerFindings(state, this.tools);
  }

  [Symbol.dispose](): void {
    this.floats.forEach((float) => freeModule(float));
  }
}

/**
 * Finds out why a quantized model is bad, and makes it better: says which layers cost most and why, tries remedies in
 * the order of what they promise, and keeps what helps on held-out samples, until a target is reached, nothing is left
 * to try or a limit is met. Layers with a weight become integer ones, with int8 weights that have a scale for each output
 * channel, and inputs of 8 bits with a fixed range.
 *
 * - `equalize`: cross-layer equalization, through ReLU, PReLU and poolings
 * - `absorb`: what channels always hold goes into the biases of the layers behind, where no padding is between
 * - `copy`: channels far greater than the others are made twice at half their size
 * - `smooth`: SmoothQuant behind normalizations, its exponent searched for each
 * - `split`: the few channels of a `Linear`'s input that are far greater than the others are multiplied with floats
 * - `float`: the noisiest layers in float
 * - `fit`: each range by what it changes in the output of the layer that reads it, among those of all methods
 * - `ranges`: the ends of ranges by what they cost at the output
 * - `adaround`: AdaRound of the weights of `Linear` and of convolutions, block by block
 * - `round`: GPTQ of the same weights
 * - `bias`: correction of biases, layer after layer
 * - `norms`: re-estimation of batch normalizations behind quantized layers
 *
 * With a recipe it does what was done before, and with the same samples on the same device gives the same bits.
 *
 * @param model the float model; it is not changed.
 * @param options samples, what is judged by, the target, limits, how to quantize, progress and a signal to stop.
 * @returns the quantized model, which is the caller's, a recipe, and what each step brought.
 * @throws {Error} if no layer can be quantized, the metric fails or gives NaN, or the recipe is of another model.
 * @throws {TypeError | RangeError} if an option is not one, such as a remedy that is named twice, or there are no samples.
 *
 * @example
 * ```ts
 * import { Linear, randn, ReLU, Sequential, tune } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(64, 32), relu: new ReLU(), fc2: new Linear(32, 10) });
 * const data = Array.from({ length: 4 }, () => randn([16, 64]));
 * const tuned = await tune(m, { data, heldOut: [randn([32, 64])], target: 30 });
 * console.log(String(tuned), tuned.reached, tuned.model.forward(data[0]).shape);
 * const recipe = JSON.stringify(tuned.recipe);
 * const again = await tune(m, { data, heldOut: [randn([32, 64])], recipe: JSON.parse(recipe) });
 * console.log(again.layers);
 * ```
 */
export async function tune(model: Module, options: TuneOptions): Promise<TuneResult> {
  checkModule(WHERE, model);
  const remedies = checkTuneOptions(options);
  const { metric = "sqnr", target, recipe: given, quantize = {}, signal } = options ?? {};
  const digest = await digestOfModule(model);
  const recipe = given && checkModuleRecipe(WHERE, given, digest);
  const runs = new Runs({ signal });
  using data = await Batches.from(`${WHERE}: data`, options?.data, runs);
  using heldOut = await Batches.from(`${WHERE}: heldOut`, options?.heldOut, runs);
  const float = deepcopy(model);
  nameModules(float);
  using tuning = new Tuning(float, data.list, heldOut.list, options);
  const { search, tools } = tuning;
  const layers = layersOf(float, recipe?.options.layers ?? quantize.layers);
  await tuning.open();
  const both = await shared(data.list, heldOut.list);
  if (both > 0) search.warnings.push(sharedSamples(both, heldOut.list.length));
  const { activationType = "uint8", activationSymmetric = false } = recipe?.options ?? quantize;
  const method = (recipe?.options ?? quantize).calibrationMethod;
  const first = await tuning.start({ activationType, activationSymmetric, layers }, method);
  const diagnosis = recipe ? [] : await tuning.diagnose(first);
  const last = recipe
    ? await search.follow(first, recipe.steps, MODULE_REMEDIES, tools)
    : await search.improve(first, remedies, tools);
  const quantized = await quantizedModule(last);
  try {
    const { metric: value, sqnr, takes } = await tuning.judge(quantized);
    const integers = new Set(quantizedNames(last));
    return new TuneResult({
      ...{
        model: quantized,
        steps: search.steps,
        diagnosis,
        allowed: takes <= 1,
        target,
        value,
        sqnr,
      },
      metric: typeof metric === "string" ? metric : "the metric",
      recipe: { version: 1, model: digest, options: first.options, steps: search.recipe },
      layers: layers.map((layer) => ({
        layer,
        quantized: [layer, `${layer}.others`].some((name) => integers.has(name)),
      })),
      warnings: search.warnings,
    });
  } catch (error) {
    freeQuantized(quantized);
    throw error;
  }
}
