/**
 * Finding out why a quantized model is bad, and making it better.
 *
 * @module
 */
import { checkOptions } from "../../numbers/arguments.ts";
import { ANALYSIS_OPTIONS, type AnalysisOptions } from "../../quantization/analysis/inputs.ts";
import type { OnnxSamples, OnnxSource } from "../calibration/calibrate.ts";
import { calibrateOnnx, type OnnxCalibration } from "../calibration/calibrate.ts";
import { modelOf } from "../accuracy/compare_onnx.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { OnnxModel } from "../file/model.ts";
import { REMEDIES, REMEDY_NAMES } from "../improve/remedies.ts";
import type { Remedy, RemedyStep } from "../improve/remedy.ts";
import { type ImprovedModel, ImproveTools, quantizedState } from "../improve/state.ts";
import { prepareOnnx } from "../prepare/prepare.ts";
import { quantizeCalibrated, type QuantizeStaticOptions } from "../quantize_static.ts";
import { timeShare } from "../run/race.ts";
import { copyFeeds, type OnnxFeeds } from "../run/runtime.ts";
import { diagnose, type Finding } from "./diagnosis.ts";
import { checkMetric, MetricJudge, type Score, type TuneMetric } from "./metrics.ts";
import { checkRecipe, digestOf, RECIPE_OPTIONS, recipeOptions, type TuneRecipe } from "./recipe.ts";
import { TuneOnnxResult, type TuneStep } from "./result.ts";

const WHERE = "tuneOnnx";

/** What tuning may cost, and what comes out. */
export interface TuneBudget {
  /** Seconds from which on nothing new is begun; the best that was found is kept. */
  seconds?: number;
  /** Bytes of the quantized file at most. */
  bytes?: number;
  /** The quantized model's time at most, as a share of the float model's, with one thread. */
  latency?: number;
}

/** Options of {@linkcode tuneOnnx}. */
export interface TuneOnnxOptions extends AnalysisOptions {
  /** Samples to calibrate on; they are gone through several times, and an iterable is kept as a list. */
  data: OnnxSamples;
  /** Samples that were not calibrated on, to judge by. */
  heldOut: OnnxSamples;
  /**
   * A calibration of the model, such as many machines have made together, to start from in place of one on `data`: its
   * ranges, and what it has learnt of `"channelMaxima"`, `"channelSums"` and `"covariance"`.
   */
  calibration?: OnnxCalibration;
  /** What is judged by; `"sqnr"` by default. */
  metric?: TuneMetric;
  /** What the metric is to reach; tuning goes on as long as something helps without. */
  target?: number;
  /** Limits; none by default. */
  budget?: TuneBudget;
  /**
   * How to quantize, as `quantizeStatic` takes it. Where it names no `calibrationMethod`, the better of min-max and mse is
   * what tuning starts from.
   */
  quantize?: QuantizeStaticOptions;
  /** The remedies to try, by name and in this order; all by default. */
  remedies?: readonly string[];
  /** What was done to this model before: it is done again, and nothing is searched for. */
  recipe?: TuneRecipe;
}

const OPTIONS: readonly string[] = [
  ...[
    "data",
    "heldOut",
    "calibration",
    "metric",
    "target",
    "budget",
    "quantize",
    "remedies",
    "recipe",
  ],
  ...ANALYSIS_OPTIONS,
];
/** How to quantize; what follows the work is asked for beside. */
const QUANTIZE_OPTIONS: readonly string[] = [...RECIPE_OPTIONS, "verify", "temporaryFolder"];

/** Thrown when the time is over. */
class TimeIsUp extends Error {}

/** @throws {TypeError | RangeError} if an option is not one. */
function checkTuneOptions(options: TuneOnnxOptions): readonly Remedy[] {
  checkOptions(WHERE, options, OPTIONS);
  checkOptions(`${WHERE}: quantize`, options.quantize, QUANTIZE_OPTIONS);
  const { metric = "sqnr", target, budget = {}, remedies = REMEDY_NAMES } = options;
  checkMetric(WHERE, metric);
  if (target !== undefined && !Number.isFinite(target)) {
    throw new RangeError(`${WHERE}: the target is ${target}; give what the metric is to reach`);
  }
  checkOptions(`${WHERE}: budget`, budget, ["seconds", "bytes", "latency"]);
  for (const [name, limit] of Object.entries(budget)) {
    if (limit === undefined || limit > 0) continue;
    throw new RangeError(`${WHERE}: budget.${name} is ${limit}; give a number above 0`);
  }
  return remedies.map((name, i) => {
    const remedy = REMEDIES.find((each) => each.name === name);
    if (!remedy) {
      throw new TypeError(
        `${WHERE}: there is no remedy ${JSON.stringify(name)}; there are ${
          REMEDY_NAMES.join(", ")
        }`,
      );
    }
    if (remedies.indexOf(name) !== i) {
      throw new TypeError(`${WHERE}: the remedy ${JSON.stringify(name)} is named twice`);
    }
    return remedy;
  });
}

/** Samples as a list. */
async function listOf(what: string, samples: OnnxSamples): Promise<OnnxFeeds[]> {
  const list = Array.isArray(samples) ? samples as OnnxFeeds[] : await Array.fromAsync(samples);
  if (list.length === 0) {
    throw new RangeError(`${WHERE}: there are no samples in ${what}; give a few dozen`);
  }
  return list;
}

/** How many samples of one list are in the other too. */
async function shared(a: readonly OnnxFeeds[], b: readonly OnnxFeeds[]): Promise<number> {
  const keys = async (samples: readonly OnnxFeeds[]) => {
    const found: string[] = [];
    for (const feeds of samples) {
      const parts: string[] = [];
      for (const [name, { data }] of Object.entries(await copyFeeds(feeds))) {
        const { buffer, byteOffset, byteLength } = data as unknown as Uint8Array<ArrayBuffer>;
        const bytes = ArrayBuffer.isView(data)
          ? new Uint8Array(buffer, byteOffset, byteLength)
          : new TextEncoder().encode(JSON.stringify(data));
        const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
        parts.push(`${name} ${hash.join(" ")}`);
      }
      found.push(parts.sort().join());
    }
    return found;
  };
  const known = new Set(await keys(a));
  return (await keys(b)).filter((key) => known.has(key)).length;
}

/** Ways to choose ranges that are tried where the options name none. */
const METHODS = ["minmax", "mse"] as const;

/** Goes through the remedies. */
class Tuning {
  private readonly began = performance.now();
  readonly steps: TuneStep[] = [];
  readonly recipe: RemedyStep[] = [];
  readonly warnings: string[] = [];
  private judge!: MetricJudge;
  tools!: ImproveTools;
  private runs = 0;

  constructor(
    private readonly float: OnnxModel,
    private readonly data: readonly OnnxFeeds[],
    private readonly heldOut: readonly OnnxFeeds[],
    private readonly options: TuneOnnxOptions,
  ) {}

  /** Throws where the work is to end. */
  private readonly check = (): void => {
    this.options.signal?.throwIfAborted();
    if (this.timed && this.isOver) throw new TimeIsUp();
  };

  /** Whether the time is over. */
  private get isOver(): boolean {
    const { seconds = Infinity } = this.options.budget ?? {};
    return performance.now() - this.began > 1000 * seconds;
  }

  /** Whether the time counts: not before there is anything. */
  private timed = false;

  /** Runs the float model. */
  async open(): Promise<void> {
    const { metric = "sqnr", target, calibration } = this.options;
    this.judge = await MetricJudge.open(WHERE, this.float, this.heldOut, metric, this.check);
    this.tools = new ImproveTools(this.data, {
      ...{ check: this.check, allows: this.allows, reference: this.float, learnt: calibration },
      target: metric === "sqnr" ? target : undefined,
    });
  }

  /** Whether a model is within the limits of size and time. */
  private readonly allows = async (model: OnnxModel): Promise<boolean> => {
    const { bytes = Infinity, latency } = this.options.budget ?? {};
    if (model.byteLength() > bytes) return false;
    if (latency === undefined) return true;
    return await timeShare(WHERE, model, this.float, this.heldOut[0]) <= latency;
  };

  private async score(state: ImprovedModel): Promise<Score & { bytes: number; allowed: boolean }> {
    const { model } = await quantizedState(state);
    const score = await this.judge.score(model);
    return { ...score, bytes: model.byteLength(), allowed: await this.allows(model) };
  }

  private note(
    remedy: string,
    summary: string,
    score: Score & { bytes: number },
    kept: boolean,
  ): void {
    const { metric, sqnr, bytes } = score;
    this.steps.push({ remedy, summary, metric, sqnr, bytes, kept });
    this.options.onProgress?.({ step: remedy, done: ++this.runs, total: undefined });
  }

  /** Whether a score is better than another. */
  private better(a: Score, b: Score): boolean {
    return a.metric > b.metric || a.metric === b.metric && a.sqnr > b.sqnr;
  }

  /** A plain quantized model to start from: of several ways to choose ranges, the best. */
  async start(quantize: QuantizeStaticOptions): Promise<ImprovedModel> {
    const { calibration } = this.options;
    if (calibration) {
      const state = { calibration, options: quantize, weights: new Map() };
      this.note("plain", "ranges as they were learnt", await this.score(state), true);
      return state;
    }
    const methods = quantize.calibrationMethod ? [quantize.calibrationMethod] : METHODS;
    let best: { state: ImprovedModel; score: Score } | undefined;
    for (const calibrationMethod of methods) {
      if (best && this.isOver) break;
      const options = { ...quantize, calibrationMethod };
      const calibration = await calibrateOnnx(this.float, this.data, {
        ...options,
        prepare: false,
      });
      const state = { calibration, options, weights: new Map() };
      const score = await this.score(state);
      const kept = !best || this.better(score, best.score);
      if (kept) best = { state, score };
      const name = typeof calibrationMethod === "string" ? calibrationMethod : "an observer";
      this.note("plain", `ranges by ${name}`, score, kept);
    }
    return best!.state;
  }

  /** The best state that the remedies lead to. */
  async improve(first: ImprovedModel, remedies: readonly Remedy[]): Promise<ImprovedModel> {
    const { target = Infinity } = this.options;
    let state = first;
    let score = await this.score(state);
    this.timed = true;
    try {
      for (const remedy of remedies) {
        if (score.metric >= target && score.allowed) break;
        this.check();
        const done = await remedy.apply(state, this.tools);
        if (!done) continue;
        const reached = await this.score(done.state);
        const kept = this.better(reached, score) && (reached.allowed || !score.allowed);
        this.note(remedy.name, done.summary, reached, kept);
        if (!kept) continue;
        [state, score] = [done.state, reached];
        this.recipe.push({ remedy: remedy.name, found: done.found });
      }
    } catch (error) {
      if (!(error instanceof TimeIsUp)) throw error;
      const { seconds } = this.options.budget!;
      this.warnings.push(
        `the ${seconds} seconds were over before all was tried; this is the best until then`,
      );
    }
    return state;
  }

  /** Does what a recipe says. */
  async follow(first: ImprovedModel, steps: readonly RemedyStep[]): Promise<ImprovedModel> {
    let state = first;
    for (const { remedy, found } of steps) {
      const done = await REMEDIES.find(({ name }) => name === remedy)!
        .apply(state, this.tools, found);
      if (!done) {
        throw new OnnxError(`${WHERE}: the recipe's step ${remedy} finds nothing to do here`);
      }
      state = done.state;
      this.recipe.push({ remedy, found });
      this.note(remedy, done.summary, await this.score(state), true);
    }
    return state;
  }

  /** What is written in the end, run once more. */
  async finish(state: ImprovedModel) {
    this.timed = false;
    const { signal, quantize: { verify = true, temporaryFolder } = {} } = this.options;
    const options = { ...state.options, verify, temporaryFolder, signal };
    const graph = await quantizeCalibrated(state.calibration, options, undefined, state.weights);
    const score = await this.judge.score(graph.model);
    return { graph, score, allowed: await this.allows(graph.model) };
  }

  /** What costs most in a state. */
  async diagnose(state: ImprovedModel): Promise<Finding[]> {
    return this.isOver ? [] : await diagnose(state, this.tools);
  }
}

/**
 * Finds out why a quantized model is bad, and makes it better: says which nodes cost most and why, tries remedies in the
 * order of what they promise, and keeps what helps on held-out samples, until a target is reached, nothing is left to
 * try or a limit is met.
 *
 * - `split`: outlier channels of products in floats, beside the others
 * - `equalize`: cross-layer equalization, through activations, residuals and HardSwish
 * - `absorb`: what channels always hold goes into the biases of the layers behind
 * - `copy`: outlier channels twice, at half their size
 * - `smooth`: SmoothQuant, its exponent searched for each activation
 * - `fit`: each range by what rounding costs the layers that read it
 * - `ranges`: the ends of ranges by what they cost at the output
 * - `adaround`: AdaRound of all weights, layer after layer, so that these make up for what others are off by
 * - `bias`: correction of biases, layer after layer
 * - `round`: GPTQ of all weights
 * - `float`: the noisiest nodes in float
 *
 * With a recipe it does what was done before, and with the same samples gives the same bytes.
 *
 * @param source the float model; it is not changed.
 * @throws {OnnxError} as `quantizeStatic` does, if the metric fails or gives NaN, or the recipe is of another model.
 * @throws {TypeError | RangeError} if an option is not one, such as a remedy that is named twice, or there are no samples.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, randn, ReLU, Sequential, tuneOnnx } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(8, 6), relu: new ReLU(), fc2: new Linear(6, 3) });
 * const float = await exportOnnx(m, randn([1, 8]));
 * const data = Array.from({ length: 8 }, () => ({ input: randn([4, 8]) }));
 * const tuned = await tuneOnnx(float, { data, heldOut: [{ input: randn([16, 8]) }], target: 25 });
 * console.log(String(tuned), tuned.reached, JSON.stringify(tuned.recipe));
 * ```
 */
export async function tuneOnnx(
  source: OnnxSource,
  options: TuneOnnxOptions,
): Promise<TuneOnnxResult> {
  const remedies = checkTuneOptions(options);
  const { metric = "sqnr", target, recipe: given, quantize = {} } = options;
  const model = await modelOf(source);
  const digest = await digestOf(model);
  const recipe = given && checkRecipe(WHERE, given, digest);
  await options.calibration?.checkModel(WHERE, model);
  const data = await listOf("data", options.data);
  const heldOut = await listOf("heldOut", options.heldOut);
  const float = quantize.prepare === false ? model.clone() : await prepareOnnx(model);
  const tuning = new Tuning(float, data, heldOut, options);
  await tuning.open();
  const both = await shared(data, heldOut);
  if (both > 0) {
    tuning.warnings.push(
      `${both} of the ${heldOut.length} held-out samples are calibration samples too; what is judged on ` +
        `them is better than it will be`,
    );
  }
  const first = await tuning.start(recipe?.options ?? recipeOptions(quantize));
  const diagnosis = recipe ? [] : await tuning.diagnose(first);
  const last = recipe
    ? await tuning.follow(first, recipe.steps)
    : await tuning.improve(first, remedies);
  const { graph, score, allowed } = await tuning.finish(last);
  return new TuneOnnxResult({
    ...{ model: graph.model, nodes: graph.nodes, steps: tuning.steps, diagnosis, allowed },
    metric: typeof metric === "string" ? metric : "the metric",
    ...{ target, value: score.metric, sqnr: score.sqnr },
    recipe: {
      ...{ version: 1, model: digest, steps: tuning.recipe },
      options: recipe?.options ?? recipeOptions(first.options),
    },
    warnings: [...tuning.warnings, ...graph.warnings],
  });
}
