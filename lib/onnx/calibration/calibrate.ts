/**
 * Running samples through a float ONNX model and taking note of its activations.
 *
 * @module
 */
import { checkChoice } from "../../numbers/arguments.ts";
import { MOST_ADDED } from "../../numbers/exact_sum.ts";
import type { SafetensorsEntry } from "../../files/safetensors.ts";
import { StateError } from "../../nn/state_error.ts";
import type { Histogram } from "../../quantization/observers/histogram_observer.ts";
import { ActivationReader, onlyEnds, type SeenActivation } from "./activation_reader.ts";
import { type CalibrationOptions, methodFor } from "./method.ts";
import { checkOrigin, optionsOf, type Origin, originOf, settingsOf } from "./origin.ts";
import { readPart, writePart } from "./part.ts";
import type { RangeMethod, RangeRecord } from "./range_method.ts";
import { sampleDigest } from "./sample_digest.ts";
import { checkComplete, countOfSeen, SampleLog, type Seen, SeenTogether } from "./seen_samples.ts";
import { checkShard, type Shard, showShard } from "../../data/shard.ts";
import type { OnnxSamples, ShardedSamples } from "./samples.ts";
import { Learnt, type Statistics } from "./statistics/learnt.ts";
import { STATISTIC_KINDS, type StatisticKind } from "../../quantization/statistics/statistic.ts";
import { loadOnnx } from "../file/model_file.ts";
import { OnnxModel } from "../file/model.ts";
import { OnnxError, show } from "../file/onnx_error.ts";
import { prepareOnnx } from "../prepare/prepare.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { TensorRange } from "../qdq/params.ts";
import { placeQuantization } from "../qdq/placement.ts";
import { observedValues } from "../qdq/value_ranges.ts";
import { checkSelection, type NodeSelection } from "../qdq/selection.ts";
import { checkFloatModel } from "../qdq/already_quantized.ts";
import { checkFinite, oddConstantBehind } from "../qdq/finite.ts";
import { nothingToQuantize } from "../qdq/nothing_to_quantize.ts";
import { copyFeeds, type OnnxFeeds, OnnxRuntime } from "../run/runtime.ts";
import { describeNode } from "../graph/describe_node.ts";

export type { OnnxSamples } from "./samples.ts";

/** Opens the errors. */
const WHERE = "calibrateOnnx";

/** Where an ONNX model comes from: a path, a file's bytes, or a loaded one. */
export type OnnxSource = string | URL | Uint8Array<ArrayBuffer> | OnnxModel;

/** How far a calibration is. */
export interface CalibrationProgress {
  /** The samples that were run. */
  readonly samples: number;
  /** How many there are, if that is known. */
  readonly total: number | undefined;
}

/** Samples that are kept to choose a method on, and the elements that these have together from which on no more are. */
const MOST_KEPT = { samples: 64, elements: 1 << 24 } as const;

/** Options of {@linkcode OnnxCalibration.add}. */
export interface AddSamplesOptions {
  /** Hears of every sample that is done. */
  onProgress?: (progress: CalibrationProgress) => void;
  /** How many samples there are, for who hears of progress; by default the length of an array. */
  total?: number;
  /** Ends the run after the sample that it is at. */
  signal?: AbortSignal;
  /** Samples at the start to pass over, such as those that a saved state has already seen; 0 by default. */
  skip?: number;
  /**
   * Runs only this share of the samples. What several processes have seen of one list, each its share, is merged by
   * {@linkcode mergeCalibrations} to the bits of one pass.
   */
  shard?: Shard;
  /**
   * Threads that compute one operator; as many as there are cores by default. Where several processes share a machine,
   * give each its part of them.
   */
  threads?: number;
}

/** Options of {@linkcode calibrateOnnx}. */
export interface CalibrateOnnxOptions extends CalibrationOptions, AddSamplesOptions {}

/** What keeps onnxruntime from running a model, to end a sentence with; nothing if it runs it. */
async function runtimeProblem(model: OnnxModel): Promise<string> {
  try {
    await using _ = await OnnxRuntime.open(WHERE, model);
    return "";
  } catch (error) {
    return `. And ${(error as Error).message.replace(`${WHERE}: `, "")}`;
  }
}

/**
 * What is known of a float model's activations: an observer for each, which remembers what it needs and no
 * activation. {@linkcode quantizeStatic} takes ranges from it, as often as asked and with any options.
 *
 * Memory does not grow with the number of samples: the activations of one are held at a time. The shapes of
 * inputs may change from sample to sample.
 *
 * @example
 * ```ts
 * import { exportOnnx, Linear, OnnxCalibration, randn } from "@staticquant/staticquant";
 * const file = await exportOnnx(new Linear(4, 2), randn([1, 4]));
 * const calibration = await OnnxCalibration.open(file);
 * await calibration.add([{ input: randn([3, 4]) }, { input: randn([5, 4]) }]);
 * const state = await calibration.save(); // to go on later, or elsewhere
 * const resumed = await OnnxCalibration.open(file);
 * await resumed.load(state);
 * console.log(resumed.samples, (await resumed.ranges()).size); // 2 1
 * ```
 */
export class OnnxCalibration {
  /** The class's name, whatever a minifier makes of it. */
  static readonly name: string = "OnnxCalibration";

  /** The samples that were run. */
  samples = 0;
  /**
   * A copy of the first sample that was seen, for {@linkcode quantizeStatic} to run the quantized model on; saved
   * and merged with the rest.
   */
  firstSample: OnnxFeeds | undefined;
  /**
   * Copies of the first samples that were run here, where the method is `"auto"`, which is chosen on them.
   *
   * @ignore
   */
  readonly kept: OnnxFeeds[] = [];
  /** The values that are observed. */
  readonly tensors: readonly string[];
  /** What the records stand for, until they see more: choosing a range may be a search. */
  private chosen: Promise<ReadonlyMap<string, TensorRange>> | undefined;
  /** Whether somebody else has chosen them, who knows of others. */
  private settled = false;
  /** What it is of; found out once, when somebody asks. */
  private known: Promise<Origin> | undefined;
  /** Values that need not be looked at, since their records have seen the samples. */
  private carried: ReadonlySet<string> = new Set();
  /** Samples that were seen before, here or elsewhere. */
  private before: Seen = { shards: 0, portions: [] };
  /** Samples that are seen here. */
  private log = new SampleLog(undefined);
  /** The share of the list that they are. */
  private shard: Shard | undefined;

  /** The nodes that it was opened for. */
  readonly selection: NodeSelection;

  private constructor(
    /** The float model that is run, prepared; {@linkcode quantizeStatic} starts from it. */
    readonly model: OnnxModel,
    /** The model as it was given, and the options. */
    private readonly source: { readonly model: OnnxModel; readonly options: CalibrationOptions },
    private readonly method: RangeMethod,
    private records: ReadonlyMap<string, RangeRecord>,
    private learnt: Learnt,
  ) {
    this.tensors = [...records.keys()];
    const { opTypesToQuantize, nodesToQuantize, nodesToExclude } = source.options;
    this.selection = { opTypesToQuantize, nodesToQuantize, nodesToExclude };
  }

  /**
   * A calibration that has seen nothing.
   *
   * @param source the float model; it is not changed.
   * @throws {OnnxError} if it is not one, is quantized already, or has nothing to quantize.
   */
  static async open(
    source: OnnxSource,
    options: CalibrationOptions = {},
  ): Promise<OnnxCalibration> {
    const method = methodFor(WHERE, options);
    const { learn = [], learnFrom } = options;
    for (const kind of learn) checkChoice(WHERE, "learn", kind, STATISTIC_KINDS);
    const model = source instanceof OnnxModel ? source : await loadOnnx(source);
    checkFloatModel(WHERE, model);
    const prepared = options.prepare === false ? model.clone() : await prepareOnnx(model);
    const facts = new GraphFacts(prepared.graph);
    const chosen = checkSelection(WHERE, facts, options);
    const placement = placeQuantization(facts, chosen);
    const { bytes, active, weighted, lookups } = placement;
    if (active.size + weighted.length + lookups.length === 0) {
      const why = nothingToQuantize(model.graph, facts, placement, options);
      throw new OnnxError(`${WHERE}: ${why}${await runtimeProblem(model)}`);
    }
    checkFinite(WHERE, facts, [...weighted, ...lookups]);
    const observed = observedValues(facts, bytes.keys());
    return new OnnxCalibration(
      prepared,
      // A caller's own may be changed before anybody asks what it was.
      { model: model === source ? model.clone() : model, options: { ...options } },
      method,
      new Map(observed.map((name) => [name, method.record()])),
      Learnt.of(facts, learn, learnFrom),
    );
  }

  /**
   * A calibration as it was saved, or merged of what several processes saved. Method and options are those of the
   * file.
   *
   * @param source the float model that it is of.
   * @param file what {@linkcode OnnxCalibration.save} or {@linkcode mergeCalibrations} gave.
   * @throws {OnnxError | SafetensorsError} if it is damaged, of another model, or shards are missing.
   *
   * @example
   * ```ts
   * import {
   *   calibrateOnnx, exportOnnx, Linear, mergeCalibrations, OnnxCalibration, quantizeStatic, randn,
   * } from "@staticquant/staticquant";
   * const model = await exportOnnx(new Linear(4, 2), randn([1, 4]));
   * const samples = Array.from({ length: 8 }, () => ({ input: randn([1, 4]) }));
   * const part = async (index: number) =>
   *   await (await calibrateOnnx(model, samples, { shard: { index, of: 2 } })).save();
   * const all = await mergeCalibrations([await part(1), await part(0)]);
   * const calibration = await OnnxCalibration.from(model, all);
   * const { nodes } = await quantizeStatic(model, calibration);
   * console.log(calibration.samples, nodes[0].quantized); // 8 true
   * ```
   */
  static async from(source: OnnxSource, file: Uint8Array): Promise<OnnxCalibration> {
    const { origin, seen } = readPart(WHERE, file);
    checkComplete(WHERE, await seen());
    const calibration = await OnnxCalibration.open(source, optionsOf(WHERE, origin.settings));
    checkOrigin(`${WHERE}: the saved calibration`, origin, await calibration.origin());
    await calibration.load(file);
    return calibration;
  }

  /** What it is of. */
  private origin(): Promise<Origin> {
    return this.known ??= originOf(this.source.model, settingsOf(this.source.options));
  }

  /**
   * Runs samples and observes the activations. If it fails or is ended early, the samples before count and
   * the one it was at does not.
   *
   * @param data the inputs of each sample, by name; or a function that gives those of a shard.
   * @throws {TypeError | RangeError} if a sample does not fit the model, or there is no such shard.
   * @throws {OnnxError} if there are no samples, or an activation is NaN or infinite; names the node and the
   * sample.
   */
  async add(
    data: OnnxSamples | ShardedSamples,
    options: AddSamplesOptions = {},
  ): Promise<void> {
    const { onProgress, signal, skip = 0, shard, threads } = options;
    const total = options.total ?? (Array.isArray(data) ? data.length : undefined);
    signal?.throwIfAborted();
    this.takeShard(shard);
    const open = this.tensors.filter((name) => !this.carried.has(name));
    const values = [...new Set([...open, ...this.learnt.values])];
    const rangesOnly = this.learnt.values.length === 0 && this.method.needsOnlyRange;
    if (threads !== undefined && !(Number.isSafeInteger(threads) && threads > 0)) {
      throw new RangeError(`${WHERE}: threads is ${threads}; give a whole number of at least 1`);
    }
    const settings = { rangesOnly, threads };
    await using reader = await ActivationReader.open(WHERE, this.model, values, settings);
    // Where in the list of all samples the first of these stands.
    const begin = Math.max(this.samples - skip, 0);
    const { index: own, of } = shard ?? { index: 0, of: 1 };
    const picked = typeof data === "function";
    let [count, run] = [0, 0];
    for await (const feeds of picked ? data(shard) : data) {
      signal?.throwIfAborted();
      const index = picked ? own + of * count++ : count++;
      if (!picked && index % of !== own) continue;
      if (run++ < skip) {
        // Nobody has looked at this one; if it is none, there will be another.
        this.firstSample ??= await copyFeeds(feeds).catch(() => undefined);
        continue;
      }
      await this.addSample(reader, { values, feeds, index, place: begin + index });
      onProgress?.({ samples: run, total });
    }
    if (run > 0) return;
    throw new OnnxError(
      count === 0 && !shard
        ? `${WHERE}: there are no samples; give at least one, better a hundred`
        : `${WHERE}: ${showShard({ index: own, of })} holds no sample${
          picked ? "" : `, for there are ${count} in all`
        }; share the list out in fewer shards`,
    );
  }

  /** Takes note of the share of the list that is run; there is one. */
  private takeShard(shard: Shard | undefined): void {
    if (shard) checkShard(WHERE, shard);
    const same = shard?.index === this.shard?.index && shard?.of === this.shard?.of;
    if (this.samples > 0 && (!same || shard)) {
      throw new OnnxError(
        `${WHERE}: this calibration has samples of ${
          this.shard ? showShard(this.shard) : "a list of its own"
        } already; run each shard in a calibration of its own, and merge what these have seen`,
      );
    }
    if (shard) [this.shard, this.log] = [shard, new SampleLog(shard)];
  }

  /** Runs and observes one sample; nothing is observed if something is wrong with it. */
  private async addSample(
    reader: ActivationReader,
    { values, feeds, index, place }: {
      readonly values: readonly string[];
      readonly feeds: OnnxFeeds;
      /** Its number, for errors. */
      readonly index: number;
      /** Where it stands in the list of all samples. */
      readonly place: number;
    },
  ): Promise<void> {
    let seen: SeenActivation[];
    try {
      seen = await reader.read(feeds);
    } catch (error) {
      if (error instanceof Error) error.message += ` (sample ${index}, counted from 0)`;
      throw error;
    }
    const bad = seen.findIndex(({ range }) => !range);
    if (bad >= 0) throw new OnnxError(this.describeBad(values[bad], index));
    const digest = await sampleDigest(feeds);
    this.chosen = undefined;
    const byName = new Map(values.map((name, i) => [name, seen[i]]));
    this.learnt.observe(byName);
    const { needsOnlyRange } = this.method;
    for (const [name, record] of this.records) {
      if (this.carried.has(name)) continue;
      const own = byName.get(name)!;
      record.observe(needsOnlyRange ? onlyEnds(own) : own, place);
    }
    this.samples++;
    this.log.add(digest);
    reader.free(seen);
    this.firstSample ??= await copyFeeds(feeds);
    if (this.source.options.calibrationMethod === "auto") await this.keep(feeds);
  }

  /** Keeps a sample to choose a method on, unless there are enough. */
  private async keep(feeds: OnnxFeeds): Promise<void> {
    const { kept } = this;
    const elements = kept.flatMap((each) => Object.values(each))
      .reduce((sum, { data }) => sum + Number(data.length), 0);
    const isEnough = kept.length >= MOST_KEPT.samples || elements >= MOST_KEPT.elements;
    if (!isEnough) kept.push(await copyFeeds(feeds));
  }

  /** The error about a value that is not finite. */
  private describeBad(name: string, index: number): string {
    const node = this.model.graph.node.find(({ output }) => output.includes(name));
    const what = node
      ? `${JSON.stringify(name)}, which ${describeNode(node)} makes,`
      : `the input ${JSON.stringify(name)}`;
    const others = new Set(this.tensors.slice(0, this.tensors.indexOf(name)));
    const facts = new GraphFacts(this.model.graph);
    const cause = oddConstantBehind(facts, name, (value) => others.has(value));
    const advice = cause
      ? `${cause}; mend it`
      : node
      ? "look at that sample"
      : "leave that sample out, or mend it";
    const around = node ? ", or leave the nodes around it out by nodesToExclude" : "";
    return `${WHERE}: ${what} holds a NaN or an infinity in sample ${index} (counted from 0), which no ` +
      `range can hold; ${advice}${around}`;
  }

  /**
   * Takes over what another one has seen of values that are the same in its model, so that they are not looked at again:
   * for one that has seen nothing yet, and is to see the same samples. Nothing is taken over if ranges are chosen by
   * another method.
   *
   * @ignore
   */
  carry(other: OnnxCalibration, values: ReadonlySet<string>): void {
    const ways = [this, other].map(({ source: { options } }) => options);
    const [own, theirs] = ways.map((
      options,
    ) => [options.calibrationMethod, options.percentile, options.averagingConstant]);
    if (this.samples > 0 || own.some((each, i) => each !== theirs[i])) return;
    this.carried = new Set(
      this.tensors.filter((name) => values.has(name) && other.records.has(name)),
    );
    this.records = new Map([...this.records].map(([name, record]) => [
      name,
      this.carried.has(name) ? other.records.get(name)! : record,
    ]));
  }

  /**
   * The range of each observed value, as the method chooses it.
   *
   * @throws {OnnxError} if nothing was seen yet.
   */
  async ranges(): Promise<ReadonlyMap<string, TensorRange>> {
    if (this.samples === 0) {
      throw new OnnxError(`${WHERE}: no sample was run yet; there are no ranges`);
    }
    return await (this.chosen ??= this.chooseRanges());
  }

  /** The range that each record stands for. */
  private async chooseRanges(): Promise<ReadonlyMap<string, TensorRange>> {
    const ranges = new Map<string, TensorRange>();
    for (const [name, record] of this.records) ranges.set(name, await record.range());
    return ranges;
  }

  /**
   * How many values were seen where, of each observed value that was seen at all; nothing unless the method counts
   * them, as `"percentile"`, `"entropy"` and `"mse"` do.
   */
  async histograms(): Promise<ReadonlyMap<string, Histogram> | undefined> {
    const histograms = new Map<string, Histogram>();
    for (const [name, record] of this.records) {
      if (!record.histogram) return undefined;
      const histogram = await record.histogram();
      if (histogram) histograms.set(name, histogram);
    }
    return histograms;
  }

  /**
   * The range from the least to the greatest value seen of each observed value; nothing unless the method keeps
   * these and chooses another range.
   *
   * @ignore
   */
  async wholeRanges(): Promise<ReadonlyMap<string, TensorRange> | undefined> {
    if (this.settled) return undefined;
    const histograms = await this.histograms();
    return histograms && new Map(
      this.tensors.map((name) => {
        const { min, max } = histograms.get(name) ?? { min: 0, max: 0 };
        return [name, { min, max }] as const;
      }),
    );
  }

  /** Whether statistics of a kind are learnt. */
  learns(kind: StatisticKind): boolean {
    return this.learnt.get(kind) !== undefined;
  }

  /**
   * @throws {OnnxError} unless it is of this model, as it was given or prepared; `where` opens the message.
   * @ignore
   */
  async checkModel(where: string, model: OnnxModel): Promise<void> {
    if (model === this.source.model || model === this.model) return;
    const theirs = await originOf(model, settingsOf(this.source.options));
    checkOrigin(`${where}: the calibration`, await this.origin(), theirs);
  }

  /**
   * What was learnt of a kind, by the names of values; the covariance of a convolution by its input's and how it
   * takes rows out of that.
   *
   * @throws {OnnxError} if the calibration was not opened to learn it.
   */
  learned<Kind extends StatisticKind>(kind: Kind): ReadonlyMap<string, Statistics[Kind]> {
    const found = this.learnt.get(kind);
    if (found) return found;
    throw new OnnxError(`${WHERE}: ${kind} was not learnt; calibrate with learn: ["${kind}"]`);
  }

  /**
   * The same with ranges that somebody has chosen.
   *
   * @ignore
   */
  choosing(ranges: ReadonlyMap<string, TensorRange>): OnnxCalibration {
    const other = this.withModel(this.model);
    other.chosen = Promise.resolve(ranges);
    other.settled = true;
    other.firstSample = this.firstSample;
    return other;
  }

  /**
   * What was seen so far, beside another model in which the observed values have the same names.
   *
   * @param model such as a copy of this one's with more nodes.
   */
  withModel(model: OnnxModel): OnnxCalibration {
    const { source, method, records, learnt } = this;
    const other = new OnnxCalibration(model, source, method, records, learnt);
    other.samples = this.samples;
    other.firstSample = this.firstSample;
    other.chosen = this.chosen;
    [other.before, other.log, other.shard] = [this.before, this.log, this.shard];
    return other;
  }

  /** Which samples were seen. */
  private async seen(): Promise<Seen> {
    const portion = await this.log.portion();
    const { before, shard, firstSample: first } = this;
    if (!portion) return { ...before, first };
    const own = { shards: shard?.of ?? 0, portions: [portion], first };
    if (before.portions.length === 0) return own;
    const all = new SeenTogether(before);
    all.take(WHERE, own);
    return all.seen();
  }

  /**
   * What was seen so far, as the bytes of a safetensors file. Its header names the model (by content), preparation,
   * method, options, the version of this library, the shard, and how many samples were seen; the first sample and
   * the digest of each are in it. The same samples give the same bytes.
   *
   * @throws {TypeError} if the observers are of a kind that keeps no state of its own.
   */
  async save(): Promise<Uint8Array> {
    const tensors = new Map<string, SafetensorsEntry>(this.learnt.save());
    for (const [name, record] of this.records) {
      const saved = await naming(() => record.saved());
      for (const [key, entry] of this.method.write(saved)) tensors.set(`${name}/${key}`, entry);
    }
    return await writePart({ origin: await this.origin(), seen: await this.seen(), tensors });
  }

  /**
   * Takes over what {@linkcode OnnxCalibration.save} gave in place of what was seen. If it fails, nothing is
   * taken over.
   *
   * @throws {OnnxError | SafetensorsError} if it is damaged, or of another model or method.
   */
  async load(file: Uint8Array): Promise<void> {
    const part = readPart(WHERE, file);
    const { tensors, samples, origin } = part;
    const learnt = this.learnt.loaded(tensors, samples);
    if (typeof learnt === "string") {
      throw new OnnxError(
        `${WHERE}: the saved calibration has not the ${learnt} that this one learns, or it is damaged; ` +
          `nothing was loaded`,
      );
    }
    const { tensorNames } = this.method;
    const saved = new Map<string, Map<string, SafetensorsEntry>>();
    for (const [key, entry] of tensors) {
      const at = key.lastIndexOf("/");
      const [name, end] = [key.slice(0, at), key.slice(at + 1)];
      if (!this.records.has(name)) this.refuse(name);
      const entries = saved.get(name) ?? new Map<string, SafetensorsEntry>();
      saved.set(name, entries.set(end, entry));
    }
    const missing = this.tensors.find((name) => !saved.has(name));
    if (missing !== undefined) this.refuse(missing);
    const records = new Map(this.tensors.map((name) => {
      const entries = saved.get(name)!;
      const parsed = naming(() => this.method.parse(entries, samples), name);
      if ([...entries.keys()].some((end) => !tensorNames.includes(end))) this.refuse(name);
      return [name, this.method.record(parsed)] as const;
    }));
    const seen = await part.seen();
    checkOrigin(`${WHERE}: the saved calibration`, origin, await this.origin());
    this.records = records;
    this.learnt = learnt;
    this.chosen = undefined;
    this.takeSeen(seen, samples);
  }

  /** Goes on where somebody has stopped. */
  private takeSeen(seen: Seen, samples: number): void {
    const [only, ...others] = seen.portions;
    // One that may still see more of its list.
    const open = only && others.length === 0;
    this.shard = open && seen.shards > 0 ? { index: only.index, of: seen.shards } : undefined;
    this.log = new SampleLog(this.shard, open ? only.digests : undefined);
    this.before = open ? { shards: 0, portions: [] } : seen;
    this.firstSample = seen.first;
    this.samples = samples;
  }

  /** Refuses a saved calibration that does not have the tensors of this one. */
  private refuse(name: string): never {
    throw new OnnxError(
      `${WHERE}: the saved calibration is of another model or of other options: ${show(name)} is ` +
        `observed in one and not in the other; nothing was loaded`,
    );
  }

  /**
   * Takes in what another calibration of the same model and method has seen, on another machine perhaps. What it has
   * seen of a shard that is known already counts once. If it fails, nothing is taken in.
   *
   * @param other left as it is.
   * @throws {Error} if it is of another model or method, or has samples that were seen here too.
   */
  async merge(other: OnnxCalibration): Promise<void> {
    const same = this.tensors.length === other.tensors.length &&
      this.tensors.every((name) => other.records.has(name)) && this.learnt.isLike(other.learnt);
    if (!same) {
      throw new OnnxError(
        `${WHERE}: the other calibration is of another model or of other options; nothing was merged`,
      );
    }
    const where = `${WHERE}: the other calibration`;
    const [own, theirs] = [await this.seen(), await other.seen()];
    const records = new Map<string, RangeRecord>();
    for (const [name, record] of this.records) {
      const parts = [await record.saved(), await other.records.get(name)!.saved()] as const;
      const merged = naming(() => this.method.merge(...parts), name);
      records.set(name, this.method.record(merged));
    }
    checkOrigin(where, await other.origin(), await this.origin());
    const all = new SeenTogether(own);
    checkMergeable(where, this.method, all, theirs);
    if (!all.take(where, theirs)) return;
    this.learnt.merge(other.learnt);
    this.records = records;
    this.chosen = undefined;
    this.takeSeen(all.seen(), all.count);
  }
}

/** @throws {OnnxError} if there are too many samples, or their order is not known and matters. */
export function checkMergeable(
  where: string,
  method: RangeMethod,
  a: SeenTogether,
  b: Seen,
): void {
  const samples = a.count + countOfSeen(b);
  if (samples > MOST_ADDED) {
    throw new OnnxError(
      `${where} brings ${samples} samples together, more than the ${MOST_ADDED} that one calibration takes`,
    );
  }
  const unknown = method.inOrder && a.count > 0 && (a.shards === 0 || b.shards === 0);
  if (!unknown) return;
  throw new OnnxError(
    `${where} is of a list of its own, but "movingAverage" weighs samples by their place in one list; share the ` +
      `list out by shards`,
  );
}

/** Does something with what an observer saves, with errors of this module's. */
export function naming<T>(work: () => T, name?: string): T {
  try {
    return work();
  } catch (error) {
    const whose = name === undefined ? "" : `the state of ${show(name)}: `;
    if (error instanceof StateError || error instanceof RangeError) {
      throw new OnnxError(`${WHERE}: ${whose}${error.message}`, { cause: error });
    }
    if (error instanceof TypeError) throw new TypeError(`${WHERE}: ${error.message}`);
    throw error;
  }
}

/**
 * Runs samples through a float ONNX model and takes note of its activations.
 *
 * @param source the float model; it is not changed.
 * @param data the inputs of each sample, by name: an array, or an async iterable that reads them as they are
 * needed; or a function that gives those of a shard.
 * @throws {OnnxError} if the model is quantized already or has nothing to quantize, there are no samples, or
 * an activation is NaN or infinite.
 * @throws {TypeError | RangeError} if a sample does not fit the model.
 *
 * @example
 * ```ts
 * import { calibrateOnnx, exportOnnx, Linear, randn } from "@staticquant/staticquant";
 * const file = await exportOnnx(new Linear(4, 2), randn([1, 4]));
 * const samples = Array.from({ length: 8 }, () => ({ input: randn([1, 4]) }));
 * const calibration = await calibrateOnnx(file, samples, { calibrationMethod: "percentile" });
 * console.log((await calibration.ranges()).get("input"));
 * ```
 */
export async function calibrateOnnx(
  source: OnnxSource,
  data: OnnxSamples | ShardedSamples,
  options: CalibrateOnnxOptions = {},
): Promise<OnnxCalibration> {
  const calibration = await OnnxCalibration.open(source, options);
  await calibration.add(data, options);
  return calibration;
}
