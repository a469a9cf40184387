/**
 * Finding out why a quantized model is bad, and making it better.
 *
 * @module
 */
import { checkOptions, given } from "../../numbers/arguments.ts";
import { ANALYSIS_OPTIONS, type AnalysisOptions } from "../../quantization/analysis/inputs.ts";
import {
  checkGoal,
  remediesNamed,
  RemedySearch,
  sharedSamples,
  type TuneBudget,
} from "../../quantization/tune/remedy_search.ts";
import type { OnnxSamples, OnnxSource } from "../calibration/calibrate.ts";
import { calibrateOnnx, OnnxCalibration } from "../calibration/calibrate.ts";
import { modelOf } from "../accuracy/compare_onnx.ts";
import { OnnxError } from "../file/onnx_error.ts";
import type { OnnxModel } from "../file/model.ts";
import { REMEDIES } from "../improve/remedies.ts";
import type { Remedy } from "../improve/remedy.ts";
import { type ImprovedModel, ImproveTools, quantizedState } from "../improve/state.ts";
import { nameNodes } from "../prepare/name_nodes.ts";
import { structureOf } from "../graph/structure.ts";
import { prepareOnnx } from "../prepare/prepare.ts";
import { quantizeCalibrated, type QuantizeStaticOptions } from "../quantize_static.ts";
import { Race } from "../run/race.ts";
import { copyFeeds, type OnnxFeeds } from "../run/runtime.ts";
import { diagnose, type Finding } from "./diagnosis.ts";
import { checkMetric, MetricJudge, type TuneMetric } from "./metrics.ts";
import { checkRecipe, digestOf, RECIPE_OPTIONS, recipeOptions, type TuneRecipe } from "./recipe.ts";
import { TuneOnnxResult } from "./result.ts";

const WHERE = "tuneOnnx";

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
  /** Limits; none by default, but where latency is limited the file keeps half of what quantizing saves. */
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

/** @throws {TypeError | RangeError} if an option is not one. */
function checkTuneOptions(options: TuneOnnxOptions): readonly Remedy[] {
  checkOptions(WHERE, options ?? null, OPTIONS);
  checkOptions(`${WHERE}: quantize`, options.quantize, QUANTIZE_OPTIONS);
  const { metric = "sqnr", target, budget = {}, remedies, calibration } = options;
  checkMetric(WHERE, metric);
  if (calibration !== undefined && !(calibration instanceof OnnxCalibration)) {
    throw new TypeError(
      `${WHERE}: calibration must be an OnnxCalibration, such as calibrateOnnx gives, got ${
        given(calibration)
      }`,
    );
  }
  checkGoal(WHERE, target, budget);
  return remediesNamed(WHERE, REMEDIES, remedies);
}

/** Samples as a list. */
async function listOf(what: string, samples: OnnxSamples): Promise<OnnxFeeds[]> {
  const isIterable = typeof samples === "object" && samples !== null &&
    (Symbol.iterator in samples || Symbol.asyncIterator in samples);
  if (!isIterable) {
    throw new TypeError(
      `${WHERE}: ${what} must be samples, each the inputs of the model by name, got ${
        given(samples)
      }`,
    );
  }
  const list = Array.isArray(samples) ? samples as OnnxFeeds[] : await Array.fromAsync(samples);
  const odd = list.findIndex((feeds) => typeof feeds !== "object" || feeds === null);
  if (odd >= 0) {
    throw new TypeError(
      `${WHERE}: sample ${odd} in ${what} (counted from 0) must be the inputs of the model by name, got ${
        given(list[odd])
      }`,
    );
  }
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

/**
 * Where time is limited and bytes are not, a file is to be at most so many times as large as the plain quantized one, and to
 * keep half of what that saves.
 */
const MOST_GROWTH = 2;

/** What takes more than is allowed, and less than this share of it, may be slow by chance. */
const ALMOST = 1.05;

/** What is farther from the limit of latency, as a share of it, is clearly slower or faster. */
const CLEARLY = 0.05;

/** A float model that is tuned, and what it is judged by. */
class Tuning implements AsyncDisposable {
  readonly search: RemedySearch<ImprovedModel, ImproveTools>;
  readonly tools: ImproveTools;
  private judge!: MetricJudge;
  /** Bytes of the first quantized model, and of the float one. */
  private plainBytes = Infinity;
  private readonly floatBytes: number;
  /** The float model, that others are timed beside. */
  private race?: Promise<Race>;
  /** Shares of its time that were measured, by what models compute but for the numbers in them. */
  private readonly times = new Map<string, number>();

  constructor(
    private readonly float: OnnxModel,
    private readonly data: readonly OnnxFeeds[],
    private readonly heldOut: readonly OnnxFeeds[],
    private readonly options: TuneOnnxOptions,
  ) {
    const { metric = "sqnr", target, calibration, budget, signal, onProgress } = options;
    this.search = new RemedySearch({
      ...{ target, seconds: budget?.seconds, signal, onProgress },
      problem: (message) => new OnnxError(`${WHERE}: ${message}`),
      score: async (state) => {
        const { model } = await quantizedState(state);
        const score = await this.judge.score(model);
        const bytes = model.byteLength();
        if (this.plainBytes === Infinity) this.plainBytes = bytes;
        return { ...score, bytes, takes: await this.takes(model) };
      },
    });
    this.floatBytes = float.byteLength();
    const { check } = this.search;
    this.tools = new ImproveTools(data, {
      ...{ check, takes: (model) => this.takes(model), reference: float, learnt: calibration },
      isOver: () => this.search.isOver,
      target: metric === "sqnr" ? target : undefined,
      ...{ latency: budget?.latency, seconds: budget?.seconds },
    });
  }

  /** Bytes where a caller limits time alone. */
  private get mostBytes(): number {
    const { plainBytes, floatBytes } = this;
    return Math.min(MOST_GROWTH * plainBytes, Math.max((plainBytes + floatBytes) / 2, plainBytes));
  }

  /** Runs the float model. */
  async open(): Promise<void> {
    const { metric = "sqnr" } = this.options;
    const { check } = this.search;
    this.judge = await MetricJudge.open(WHERE, this.float, this.heldOut, metric, check);
  }

  /**
   * What a model takes of the limits of size and time; the time is not taken of what is too large, and once of what computes the
   * same but for numbers, unless it is to be.
   */
  private readonly takes = async (model: OnnxModel, anew = false): Promise<number> => {
    const { latency, bytes = latency === undefined ? Infinity : this.mostBytes } =
      this.options.budget ?? {};
    const share = model.byteLength() / bytes;
    if (latency === undefined || share > 1) return share;
    const structure = structureOf(model);
    const known = anew ? undefined : this.times.get(structure);
    if (known !== undefined) return Math.max(share, known);
    this.race ??= Race.open(WHERE, this.float, this.heldOut[0]);
    const race = await this.race;
    const doubt = { from: latency * (1 - CLEARLY), to: latency * (1 + CLEARLY) };
    const time = async () => await race.run(model, 0, doubt) / latency;
    const taken = await time();
    // What else a machine does makes it more: what seems just too slow is asked once more.
    const least = taken > 1 && taken < ALMOST ? Math.min(taken, await time()) : taken;
    this.times.set(structure, least);
    return Math.max(share, least);
  };

  /** A plain quantized model to start from: of several ways to choose ranges, the best. */
  async start(quantize: QuantizeStaticOptions): Promise<ImprovedModel> {
    const { calibration } = this.options;
    const weights = new Map();
    if (calibration) {
      const state = { calibration, options: quantize, weights };
      const make = () => Promise.resolve(state);
      return await this.search.start([{ summary: "ranges as they were learnt", make }]);
    }
    const { calibrationMethod: method = "auto" } = quantize;
    const methods = method === "auto" ? METHODS : [method];
    return await this.search.start(methods.map((calibrationMethod) => ({
      summary: `ranges by ${
        typeof calibrationMethod === "string" ? calibrationMethod : "an observer"
      }`,
      make: async () => {
        const options = { ...quantize, calibrationMethod };
        const own = { ...options, prepare: false };
        return { calibration: await calibrateOnnx(this.float, this.data, own), options, weights };
      },
    })));
  }

  /** What is written in the end, run once more. */
  async finish(state: ImprovedModel) {
    const { signal, quantize: { verify = true, temporaryFolder } = {} } = this.options;
    const options = { ...state.options, verify, temporaryFolder, signal };
    const graph = await quantizeCalibrated(state.calibration, options, undefined, state.weights);
    const score = await this.judge.score(graph.model);
    return { graph, score, allowed: await this.takes(graph.model, true) <= 1 };
  }

  /** What costs most in a state. */
  async diagnose(state: ImprovedModel): Promise<Finding[]> {
    return this.search.isOver ? [] : await diagnose(state, this.tools);
  }

  /** Frees the float model's session. */
  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.race)?.[Symbol.asyncDispose]();
  }
}

/**
 * Finds out why a quantized model is bad, and makes it better: says which nodes cost most and why, tries remedies in the
 * order of what they promise, and keeps what helps on held-out samples, until a target is reached, nothing is left to
 * try or a limit is met.
 *
 * - `gates`: HardSwish written so that onnxruntime fuses it, where the model is slower than it may be
 * - `faster`: what is faster in float stays float, where latency is limited
 * - `split`: outlier channels of products in floats, beside the others
 * - `channels`: floats between layers where latency is limited, and a range for each channel where they meet bytes
 * - `equalize`: cross-layer equalization, through activations, residuals and HardSwish
 * - `absorb`: what channels always hold goes into the biases of the layers behind
 * - `smooth`: SmoothQuant, its exponent searched for each activation
 * - `float`: the noisiest nodes in float
 * - `copy`: outlier channels twice, at half their size
 * - `fit`: each range by what rounding costs the layers that read it
 * - `bias`: correction of biases, layer after layer; before weights are rounded, and once more after
 * - `adaround`: AdaRound of all weights, layer after layer, so that these make up for what others are off by
 * - `round`: GPTQ of all weights, where AdaRound did not help
 * - `ranges`: the ends of ranges by what they cost at the output
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
  const { metric = "sqnr", target, quantize = {} } = options;
  const model = await modelOf(source);
  const digest = await digestOf(model);
  const recipe = options.recipe && checkRecipe(WHERE, options.recipe, digest);
  await options.calibration?.checkModel(WHERE, model);
  const data = await listOf("data", options.data);
  const heldOut = await listOf("heldOut", options.heldOut);
  const float = quantize.prepare === false ? model.clone() : await prepareOnnx(model);
  nameNodes(float.graph); // what a recipe has of nodes goes by names
  await using tuning = new Tuning(float, data, heldOut, options);
  const { search, tools } = tuning;
  await tuning.open();
  const both = await shared(data, heldOut);
  if (both > 0) {
    search.warnings.push(sharedSamples(both, heldOut.length));
  }
  const first = await tuning.start(recipe?.options ?? recipeOptions(quantize));
  const diagnosis = recipe ? [] : await tuning.diagnose(first);
  const last = recipe
    ? await search.follow(first, recipe.steps, REMEDIES, tools)
    : await search.improve(first, remedies, tools);
  const { graph, score, allowed } = await tuning.finish(last);
  return new TuneOnnxResult({
    ...{ model: graph.model, nodes: graph.nodes, steps: search.steps, diagnosis, allowed },
    metric: typeof metric === "string" ? metric : "the metric",
    ...{ target, value: score.metric, sqnr: score.sqnr },
    recipe: {
      ...{ version: 1, model: digest, steps: search.recipe },
      options: recipe?.options ?? recipeOptions(first.options),
    },
    warnings: [...search.warnings, ...graph.warnings],
  });
}
