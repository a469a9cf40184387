/**
 * Dividing the channels of what layers read, where modules before them take that over.
 *
 * @module
 */
import { familyOf } from "../layers/layer_family.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { type ImprovedModule, weightRows } from "./improved_module.ts";
import type { InputStatistics, ModuleRemedy, ModuleTools, RemediedModule } from "./module_tools.ts";
import { isShare } from "./found_values.ts";
import { passesFactors } from "./passing_modules.ts";
import { groupsIn, Rewriting } from "./rewriting.ts";
import {
  type SmoothedWeight,
  type SmoothingExponents,
  type SmoothingScales,
  smoothingScales,
} from "./smoothing_scales.ts";
import { Edits } from "./tensor_edits.ts";
import { columnChannels, type Norm, outputChannels, weightChannels } from "./weight_channels.ts";

/** What takes the division over: layers, or normalizations. */
type Absorber = "layers" | "norms";

/** Whose output is divided, and how much of the outliers moves. */
interface Divided extends SmoothingExponents {
  /** The full name of the module that takes it over. */
  readonly module: string;
}

/** Less is not worth a change, in dB. */
const LEAST_GAIN = 0.2;

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

/** What a recipe has of such a step. */
function checked(found: unknown): ReadonlyMap<string, Divided> | undefined {
  if (found === undefined) return undefined;
  const fits = Array.isArray(found) &&
    found.every((each) =>
      typeof each?.module === "string" && isShare(each.alpha) && isShare(each.floor)
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
  const [batch] = tools.few;
  const groups = groupsIn(state, batch, passesFactors);
  const known = new Map(groups.map((group) => [group.absorber, group]));
  const odd = [...given?.keys() ?? []].find((name) => !known.has(name));
  if (odd !== undefined) {
    throw new Error(`tune: the recipe divides the output of ${odd}, which the model cannot do`);
  }
  const seen = await tools.inputs(state.float, groups.flatMap(({ layers }) => layers));
  using rewriting = await Rewriting.of(state.float, batch);
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
    const edits = await divide(module, readers, factors.scales);
    if (!await rewriting.put([...edits.tensors()])) continue;
    done.push({ module: absorber, alpha: factors.alpha, floor: factors.floor });
    most = Math.max(most, factors.gain);
  }
  const after = await rewriting.applied(state, tools);
  if (!after) return undefined;
  return {
    state: after,
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
