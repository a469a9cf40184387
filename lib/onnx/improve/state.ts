/**
 * What remedies change, and what they may ask for.
 *
 * @module
 */
import { rankNodes } from "../accuracy/rank_nodes.ts";
import type { NodeSensitivity } from "../accuracy/variants.ts";
import { ActivationReader } from "../calibration/activation_reader.ts";
import { OnnxCalibration } from "../calibration/calibrate.ts";
import { Learnt, type Statistics } from "../calibration/statistics/learnt.ts";
import { GraphFacts } from "../qdq/graph_facts.ts";
import type { StatisticKind } from "../../quantization/statistics/statistic.ts";
import type { OnnxModel } from "../file/model.ts";
import { removeUnusedInitializers, removeUnusedNodes } from "../graph/unused.ts";
import type { OnnxFeeds } from "../run/runtime.ts";
import type { QuantizedConstant } from "../qdq/weights.ts";
import { quantizeCalibrated, type QuantizeStaticOptions } from "../quantize_static.ts";
import type { VerifiedGraph } from "../verify/verify.ts";

/** A float model on its way to integers. */
export interface ImprovedModel {
  /** The float model that is quantized, and the ranges of its activations. */
  readonly calibration: OnnxCalibration;
  /** The float model before its biases were corrected, which is what layers are to come near to; that of now by default. */
  readonly uncorrected?: OnnxModel;
  /** How it is quantized. */
  readonly options: QuantizeStaticOptions;
  /** Weights that were rounded by more than to the nearest, by the names of constants. */
  readonly weights: ReadonlyMap<string, QuantizedConstant>;
}

/** Samples that statistics are gathered on at most, those of rows by how large samples are, and errors while searching. */
const FEW = { learnt: 64, rows: 8, searched: { least: 4, most: 16, forRanges: 64 } } as const;
/** Elements of samples that give rows enough, and that errors are measured on. */
const ENOUGH = { rows: 1 << 20, searched: 1 << 17 } as const;

/** How many samples have so many elements, between two numbers. */
function samplesWith(elements: number, sample: OnnxFeeds, least: number, most: number): number {
  const each = Object.values(sample).reduce((sum, { data }) => sum + Number(data.length), 0);
  return Math.min(Math.max(Math.ceil(elements / Math.max(each, 1)), least), most);
}

/** How many samples have rows enough for statistics and for rounding weights. */
function samplesForRows(sample: OnnxFeeds): number {
  return samplesWith(ENOUGH.rows, sample, FEW.rows, FEW.learnt);
}

/** What is learnt together, for a pass takes longer than that. */
const TOGETHER: readonly StatisticKind[] = ["channelMaxima", "channelSums"];

/** What a search is bounded by. */
export interface ImproveLimits {
  /** Called between pieces of work; throws to end it. */
  readonly check?: () => void;
  /** Whether the time is over, so that what has begun is to end with what it has. */
  readonly isOver?: () => boolean;
  /** What a quantized model takes of the limits of size and time, as a share: at most 1 is allowed. */
  readonly takes?: (model: OnnxModel) => Promise<number>;
  /** The time that a quantized model may take, as a share of the float model's; not limited by default. */
  readonly latency?: number;
  /** Seconds that the whole search may take; not limited by default. */
  readonly seconds?: number;
  /** The SQNR on a few samples from which on no more is asked for, in dB. */
  readonly target?: number;
  /** The float model that outputs are compared with; that which is quantized by default. */
  readonly reference?: OnnxModel;
  /** What was learnt before, of its model; that is not gathered again. */
  readonly learnt?: OnnxCalibration;
}

/** What remedies ask of samples. */
export class ImproveTools {
  private readonly known = new WeakMap<OnnxModel, Map<StatisticKind, Promise<Learnt>>>();
  private readonly ranked = new WeakMap<OnnxCalibration, Promise<readonly NodeSensitivity[]>>();

  /** @param samples the calibration samples; gone through once for each time that ranges are learnt. */
  constructor(
    private readonly samples: readonly OnnxFeeds[],
    private readonly limits: ImproveLimits = {},
  ) {}

  /** Throws if the work is to end. */
  readonly check = (): void => this.limits.check?.();

  /** Whether the time is over. */
  get isOver(): boolean {
    return this.limits.isOver?.() ?? false;
  }

  /** The float model that outputs are compared with. */
  get reference(): OnnxModel | undefined {
    return this.limits.reference;
  }

  /** What a quantized model takes of the limits of size and time, as a share; nothing where there are none. */
  async takes(model: OnnxModel): Promise<number> {
    return await this.limits.takes?.(model) ?? 0;
  }

  /** Whether a quantized model is small and fast enough. */
  async allows(model: OnnxModel): Promise<boolean> {
    return await this.takes(model) <= 1;
  }

  /** Whether time is limited, so that what is faster in float is worth looking for. */
  get isToBeFast(): boolean {
    return this.limits.latency !== undefined;
  }

  /** The time that a quantized model may take, as a share of the float model's. */
  get latency(): number {
    return this.limits.latency ?? Infinity;
  }

  /** Seconds that the whole search may take. */
  get seconds(): number {
    return this.limits.seconds ?? Infinity;
  }

  /** Whether there is something to reach. */
  get hasTarget(): boolean {
    return this.limits.target !== undefined;
  }

  /** Whether an SQNR on the few samples is what is asked for. */
  enough(sqnr: number): boolean {
    return sqnr >= (this.limits.target ?? Infinity);
  }

  /** The first samples, for what is tried many times. */
  get few(): readonly OnnxFeeds[] {
    const { least, most } = FEW.searched;
    return this.samples.slice(0, samplesWith(ENOUGH.searched, this.samples[0], least, most));
  }

  /** The first samples, for what is tried many times and could suit a few by chance. */
  get forRanges(): readonly OnnxFeeds[] {
    const { least, forRanges } = FEW.searched;
    return this.samples.slice(0, samplesWith(ENOUGH.searched, this.samples[0], least, forRanges));
  }

  /** The first samples, as many as have rows enough to round weights by. */
  get forRows(): readonly OnnxFeeds[] {
    return this.samples.slice(0, samplesForRows(this.samples[0]));
  }

  /**
   * The ranges of the activations of a float model that was rewritten: those of values that are as they were are taken
   * from before.
   */
  async recalibrate(
    model: OnnxModel,
    { calibration: before }: ImprovedModel,
    options: QuantizeStaticOptions,
  ): Promise<OnnxCalibration> {
    const calibration = await OnnxCalibration.open(model, { ...options, prepare: false });
    if (before.samples === this.samples.length) {
      const known = new Set(before.tensors);
      const names = calibration.tensors.filter((name) => known.has(name));
      const [old, now] = [
        await this.activations(before.model, names),
        await this.activations(model, names),
      ];
      const same = names.filter((name) => isNear(old.get(name)!, now.get(name)!));
      calibration.carry(before, new Set(same));
    }
    await calibration.add(this.checked());
    return calibration;
  }

  /** The samples, each after a look at whether the work is to end. */
  private *checked(): Generator<OnnxFeeds> {
    for (const feeds of this.samples) {
      this.check();
      yield feeds;
    }
  }

  /**
   * What each layer that a state has in bytes costs alone, the worst first; what others are told changes that little, so it is
   * measured once for a calibration.
   */
  async ranking({ calibration, options }: ImprovedModel): Promise<readonly NodeSensitivity[]> {
    const { tensorOverrides: _, onProgress: __, signal: ___, ...own } = options;
    const known = this.ranked.get(calibration) ??
      rankNodes(calibration.model, calibration, { ...own, verify: false, heldOut: this.few })
        .then(({ nodes }) => nodes);
    this.ranked.set(calibration, known);
    const floats = new Set(options.nodesToExclude);
    return (await known).filter(({ node }) => !floats.has(node));
  }

  /** Statistics of what a model's layers read and make, by the names of values; each kind is gathered once. */
  async learn<Kind extends StatisticKind>(
    model: OnnxModel,
    kind: Kind,
  ): Promise<ReadonlyMap<string, Statistics[Kind]>> {
    const { learnt } = this.limits;
    if (learnt?.model === model && learnt.learns(kind)) return learnt.learned(kind);
    const kinds = this.known.get(model) ?? new Map<StatisticKind, Promise<Learnt>>();
    this.known.set(model, kinds);
    const together = TOGETHER.includes(kind) ? TOGETHER : [kind];
    const known = kinds.get(kind) ?? this.gather(model, together);
    for (const each of together) kinds.set(each, known);
    return (await known).get(kind)!;
  }

  /** Statistics of some kinds. */
  private async gather(model: OnnxModel, kinds: readonly StatisticKind[]): Promise<Learnt> {
    const learnt = Learnt.of(new GraphFacts(model.graph), kinds);
    const seen = new Map<string, { data: Float32Array; dims: readonly number[] }>();
    await this.forActivations(model, learnt.values, (name, data, dims) => {
      seen.set(name, { data, dims });
      if (seen.size < learnt.values.length) return;
      learnt.observe(seen);
      seen.clear();
    }, this.forRows);
    return learnt;
  }

  /** All samples. */
  get all(): readonly OnnxFeeds[] {
    return this.samples;
  }

  /** Calls a function with what activations hold for each of some samples, the few by default. */
  async forActivations(
    model: OnnxModel,
    names: readonly string[],
    visit: (name: string, data: Float32Array, dims: readonly number[]) => void,
    samples: readonly OnnxFeeds[] = this.few,
  ): Promise<void> {
    if (names.length === 0) return;
    const part = partFor(model, names);
    await using reader = await ActivationReader.open("tuneOnnx", part, names, {
      rangesOnly: false,
    });
    for (const feeds of samples) {
      this.check();
      const seen = await reader.read(feeds);
      seen.forEach(({ data, dims }, i) => visit(names[i], data, dims));
      reader.free(seen);
    }
  }

  /** What activations hold for the first sample, by name. */
  async activations(
    model: OnnxModel,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, Float32Array>> {
    const values = [...new Set(names)];
    await using reader = await ActivationReader.open("tuneOnnx", model, values, {
      rangesOnly: false,
    });
    const seen = await reader.read(this.samples[0]);
    return new Map(values.map((name, i) => [name, seen[i].data]));
  }
}

/** Two values differ where an element is off by more than this share of the greatest. */
const SAME = 1e-4;

/** Whether numbers are the same but for rounding. */
function isNear(a: Float32Array, b: Float32Array): boolean {
  if (a.length !== b.length) return false;
  let [most, off] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    most = Math.max(most, Math.abs(a[i]));
    off = Math.max(off, Math.abs(a[i] - b[i]));
  }
  return off <= SAME * most;
}

/** The part of a model that makes some values. */
function partFor(model: OnnxModel, names: readonly string[]): OnnxModel {
  const part = model.clone();
  const { graph, messages } = part;
  graph.output = names.map((name) => messages.valueInfo(name, "float32"));
  removeUnusedNodes(graph);
  removeUnusedInitializers(graph);
  return part;
}

/** The quantized graph of a state, as it is written; it is not looked at. */
export async function quantizedState(
  { calibration, options, weights }: ImprovedModel,
  left?: ReadonlyMap<string, string>,
): Promise<VerifiedGraph> {
  return await quantizeCalibrated(calibration, { ...options, verify: false }, left, weights);
}

/** The same graph with the channels of the float one and no more, so that what both hold can be compared. */
export async function comparableState(state: ImprovedModel): Promise<VerifiedGraph> {
  return await quantizedState({ ...state, options: { ...state.options, fillChannels: false } });
}
