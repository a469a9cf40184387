/**
 * What remedies of modules may ask of samples.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { override } from "../../nn/override.ts";
import { type Tensor, tidy } from "../../tensor/tensor.ts";
import type { Batch } from "../analysis/inputs.ts";
import { freeModule, view } from "../analysis/layers.ts";
import { Noise } from "../analysis/noise.ts";
import type { FloatOutput } from "../analysis/float_output.ts";
import type { WeightedLayer } from "../layers/weighted_layer.ts";
import { ChannelMaxima } from "../statistics/channel_maxima.ts";
import { ChannelSums } from "../statistics/channel_sums.ts";
import { Covariance, LONGEST_ROW } from "../statistics/covariance.ts";
import { rowLength } from "../statistics/rows.ts";
import { ChannelEnds } from "./channel_shifts.ts";
import { activationSpec, type ImprovedModule, type ImprovedOptions } from "./improved_module.ts";
import type { Ends } from "./descend_ranges.ts";
import { type RangeMethod, rangeObserver } from "./range_methods.ts";
import { readChannels, readDims, readRows } from "./read_rows.ts";
import { type SampledRows, sampledRows } from "./sampled_rows.ts";
import type { RemediedOf, RemedyOf } from "./remedy.ts";

/** A way to make a quantized model of modules better. */
export type ModuleRemedy = RemedyOf<ImprovedModule, ModuleTools>;

/** What such a remedy did. */
export type RemediedModule = RemediedOf<ImprovedModule>;

/** Batches that statistics are gathered on at most, and errors while searching. */
const FEW = { learnt: 64, searched: { least: 4, most: 16 } } as const;
/** Elements of batches that errors are measured on. */
const ENOUGH = 1 << 17;

/** What a search is bounded by. */
export interface ModuleLimits {
  /** Called between pieces of work; throws to end it. */
  readonly check?: () => void;
  /** Whether a quantized model is small and fast enough. */
  readonly allows?: (model: Module) => Promise<boolean>;
  /** The SQNR on a few batches from which on no more is asked for, in dB. */
  readonly target?: number;
}

/** What is known of the channels of a layer's input. */
export interface InputStatistics extends Ends {
  /** The greatest magnitude of each channel. */
  readonly maxima: ChannelMaxima;
  /** Sums of each channel. */
  readonly sums: ChannelSums;
}

/** Calls a function with what some modules read and make, until it is disposed of. */
export function watch(
  model: Module,
  names: readonly string[],
  onCall: (name: string, inputs: readonly Tensor[], output: Tensor) => void,
): Disposable {
  const modules = new Map(model.namedModules());
  const undo: (() => void)[] = [];
  for (const name of names) {
    const module = modules.get(name)!;
    const run = module.forward.bind(module);
    const forward = (...inputs: Tensor[]) => {
      const output = run(...inputs);
      onCall(name, inputs, output);
      return output;
    };
    undo.push(override(module, { forward }));
  }
  return { [Symbol.dispose]: () => undo.reverse().forEach((each) => each()) };
}

/** The first of some batches, as many as errors are measured on. */
function fewOf(batches: readonly Batch[]): readonly Batch[] {
  const { least, most } = FEW.searched;
  const elements = batches[0].reduce((sum, { numel }) => sum + numel, 0);
  const count = Math.ceil(ENOUGH / Math.max(elements, 1));
  return batches.slice(0, Math.min(Math.max(count, least), most));
}

/** The numbers of a tensor of floats; those of bytes are what they stand for. */
async function numbersOf(x: Tensor): Promise<Float32Array> {
  const data = await x.data();
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

/** What a model gives for a batch, as far as it is floats. */
export async function outputsOf(model: Module, batch: Batch): Promise<FloatOutput[]> {
  const outputs = tidy(() => model.forwardAll(...batch));
  const found: FloatOutput[] = [];
  for (const y of outputs) {
    if (y.dtype.isFloat) found.push({ data: await y.data(), dims: y.shape });
  }
  // What gives its input back is not to free it.
  for (const y of outputs) if (!batch.includes(y)) y.dispose();
  return found;
}

/** What remedies ask of samples. */
export class ModuleTools {
  private reference: Promise<ArrayLike<number>[][]> | undefined;

  /**
   * @param model the float model that outputs are compared with.
   * @param batches the calibration samples.
   */
  constructor(
    private readonly model: Module,
    private readonly batches: readonly Batch[],
    private readonly limits: ModuleLimits = {},
  ) {}

  /** Throws if the work is to end. */
  readonly check = (): void => this.limits.check?.();

  /** Whether a quantized model is small and fast enough. */
  async allows(model: Module): Promise<boolean> {
    return await this.limits.allows?.(model) ?? true;
  }

  /** Whether there is something to reach. */
  get hasTarget(): boolean {
    return this.limits.target !== undefined;
  }

  /** Whether an SQNR on the few batches is what is asked for. */
  enough(sqnr: number): boolean {
    return sqnr >= (this.limits.target ?? Infinity);
  }

  /** The batches that statistics are gathered on. */
  get learnt(): readonly Batch[] {
    return this.batches.slice(0, FEW.learnt);
  }

  /** All batches. */
  get all(): readonly Batch[] {
    return this.batches;
  }

  /** The first batches, for what is tried many times. */
  get few(): readonly Batch[] {
    return fewOf(this.batches);
  }

  /** Every other batch and those between, and the other way round; of one batch that itself. */
  get halves(): readonly (readonly [readonly Batch[], readonly Batch[]])[] {
    const [even, odd] = [0, 1].map((k) => this.batches.filter((_, i) => i % 2 === k));
    return odd.length === 0 ? [[even, even]] : [[even, odd], [odd, even]];
  }

  /** Runs a model on batches for what its modules read and make; nothing of that outlives a visit. */
  private async visit(
    model: Module,
    names: readonly string[],
    batches: readonly Batch[],
    look: (name: string, input: Tensor, output: Tensor) => Promise<void>,
  ): Promise<void> {
    for (const batch of batches) {
      this.check();
      const calls: { name: string; input: Tensor; output: Tensor }[] = [];
      try {
        using _ = watch(model, names, (name, [x], y) => {
          calls.push({ name, input: view(x), output: view(y) });
        });
        tidy(() => void model.forward(...batch));
      } catch (error) {
        calls.forEach(({ input, output }) => [input, output].forEach((t) => t.dispose()));
        throw error;
      }
      try {
        for (const { name, input, output } of calls) await look(name, input, output);
      } finally {
        calls.forEach(({ input, output }) => [input, output].forEach((t) => t.dispose()));
      }
    }
  }

  /** What layers read and make on a few of some batches. */
  async forCalls(
    model: Module,
    names: readonly string[],
    batches: readonly Batch[],
    look: (name: string, input: Tensor, output: Tensor) => Promise<void>,
  ): Promise<void> {
    await this.visit(model, names, fewOf(batches), look);
  }

  /** The ranges of what layers read by each of some methods, on some batches; none of layers that are not run. */
  async ranges<M extends RangeMethod>(
    float: Module,
    options: ImprovedOptions,
    methods: readonly M[],
    batches: readonly Batch[] = this.batches,
  ): Promise<Map<string, Record<M, Ends>>> {
    const observers = new Map(options.layers.map((name) =>
      [
        name,
        methods.map((method) => {
          const observer = rangeObserver(method, activationSpec(options));
          return Object.assign(observer, { fullName: `input of ${name}` });
        }),
      ] as const
    ));
    try {
      using _ = watch(float, options.layers, (name, [x]) => {
        for (const observer of observers.get(name)!) observer.forward(x);
      });
      for (const batch of batches) {
        this.check();
        tidy(() => void float.forward(...batch));
      }
      const found = new Map<string, Record<M, Ends>>();
      for (const [name, own] of observers) {
        if (own.some(({ isEmpty }) => isEmpty)) continue;
        const ranges: [M, Ends][] = [];
        for (const [i, observer] of own.entries()) {
          const [min, max] = await observer.minMax();
          ranges.push([methods[i], { min: await min.item(), max: await max.item() }]);
          [min, max].forEach((t) => t.dispose());
        }
        found.set(name, Object.fromEntries(ranges) as Record<M, Ends>);
      }
      return found;
    } finally {
      for (const own of observers.values()) own.forEach((observer) => freeModule(observer));
    }
  }

  /** The ranges of what layers read, as the options choose them. */
  async calibrate(float: Module, options: ImprovedOptions): Promise<Map<string, Ends>> {
    const { calibrationMethod: method } = options;
    const found = await this.ranges(float, options, [method]);
    return new Map([...found].map(([name, ranges]) => [name, ranges[method]]));
  }

  /** What is known of the channels of layers' inputs. */
  async inputs(float: Module, names: readonly string[]): Promise<Map<string, InputStatistics>> {
    const modules = new Map(float.namedModules());
    const found = new Map<string, InputStatistics>();
    await this.visit(float, names, this.learnt, async (name, input) => {
      const channels = readChannels(modules.get(name) as WeightedLayer);
      const { maxima, sums, ...ends } = found.get(name) ?? {
        ...{ maxima: new ChannelMaxima(channels), sums: new ChannelSums(channels) },
        ...{ min: 0, max: 0 },
      };
      const data = await numbersOf(input);
      for (const each of [maxima, sums]) each.observe(data, input.shape);
      for (const x of data) {
        if (x < ends.min) ends.min = x;
        if (x > ends.max) ends.max = x;
      }
      found.set(name, { maxima, sums, ...ends });
    });
    return found;
  }

  /** What the channels of layers' inputs reach from and to, over all batches. */
  async channelEnds(float: Module, names: readonly string[]): Promise<Map<string, ChannelEnds>> {
    const modules = new Map(float.namedModules());
    const found = new Map<string, ChannelEnds>();
    await this.visit(float, names, this.all, async (name, input) => {
      const own = found.get(name) ??
        new ChannelEnds(readChannels(modules.get(name) as WeightedLayer));
      found.set(name, own);
      own.observe(await numbersOf(input), input.shape);
    });
    return found;
  }

  /** Sums of the channels that batch normalizations read, in the order in which they are run. */
  async channelSums(model: Module, names: readonly string[]): Promise<Map<string, ChannelSums>> {
    const found = new Map<string, ChannelSums>();
    await this.visit(model, names, this.learnt, async (name, input) => {
      const sums = found.get(name) ?? new ChannelSums({ axis: 1, count: input.shape[1] });
      found.set(name, sums);
      sums.observe(await numbersOf(input), input.shape);
    });
    return found;
  }

  /** `XᵀX` of the rows that layers multiply with their weights; none of rows that are too long. */
  async covariances(float: Module, names: readonly string[]): Promise<Map<string, Covariance>> {
    const modules = new Map(float.namedModules());
    const found = new Map<string, Covariance>();
    const wanted = names.filter((name) => this.hasRows(modules.get(name) as WeightedLayer));
    await this.visit(float, wanted, this.learnt, async (name, input) => {
      const layer = modules.get(name) as WeightedLayer;
      const own = found.get(name) ?? new Covariance(readRows(layer)!);
      found.set(name, own);
      own.observe(await numbersOf(input), readDims(layer, input.shape));
    });
    return found;
  }

  /** Whether what a layer reads is looked at row by row. */
  hasRows(layer: WeightedLayer): boolean {
    const rows = readRows(layer);
    return rows !== undefined && rowLength(rows) <= LONGEST_ROW;
  }

  /** Those of some layers that are run, in the order in which they are. */
  async inOrder(model: Module, names: readonly string[]): Promise<string[]> {
    const found = new Set<string>();
    const [batch] = this.batches;
    await this.visit(model, names, [batch], (name) => Promise.resolve(void found.add(name)));
    return [...found];
  }

  /** Some rows of what layers read, a piece a call, the same places in each model; `float` says how rows are taken. */
  async rows(
    model: Module,
    float: Module,
    names: readonly string[],
  ): Promise<Map<string, SampledRows[]>> {
    const modules = new Map(float.namedModules());
    const found = new Map(names.map((name) => [name, [] as SampledRows[]]));
    await this.visit(model, names, this.learnt, async (name, input) => {
      const layer = modules.get(name) as WeightedLayer;
      const own = found.get(name)!;
      const turn = [own.length, this.learnt.length] as const;
      const dims = readDims(layer, input.shape);
      own.push(sampledRows(readRows(layer)!, await numbersOf(input), dims, turn));
    });
    return found;
  }

  /** What a model gives, output by output, for each of the few batches. */
  private async outputs(model: Module): Promise<ArrayLike<number>[][]> {
    const all: ArrayLike<number>[][] = [];
    for (const batch of this.few) {
      this.check();
      all.push((await outputsOf(model, batch)).map(({ data }) => data));
    }
    return all;
  }

  /** SQNR of a model's output on the few batches, in dB. */
  async sqnr(model: Module): Promise<number> {
    const reference = await (this.reference ??= this.outputs(this.model));
    const outputs = await this.outputs(model);
    const noises = reference[0].map(() => new Noise());
    reference.forEach((floats, i) =>
      floats.forEach((float, k) => noises[k].add(float, outputs[i][k]))
    );
    return Math.min(...noises.map(({ sqnr }) => sqnr));
  }
}
