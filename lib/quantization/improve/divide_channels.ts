/**
 * Dividing the channels of what layers read, where modules before them take that over.
 *
 * @module
 */
import { AdaptiveAvgPool1d } from "../../nn/adaptive_avg_pool1d.ts";
import { AdaptiveAvgPool2d } from "../../nn/adaptive_avg_pool2d.ts";
import { AdaptiveMaxPool2d } from "../../nn/adaptive_max_pool2d.ts";
import { AvgPool1d } from "../../nn/avg_pool1d.ts";
import { AvgPool2d } from "../../nn/avg_pool2d.ts";
import { Dropout } from "../../nn/dropout.ts";
import { Flatten } from "../../nn/flatten.ts";
import { Identity } from "../../nn/identity.ts";
import { LeakyReLU } from "../../nn/leaky_relu.ts";
import { MaxPool1d } from "../../nn/max_pool1d.ts";
import { MaxPool2d } from "../../nn/max_pool2d.ts";
import { deepcopy, type Module, nameModules, setField } from "../../nn/module.ts";
import { PReLU } from "../../nn/prelu.ts";
import { ReLU } from "../../nn/relu.ts";
import { type Tensor, tidy } from "../../tensor/tensor.ts";
import type { Batch } from "../analysis/inputs.ts";
import { DataFlow } from "../analysis/graph.ts";
import { freeModule, tensorsOf } from "../analysis/layers.ts";
import { Noise } from "../analysis/noise.ts";
import { familyOf } from "../layers/layer_family.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { groupLayers } from "./absorbers.ts";
import { type ImprovedModule, weightRows } from "./improved_module.ts";
import { layerRanges } from "./layer_ranges.ts";
import { type InputStatistics, type ModuleRemedy, outputsOf } from "./module_tools.ts";
import type { ModuleTools, RemediedModule } from "./module_tools.ts";
import {
  type SmoothedWeight,
  type SmoothingExponents,
  type SmoothingScales,
  smoothingScales,
} from "./smoothing_scales.ts";
import { Edits, roundingFloor } from "./tensor_edits.ts";
import { columnChannels, type Norm, outputChannels, weightChannels } from "./weight_channels.ts";

/** What takes the division over: layers, or normalizations. */
type Absorber = "layers" | "norms";

/** Whose output is divided, and how much of the outliers moves. */
interface Divided extends SmoothingExponents {
  /** The full name of the module that takes it over. */
  readonly module: string;
}

/** A module that can divide its output, and all layers that read it, by full names. */
interface Group {
  readonly absorber: string;
  readonly layers: readonly string[];
}

/** Less is not worth a change, in dB. */
const LEAST_GAIN = 0.2;

/** Modules that give as many times more as they get, channel by channel. */
const PASSING: readonly unknown[] = [
  ...[ReLU, LeakyReLU, PReLU, Dropout, Flatten, Identity, MaxPool1d, MaxPool2d],
  ...[AdaptiveMaxPool2d, AvgPool1d, AvgPool2d, AdaptiveAvgPool1d, AdaptiveAvgPool2d],
];

/** The groups of a model, in the order in which their modules are run. */
function groupsIn({ float }: ImprovedModule, names: readonly string[], batch: Batch): Group[] {
  const copy = deepcopy(float);
  try {
    nameModules(copy);
    const modules = new Map(copy.namedModules());
    using flow = new DataFlow(copy, ({ constructor }) => PASSING.includes(constructor));
    using output = tidy(() => copy.forward(...batch));
    const targets = names.map((name) => modules.get(name) as FloatLayer);
    const { groups } = groupLayers(targets, flow, output);
    return [...groups].map(([absorber, layers]) => ({
      absorber: absorber.fullName,
      layers: layers.map(({ fullName }) => fullName),
    }));
  } finally {
    freeModule(copy);
  }
}

/** A layer's weight in rows, and which channel of the input each element is multiplied with. */
async function smoothedWeight(layer: FloatLayer): Promise<SmoothedWeight> {
  const { data, rows, columns } = await weightRows(layer);
  const channelOf = columnChannels(layer, rows, columns);
  return { rows: data, columns, channelOf, perRow: true };
}

/** Factors for the channels that some layers read; nothing if there is no signal. */
async function scalesFor(
  layers: readonly FloatLayer[],
  seen: readonly InputStatistics[],
  given?: SmoothingExponents,
): Promise<SmoothingScales | undefined> {
  const all = seen.map(({ maxima }) => maxima.maxima);
  const squares = seen.map(({ sums }) => sums.meanSquares());
  const maxima = Float64Array.from(all[0], (_, c) => Math.max(...all.map((own) => own[c])));
  const meanSquares = Float64Array.from(maxima, (_, c) => Math.max(...squares.map((x) => x[c])));
  const greatest = maxima.reduce((a, b) => Math.max(a, b), 0);
  if (greatest === 0 || !meanSquares.every(Number.isFinite)) return undefined;
  const span = Math.max(...seen.map(({ min, max }) => max - min));
  const width = Math.min(Math.max(span / greatest, 1), 2);
  const weights = await Promise.all(layers.map(smoothedWeight));
  return smoothingScales({ maxima, meanSquares, width }, weights, given);
}

/** Divides what a module makes, and multiplies the weights that read it. */
async function divide(
  absorber: FloatLayer | Norm,
  layers: readonly FloatLayer[],
  scales: Float64Array,
): Promise<Edits> {
  const edits = new Edits();
  const written = outputChannels(absorber);
  const weight = await edits.values(absorber, "weight");
  for (let i = 0; i < weight.length; i++) weight[i] /= scales[written(i)];
  if (absorber.bias) {
    const bias = await edits.values(absorber, "bias");
    for (let c = 0; c < bias.length; c++) bias[c] /= scales[c];
  }
  for (const layer of layers) {
    const values = await edits.values(layer, "weight");
    const channelOf = weightChannels(layer);
    for (let i = 0; i < values.length; i++) values[i] *= scales[channelOf(i)];
  }
  return edits;
}

/** A copy of a float model that is rewritten, and checked against what it computed. */
class Rewriting {
  readonly float: Module;
  readonly modules: ReadonlyMap<string, Module>;
  private readonly before: Set<Tensor>;

  private constructor(
    model: Module,
    private readonly batch: Batch,
    private readonly reference: Awaited<ReturnType<typeof outputsOf>>,
    private readonly floor: number,
  ) {
    this.float = deepcopy(model);
    nameModules(this.float);
    this.modules = new Map(this.float.namedModules());
    this.before = tensorsOf(this.float);
  }

  static async of(model: Module, batch: Batch): Promise<Rewriting> {
    const [{ dtype }] = [...tensorsOf(model)].filter((t) => t.dtype.isFloat);
    return new Rewriting(model, batch, await outputsOf(model, batch), roundingFloor(dtype));
  }

  /** Puts new tensors in; takes them out again if the model would compute something else. */
  async put(edits: Edits): Promise<boolean> {
    const fields = [...edits.tensors()];
    const old = fields.map(({ module, field }) =>
      (module as unknown as Record<string, Tensor>)[field]
    );
    fields.forEach(({ module, field, value }) => setField(module, field, value));
    const outputs = await outputsOf(this.float, this.batch);
    const same = outputs.every(({ data }, k) => {
      const noise = new Noise();
      noise.add(this.reference[k].data, data);
      return noise.sqnr >= this.floor;
    });
    if (!same) {
      fields.forEach(({ module, field, value }, i) => {
        setField(module, field, old[i]);
        value.dispose();
      });
    }
    return same;
  }

  /** Frees what was replaced. */
  done(): Module {
    const used = tensorsOf(this.float);
    this.before.forEach((t) => used.has(t) || t.dispose());
    return this.float;
  }
}

/** What a recipe has of such a step. */
function checked(found: unknown): ReadonlyMap<string, Divided> | undefined {
  if (found === undefined) return undefined;
  const fits = Array.isArray(found) &&
    found.every((each) =>
      typeof each?.module === "string" && each.alpha >= 0 && each.alpha <= 1 && each.floor > 0
    );
  if (!fits) throw new Error("tune: the recipe has something else than modules and exponents");
  return new Map(found.map((each: Divided) => [each.module, each]));
}

/** Divides the channels of what layers read, where these take it over. */
async function divided(
  by: Absorber,
  state: ImprovedModule,
  tools: ModuleTools,
  found: unknown,
): Promise<RemediedModule | undefined> {
  const given = checked(found);
  const names = state.options.layers.filter((name) => state.ranges.has(name));
  const [batch] = tools.few;
  const groups = groupsIn(state, names, batch);
  const known = new Map(groups.map((group) => [group.absorber, group]));
  const odd = [...given?.keys() ?? []].find((name) => !known.has(name));
  if (odd !== undefined) {
    throw new Error(`tune: the recipe divides the output of ${odd}, which the model cannot do`);
  }
  const seen = await tools.inputs(state.float, groups.flatMap(({ layers }) => layers));
  const rewriting = await Rewriting.of(state.float, batch);
  const done: Divided[] = [];
  let most = 0;
  for (const { absorber, layers } of groups) {
    tools.check();
    const module = rewriting.modules.get(absorber) as FloatLayer | Norm;
    if ((familyOf(module) ? "layers" : "norms") !== by || given && !given.has(absorber)) continue;
    const readers = layers.map((name) => rewriting.modules.get(name) as FloatLayer);
    const own = layers.map((name) => seen.get(name)!);
    const factors = await scalesFor(readers, own, given?.get(absorber));
    if (!factors || !given && factors.gain < LEAST_GAIN) continue;
    if (!await rewriting.put(await divide(module, readers, factors.scales))) continue;
    done.push({ module: absorber, alpha: factors.alpha, floor: factors.floor });
    most = Math.max(most, factors.gain);
  }
  const float = rewriting.done();
  if (done.length === 0) {
    freeModule(float);
    return undefined;
  }
  const none = new Map();
  const ranges = await tools.calibrate(float, state.options);
  const after = { ...state, float, ranges, weights: none, biases: none, norms: none };
  // Channels that all fill a range leave it more often, so the least and the greatest that were seen are too little.
  const own = await layerRanges(after, tools);
  return {
    state: { ...after, ranges: new Map([...ranges, ...own]) },
    found: done,
    summary:
      `the channels behind ${done.length} ${
        done.length === 1 ? "module" : "modules"
      } were divided, which ` + `promises up to ${most.toFixed(1)} dB for what reads them`,
  };
}

/**
 * Cross-layer equalization (Nagel et al. 2019, arXiv:1906.04721): the layer before takes the division over, through ReLU
 * and other modules that give as many times more as they get.
 */
export const equalizeLayers: ModuleRemedy = {
  name: "equalize",
  purpose: "evens out the ranges of channels between layers",
  rewrites: true,
  apply: (state, tools, found) => divided("layers", state, tools, found),
};

/**
 * SmoothQuant (Xiao et al. 2022, arXiv:2211.10438): the normalization before takes the division over; its exponent is
 * searched for each.
 */
export const smoothLayers: ModuleRemedy = {
  name: "smooth",
  purpose: "moves outliers of activations into weights",
  rewrites: true,
  apply: (state, tools, found) => divided("norms", state, tools, found),
};
