/**
 * Running samples through a float ONNX model and taking note of its activations.
 *
 * @module
 */
import type { CpuBackend } from "../../backend/cpu/backend.ts";
import { backendFor } from "../../backend/registry.ts";
import { formatNameOf } from "../../nn/state_file.ts";
import { StateError } from "../../nn/state_error.ts";
import {
  parseSafetensors,
  type SafetensorsEntry,
  serializeSafetensors,
} from "../../files/safetensors.ts";
import { deepcopy } from "../../nn/module.ts";
import type { AffineQuantizedObserverBase } from "../../quantization/observers/observer.ts";
import type { Histogram } from "../../quantization/observers/histogram_observer.ts";
import { RangeObserver } from "../../quantization/observers/range_observer.ts";
import { checkChoice } from "../../numbers/arguments.ts";
import { float32, int32, uint8 } from "../../numbers/dtype.ts";
import { MOST_ADDED } from "../../numbers/exact_sum.ts";
import { Tensor, tensorFromBytes } from "../../tensor/tensor.ts";
import { ActivationReader, type SeenActivation } from "./activation_reader.ts";
import {
  type CalibrationOptions,
  histogramsOf,
  needsOnlyRange,
  observerFor,
  rangesOf,
  wholeRangesOf,
} from "./method.ts";
import { Learnt, type Statistics } from "./statistics/learnt.ts";
import { STATISTIC_KINDS, type StatisticKind } from "./statistics/statistic.ts";
import { loadOnnx } from "../file/model_file.ts";
import { OnnxModel } from "../file/model.ts";
import { OnnxError, show } from "../file/onnx_error.ts";
import { prepareOnnx } from "../prepare/prepare.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { TensorRange } from "../qdq/params.ts";
import { placeQuantization } from "../qdq/placement.ts";
import { observedValues } from "../qdq/value_ranges.ts";
import { checkSelection } from "../qdq/selection.ts";
import { checkFloatModel } from "../qdq/already_quantized.ts";
import { checkFinite, oddConstantBehind } from "../qdq/finite.ts";
import { nothingToQuantize } from "../qdq/nothing_to_quantize.ts";
import { copyFeeds, type OnnxFeeds, OnnxRuntime } from "../run/runtime.ts";
import { describeNode } from "../graph/describe_node.ts";

/** Opens the errors. */
const WHERE = "calibrateOnnx";

/** Where an ONNX model comes from: a path, a file's bytes, or a loaded one. */
export type OnnxSource = string | URL | Uint8Array<ArrayBuffer> | OnnxModel;

/** Samples, one after the other. */
export type OnnxSamples = Iterable<OnnxFeeds> | AsyncIterable<OnnxFeeds>;

/** How far a calibration is. */
export interface CalibrationProgress {
  /** The samples that were run. */
  readonly samples: number;
  /** How many there are, if that is known. */
  readonly total: number | undefined;
}

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
}

/** Options of {@linkcode calibrateOnnx}. */
export interface CalibrateOnnxOptions extends CalibrationOptions, AddSamplesOptions {}

/** An array as a float32 tensor that shares its memory. */
function view(data: Float32Array, dims: readonly number[]): Tensor {
  const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  const cpu = backendFor("cpu") as CpuBackend;
  return new Tensor(cpu, cpu.adopt(bytes), dims, float32);
}

/** What an observer saves, by the end of its keys. */
const STATE_KEYS: readonly string[] = ["description", "state"];

/** A tensor of an observer's state; of another type than those have, it is refused where it is looked at. */
function tensorOf({ dtype, shape, bytes }: SafetensorsEntry): Tensor {
  if (dtype === "I32") return tensorFromBytes(bytes, { shape, dtype: int32, device: "cpu" });
  const plain = { shape: [bytes.length], dtype: uint8, device: "cpu" as const };
  return tensorFromBytes(bytes, plain);
}

/** What keeps onnxruntime from running a model, to end a sentence with; nothing if it runs it. */
async function runtimeProblem(model: OnnxModel): Promise<string> {
  try {
    await using _ = await OnnxRuntime.open(WHERE, model);
    return "";
  } catch (error) {
    return `. And ${(error as Error).message.replace(`${WHERE}: `, "")}`;
  }
}

/** The key of a saved state that says what it is of. */
const KIND = "staticquant calibration";

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
   * A copy of the first sample that was seen, for {@linkcode quantizeStatic} to run the quantized model on. There
   * is none where all that is known was loaded.
   */
  firstSample: OnnxFeeds | undefined;
  /** The values that are observed. */
  readonly tensors: readonly string[];
  /** What the observers stand for, until they see more: choosing a range may be a search. */
  private chosen: Promise<ReadonlyMap<string, TensorRange>> | undefined;

  private constructor(
    /** The float model that is run, prepared; {@linkcode quantizeStatic} starts from it. */
    readonly model: OnnxModel,
    private observers: Map<string, AffineQuantizedObserverBase>,
    private learnt: Learnt,
  ) {
    this.tensors = [...observers.keys()];
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
    const observer = observerFor(WHERE, options);
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
      new Map(observed.map((name) => [name, deepcopy(observer)])),
      Learnt.of(facts, learn, learnFrom),
    );
  }

  /**
   * Runs samples and observes the activations. If it fails or is ended early, the samples before count and
   * the one it was at does not.
   *
   * @param data the inputs of each sample, by name.
   * @throws {TypeError | RangeError} if a sample does not fit the model.
   * @throws {OnnxError} if there are no samples, or an activation is NaN or infinite; names the node and the
   * sample.
   */
  async add(data: OnnxSamples, options: AddSamplesOptions = {}): Promise<void> {
    const { onProgress, signal, skip = 0 } = options;
    const total = options.total ?? (Array.isArray(data) ? data.length : undefined);
    signal?.throwIfAborted();
    const values = [...new Set([...this.tensors, ...this.learnt.values])];
    const rangesOnly = this.learnt.values.length === 0 &&
      [...this.observers.values()].every(needsOnlyRange);
    await using reader = await ActivationReader.open(WHERE, this.model, values, { rangesOnly });
    let index = 0;
    for await (const feeds of data) {
      signal?.throwIfAborted();
      if (index++ < skip) {
        // Nobody has looked at this one; if it is none, there will be another.
        this.firstSample ??= await copyFeeds(feeds).catch(() => undefined);
        continue;
      }
      await this.addSample(reader, values, feeds, index - 1);
      onProgress?.({ samples: index, total });
    }
    if (index === 0) {
      throw new OnnxError(
        `${WHERE}: there are no samples; give at least one, better a hundred`,
      );
    }
  }

  /** Runs and observes one sample; nothing is observed if something is wrong with it. */
  private async addSample(
    reader: ActivationReader,
    values: readonly string[],
    feeds: OnnxFeeds,
    index: number,
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
    this.chosen = undefined;
    const byName = new Map(values.map((name, i) => [name, seen[i]]));
    this.learnt.observe(byName);
    this.tensors.forEach((name) => {
      const { data, dims } = byName.get(name)!;
      const observer = this.observers.get(name)!;
      // Those that are saved count empty ones too, as samples are counted.
      if (data.length === 0 && !(observer instanceof RangeObserver)) return;
      using x = view(data, dims);
      observer.forward(x);
    });
    this.samples++;
    reader.free(seen);
    this.firstSample ??= await copyFeeds(feeds);
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
   * The range of each observed value, as the method chooses it.
   *
   * @throws {OnnxError} if nothing was seen yet.
   */
  async ranges(): Promise<ReadonlyMap<string, TensorRange>> {
    if (this.samples === 0) {
      throw new OnnxError(`${WHERE}: no sample was run yet; there are no ranges`);
    }
    return await (this.chosen ??= rangesOf(this.observers));
  }

  /**
   * How many values were seen where, of each observed value that was seen at all; nothing unless the method counts
   * them, as `"percentile"`, `"entropy"` and `"mse"` do.
   */
  async histograms(): Promise<ReadonlyMap<string, Histogram> | undefined> {
    const all = await histogramsOf(this.observers);
    const seen = (entry: [string, Histogram | undefined]): entry is [string, Histogram] =>
      entry[1] !== undefined;
    return all && new Map([...all].filter(seen));
  }

  /**
   * The range from the least to the greatest value seen of each observed value; nothing unless the method keeps
   * these and chooses another range.
   *
   * @ignore
   */
  async wholeRanges(): Promise<ReadonlyMap<string, TensorRange> | undefined> {
    return await wholeRangesOf(this.observers);
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
   * What was seen so far, beside another model in which the observed values have the same names.
   *
   * @param model such as a copy of this one's with more nodes.
   */
  withModel(model: OnnxModel): OnnxCalibration {
    const other = new OnnxCalibration(model, this.observers, this.learnt);
    other.samples = this.samples;
    other.chosen = this.chosen;
    return other;
  }

  /**
   * What was seen so far, as the bytes of a safetensors file.
   *
   * @throws {TypeError} if the observers are of a kind that keeps no state of its own.
   */
  async save(): Promise<Uint8Array> {
    const entries: [string, SafetensorsEntry][] = [...this.learnt.save()];
    for (const [name, observer] of this.observers) {
      if (!(observer instanceof RangeObserver)) {
        throw new TypeError(`${WHERE}: a ${observer.constructor.name} cannot be saved`);
      }
      for (const [key, tensor] of Object.entries(observer.stateDict())) {
        const { dtype, shape } = tensor;
        const entry = {
          dtype: formatNameOf(dtype),
          shape: [...shape],
          bytes: await tensor.bytes(),
        };
        entries.push([`${name}/${key}`, entry]);
      }
    }
    return serializeSafetensors(entries, { kind: KIND, samples: String(this.samples) });
  }

  /**
   * Takes over what {@linkcode OnnxCalibration.save} gave in place of what was seen. If it fails, nothing is
   * taken over.
   *
   * @throws {OnnxError | SafetensorsError} if it is damaged, or of another model or method.
   */
  async load(file: Uint8Array): Promise<void> {
    const { tensors, metadata } = parseSafetensors(file);
    const samples = /^\d{1,10}$/.test(metadata.samples) ? Number(metadata.samples) : undefined;
    if (metadata.kind !== KIND || samples === undefined) {
      throw new OnnxError(`${WHERE}: the file is no saved calibration; nothing was loaded`);
    }
    const learnt = this.learnt.loaded(tensors, samples);
    if (typeof learnt === "string") {
      throw new OnnxError(
        `${WHERE}: the saved calibration has not the ${learnt} that this one learns, or it is damaged; ` +
          `nothing was loaded`,
      );
    }
    const saved = new Set<string>();
    for (const key of tensors.keys()) {
      const at = key.lastIndexOf("/");
      const name = key.slice(0, at);
      if (!STATE_KEYS.includes(key.slice(at + 1)) || !this.observers.has(name)) this.refuse(name);
      saved.add(name);
    }
    const missing = this.tensors.find((name) => !saved.has(name));
    if (missing !== undefined) this.refuse(missing);
    this.observers = await this.changed(async (name, observer) => {
      const dict: Record<string, Tensor> = {};
      try {
        for (const key of STATE_KEYS) {
          const entry = tensors.get(`${name}/${key}`);
          if (entry) dict[key] = tensorOf(entry);
        }
        await observer.loadStateDict(dict);
      } catch (error) {
        if (!(error instanceof StateError)) throw error;
        throw new OnnxError(`${WHERE}: the state of ${show(name)}: ${error.message}`, {
          cause: error,
        });
      } finally {
        for (const tensor of Object.values(dict)) tensor.dispose();
      }
      if (observer.batchCount !== samples) {
        throw new OnnxError(
          `${WHERE}: the saved calibration is said to be of ${samples} samples, but ` +
            `${show(name)} was seen in ${observer.batchCount}; nothing was loaded`,
        );
      }
    });
    this.learnt = learnt;
    this.chosen = undefined;
    this.firstSample = undefined;
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
   * Takes in what another calibration of the same model and method has seen, on another machine perhaps. If
   * it fails, nothing is taken in.
   *
   * @param other left as it is.
   * @throws {Error} if it is of another model or method.
   */
  async merge(other: OnnxCalibration): Promise<void> {
    const same = this.tensors.length === other.tensors.length &&
      this.tensors.every((name) => other.observers.has(name)) && this.learnt.isLike(other.learnt);
    if (!same) {
      throw new OnnxError(
        `${WHERE}: the other calibration is of another model or of other options; nothing was merged`,
      );
    }
    if (this.samples + other.samples > MOST_ADDED) {
      throw new OnnxError(
        `${WHERE}: ${this.samples} and ${other.samples} samples are more than the ${MOST_ADDED} that one ` +
          `calibration takes; nothing was merged`,
      );
    }
    this.observers = await this.changed((name, observer) =>
      observer.merge(other.observers.get(name) as RangeObserver)
    );
    this.learnt.merge(other.learnt);
    this.chosen = undefined;
    this.firstSample ??= other.firstSample;
    this.samples += other.samples;
  }

  /** Copies of the observers, after a change of each. */
  private async changed(
    change: (name: string, observer: RangeObserver) => Promise<void>,
  ): Promise<Map<string, AffineQuantizedObserverBase>> {
    const copies = new Map<string, AffineQuantizedObserverBase>();
    for (const [name, observer] of this.observers) {
      const copy = deepcopy(observer);
      if (!(copy instanceof RangeObserver)) {
        throw new TypeError(`${WHERE}: a ${copy.constructor.name} cannot be loaded or merged`);
      }
      await change(name, copy);
      copies.set(name, copy);
    }
    return copies;
  }
}

/**
 * Runs samples through a float ONNX model and takes note of its activations.
 *
 * @param source the float model; it is not changed.
 * @param data the inputs of each sample, by name: an array, or an async iterable that reads them as they are
 * needed.
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
  data: OnnxSamples,
  options: CalibrateOnnxOptions = {},
): Promise<OnnxCalibration> {
  const calibration = await OnnxCalibration.open(source, options);
  await calibration.add(data, options);
  return calibration;
}
