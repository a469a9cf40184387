/**
 * The cheapest way to quantize a model that keeps its accuracy.
 *
 * @module
 */
import { plotBars } from "../../plot/bars.ts";
import type { Figure } from "../../plot/figure.ts";
import { deepcopy, type Module, nameModules } from "../../nn/module.ts";
import { checkOptions } from "../../numbers/arguments.ts";
import { uint8 } from "../../numbers/dtype.ts";
import { AOBaseConfig, checkConfig } from "../configs/quantize.ts";
import { functionKindOf } from "../layers/function_kind.ts";
import type { Match } from "../../nn/replace.ts";
import { StaticQuantConfig } from "../configs/static_quant.ts";
import { type AnalysisObservers, describeConfig, plansFor, quantizeEach } from "./candidates.ts";
import {
  ANALYSIS_OPTIONS,
  type AnalysisOptions,
  Batches,
  type ModelInputs,
  Runs,
} from "./inputs.ts";
import {
  bytesOf,
  freeModule,
  type LayerSelection,
  place,
  selectLayers,
  tensorsOf,
} from "./layers.ts";
import { decibels } from "../../plot/format.ts";
import { AnalysisReport } from "../../plot/report.ts";
import { Table } from "../../plot/table.ts";
import { outputsOf, outputSqnr } from "./sensitivity.ts";

/** One way to quantize a layer. */
export interface ConfigCandidate {
  /** How to quantize. */
  readonly config: AOBaseConfig;
  /** How tables call it; by default the config's class and settings. */
  readonly name?: string;
  /**
   * The observers to put in before a config that takes observed layers. For the static configs of
   * this toolkit they are by default min-max observers, PerTensor for inputs and PerAxis(0) for
   * weights; symmetric where the config asks for that, else asymmetric.
   */
  readonly observers?: AnalysisObservers;
}

/** Options of {@linkcode searchConfig}. */
export interface SearchConfigOptions extends AnalysisOptions {
  /** The SQNR that the model's output must keep, in dB. */
  target: number;
  /** What to choose from for each layer, beside float; by default static uint8. */
  candidates?: readonly (AOBaseConfig | ConfigCandidate)[];
  /** The layers to quantize, by full name or by a filter; every one that can be observed by default. */
  layers?: LayerSelection;
}

/** What {@linkcode searchConfig} chose for a layer. */
export interface LayerChoice {
  /** The layer's full name. */
  readonly layer: string;
  /** The chosen config; null leaves the layer in float. */
  readonly config: AOBaseConfig | null;
  /** The config in words. */
  readonly choice: string;
  /** SQNR of the model's output with this layer alone quantized so, in dB. */
  readonly sqnr: number;
  /** Bytes that the layer takes so. */
  readonly bytes: number;
  /** Bytes that it takes in float. */
  readonly floatBytes: number;
}

/** An assignment of configs to layers, and what it reaches. */
export class ConfigSearchResult extends AnalysisReport {
  /** The class's name, whatever a minifier makes of it. */
  static override readonly name: string = "ConfigSearchResult";

  /** The numbers of the whole model. */
  readonly target: number;
  /** SQNR of the output with this assignment, in dB. */
  readonly sqnr: number;
  /** Bytes that the model takes with this assignment. */
  readonly bytes: number;
  /** Bytes that the float model takes. */
  readonly floatBytes: number;
  /** What was chosen, in the model's order. */
  readonly layers: readonly LayerChoice[];
  /** Candidates that could not be used on a layer, with the reasons. */
  readonly refused: readonly { readonly layer: string; readonly reason: string }[];
  private readonly chosen: ReadonlyMap<string, ConfigCandidate>;

  /**
   * The result of `searchConfig`.
   *
   * @param parts the fields, and the candidate chosen for each quantized layer.
   */
  constructor(
    parts:
      & Pick<ConfigSearchResult, "target" | "sqnr" | "bytes" | "floatBytes" | "layers" | "refused">
      & { readonly chosen: ReadonlyMap<string, ConfigCandidate> },
  ) {
    super();
    this.target = parts.target;
    this.sqnr = parts.sqnr;
    this.bytes = parts.bytes;
    this.floatBytes = parts.floatBytes;
    this.layers = parts.layers;
    this.refused = parts.refused;
    this.chosen = parts.chosen;
  }

  /** The config of each layer by full name, as `FqnToConfig` takes it; null leaves it in float. */
  get assignment(): Record<string, AOBaseConfig | null> {
    return Object.fromEntries(this.layers.map(({ layer, config }) => [layer, config]));
  }

  /**
   * Quantizes a model in place as this result says, with observers put in and calibrated where a
   * config needs that.
   *
   * @param model the float model that was searched, or one of the same architecture.
   * @param inputs batches to calibrate on.
   * @param options progress and a signal to stop.
   * @returns the full names of the quantized layers.
   * @throws {Error} if the model lacks one of the layers, or a config fails. The model is then as it
   * was.
   */
  async apply_(
    model: Module,
    inputs: ModelInputs,
    options: AnalysisOptions = {},
  ): Promise<string[]> {
    const where = "ConfigSearchResult.apply_";
    const names = [...this.chosen.keys()];
    if (names.length === 0) return [];
    checkOptions(where, options, ANALYSIS_OPTIONS);
    const runs = new Runs(options);
    const places = selectLayers(where, model, names);
    const copy = deepcopy(model);
    const quantized = new Map<string, Module>();
    let done = false;
    try {
      nameModules(copy);
      const matches = selectLayers(where, copy, names);
      using batches = await Batches.from(where, inputs, runs);
      for (const candidate of new Set(this.chosen.values())) {
        const meant = matches.filter(({ fullName }) => this.chosen.get(fullName) === candidate);
        const plans = plansFor(meant, candidate.config, candidate.observers);
        const modules = await quantizeEach(copy, plans, batches, runs);
        for (const [name, module] of modules) quantized.set(name, module);
      }
      runs.check();
      for (const match of places) place(match, quantized.get(match.fullName)!);
      nameModules(model);
      done = true;
      return names;
    } finally {
      if (!done) { for (const module of quantized.values()) freeModule(module); }
      freeModule(copy);
    }
  }

  /** A row for each layer. */
  override table(): Table {
    const rows = this.layers.map(({ layer, choice, sqnr, bytes, floatBytes }) => ({
      layer,
      config: choice,
      "SQNR alone": decibels(sqnr),
      bytes,
      "float bytes": floatBytes,
    }));
    const { sqnr, target, bytes, floatBytes } = this;
    const format = (n: number) => n.toLocaleString("en-US");
    const note = [
      `The output keeps ${decibels(sqnr)} of the ${decibels(target)} asked for; the model takes ` +
      `${format(bytes)} bytes, in float ${format(floatBytes)}`,
      ...this.refused.map(({ layer, reason }) => `Not for ${layer}: ${reason}`),
    ];
    return new Table(rows, { title: "The cheapest assignment found", note: note.join("\n") });
  }

  /** A bar for each layer's bytes. */
  override figure(): Promise<Figure | null> {
    const bars = this.layers.map(({ layer, choice, bytes }) => [`${layer}: ${choice}`, bytes]);
    return plotBars(Object.fromEntries(bars), { title: "Bytes of each layer", label: "bytes" });
  }
}

/** A candidate tried on a layer. */
interface Option {
  readonly candidate: ConfigCandidate | null;
  readonly module: Module;
  readonly sqnr: number;
  readonly bytes: number;
}

/**
 * Finds for each layer the config that makes the model small while its output keeps a target SQNR,
 * leaving layers in float where needed. The model is not touched.
 *
 * The search is greedy: each layer is quantized alone with each candidate; then all layers start
 * with their smallest option, and as long as the target is missed, the layer whose option alone
 * leaves the lowest SQNR goes to its next better one, up to float. In the end each layer that went
 * up tries to go back by one. The result meets the target on these inputs, since a float model
 * always does, but is not always the smallest possible.
 *
 * @param model the float model.
 * @param inputs batches as `model.forward` takes them; the model is run over them once for each
 * layer and candidate, and once for each step of the search.
 * @param options the target, candidates, which layers, progress and a signal to stop.
 * @returns the assignment, the SQNR that it reaches and the bytes that it takes.
 * @throws {RangeError} if the target is not a number, there are no inputs, or no candidate can be
 * used on any layer.
 * @throws {TypeError} if a candidate is a `FqnToConfig`.
 * @throws {Error} if a layer named is not in the model, or a config fails.
 *
 * @example
 * ```ts
 * import { Linear, randn, ReLU, searchConfig, Sequential, StaticQuantConfig, uint8 } from "@staticquant/staticquant";
 * const m = new Sequential({ fc1: new Linear(64, 32), relu: new ReLU(), fc2: new Linear(32, 10) });
 * const inputs = [randn([16, 64])];
 * const candidates = [new StaticQuantConfig({ targetDtype: uint8 })];
 * const result = await searchConfig(m, inputs, { target: 30, candidates });
 * console.log(String(result), result.assignment, result.bytes);
 * await result.apply_(m, inputs);
 * ```
 */
export async function searchConfig(
  model: Module,
  inputs: ModelInputs,
  options: SearchConfigOptions,
): Promise<ConfigSearchResult> {
  const where = "searchConfig";
  checkOptions(where, options, ["target", "candidates", "layers", ...ANALYSIS_OPTIONS]);
  const { target } = options ?? {};
  if (!Number.isFinite(target)) {
    throw new RangeError(
      `${where}: the target is ${target}; give the SQNR to keep in dB, such as { target: 30 }`,
    );
  }
  const candidates = candidatesOf(where, options);
  const runs = new Runs(options);
  const work = deepcopy(model);
  const made: Module[] = [];
  const floatTensors = tensorsOf(work);
  try {
    nameModules(work);
    const outputs = candidates.some(({ observers }) => observers?.activationPostProcess);
    const matches = selectLayers(where, work, options.layers, outputs);
    const floatBytes = bytesOf(work);
    using batches = await Batches.from(where, inputs, runs);
    const reference = await outputsOf(work, batches, runs);
    const measure = (step: string) => outputSqnr(work, batches, reference, runs, step);
    const refused: { layer: string; reason: string }[] = [];
    const tried = new Map<Match, Option[]>(matches.map((match) => [match, []]));
    for (const candidate of candidates) {
      const onRefused = (layer: string, reason: string) =>
        refused.push({ layer, reason: `${nameOf(candidate)}: ${reason}` });
      const plans = plansFor(matches, candidate.config, candidate.observers);
      const modules = await quantizeEach(work, plans, batches, runs, onRefused);
      made.push(...modules.values());
      for (const { match, config } of plans) {
        const module = config && modules.get(match.fullName);
        if (!module) continue;
        place(match, module);
        const sqnr = await measure(`${match.fullName}: ${nameOf(candidate)}`);
        place(match, match.module);
        tried.get(match)!.push({ candidate, module, sqnr, bytes: bytesOf(module) });
      }
    }
    if (made.length === 0) {
      const [{ layer, reason }] = refused;
      throw new RangeError(`${where}: no candidate can be used on any layer: ${layer}: ${reason}`);
    }
    const ladders = matches.map((match) => new Ladder(match, tried.get(match)!));
    const sqnr = await climb(ladders, target, () => measure("search"));
    const chosen = new Map<string, ConfigCandidate>();
    for (const { match, option: { candidate } } of ladders) {
      if (candidate) chosen.set(match.fullName, candidate);
    }
    const layers = ladders.map(choiceOf);
    const bytes = bytesOf(work);
    return new ConfigSearchResult({ target, sqnr, bytes, floatBytes, layers, refused, chosen });
  } finally {
    for (const module of made) freeModule(module);
    floatTensors.forEach((t) => t.dispose());
  }
}

/** What there is to choose from. */
function candidatesOf(where: string, options: SearchConfigOptions): ConfigCandidate[] {
  const candidates = (options.candidates ?? [new StaticQuantConfig(uint8)])
    .map((candidate) => candidate instanceof AOBaseConfig ? { config: candidate } : candidate);
  for (const candidate of candidates) {
    checkConfig(where, candidate?.config);
    if (!candidate.config.configsFor) continue;
    throw new TypeError(
      `${where}: ${
        nameOf(candidate)
      } stands for several configs; give each as a candidate of its own`,
    );
  }
  if (candidates.length === 0) throw new RangeError(`${where}: there are no candidates`);
  return candidates;
}

/**
 * Puts the smallest options in place, and dearer ones until the target is met; then goes back where that
 * can be afforded. Gives the SQNR that is reached.
 */
async function climb(
  ladders: readonly Ladder[],
  target: number,
  measure: () => Promise<number>,
): Promise<number> {
  ladders.forEach((ladder) => ladder.go(0));
  let sqnr = await measure();
  const raised = new Set<Ladder>();
  while (!(sqnr >= target)) {
    const next = ladders.filter((ladder) => !ladder.atTop)
      .reduce<Ladder | undefined>(
        (worst, ladder) => worst && worst.option.sqnr <= ladder.option.sqnr ? worst : ladder,
        undefined,
      );
    if (!next) break; // all in float
    next.go(next.at + 1);
    raised.add(next);
    sqnr = await measure();
  }
  for (const ladder of [...raised].reverse()) {
    ladder.go(ladder.at - 1);
    const lower = await measure();
    if (lower >= target) sqnr = lower;
    else ladder.go(ladder.at + 1);
  }
  return sqnr;
}

function choiceOf({ match, option: { candidate, sqnr, bytes } }: Ladder): LayerChoice {
  return {
    layer: match.fullName,
    config: candidate && candidate.config,
    choice: candidate ? nameOf(candidate) : "float",
    sqnr,
    bytes,
    floatBytes: bytesOf(match.module),
  };
}

function nameOf({ name, config }: ConfigCandidate): string {
  return name ?? describeConfig(config);
}

/** A layer's options, each dearer and better than the one before; the last is float. */
class Ladder {
  private readonly options: readonly Option[];
  at = 0;

  constructor(readonly match: Match, tried: readonly Option[]) {
    const float: Option = {
      candidate: null,
      module: match.module,
      sqnr: Infinity,
      bytes: bytesOf(match.module),
    };
    const options: Option[] = [];
    // Without a weight it is not bytes of its own that it saves, but those that go from layer to layer.
    const weightless = functionKindOf(match.module) !== undefined;
    for (const option of tried.toSorted((a, b) => a.bytes - b.bytes || b.sqnr - a.sqnr)) {
      const best = options.at(-1)?.sqnr ?? -Infinity;
      if (option.sqnr > best && (weightless || option.bytes < float.bytes)) options.push(option);
    }
    this.options = [...options, float];
  }

  get option(): Option {
    return this.options[this.at];
  }

  get atTop(): boolean {
    return this.at === this.options.length - 1;
  }

  /** Puts an option in the layer's place. */
  go(at: number): void {
    this.at = at;
    place(this.match, this.option.module);
  }
}
