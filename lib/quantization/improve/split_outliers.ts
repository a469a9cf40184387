/**
 * Channels whose outliers ruin a layer's input are multiplied with floats, beside the others.
 *
 * @module
 */
import type { Linear } from "../../nn/linear.ts";
import { type Module, nameModules } from "../../nn/module.ts";
import { findMatches, isLinear } from "../../nn/replace.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { freeModule } from "../analysis/layers.ts";
import { SplitLinear } from "../layers/split_linear.ts";
import { LEAST_SPLIT, outliersToSplit } from "./channel_splits.ts";
import { areChannels } from "./found_values.ts";
import { freeQuantized, type ImprovedModule, quantizedModule } from "./improved_module.ts";
import type { ModuleRemedy, ModuleTools, RemediedModule } from "./module_tools.ts";
import { Rewriting } from "./rewriting.ts";

/** A layer, and the channels of its input that are split off. */
interface Split {
  /** The layer's full name. */
  readonly layer: string;
  readonly channels: readonly number[];
}

/** A layer whose channels can be split off. */
type Place = Linear & { weight: Tensor };

/** The layers that are quantized and are no part of one that is split, by name. */
function placesIn({ float, options, ranges, floats }: ImprovedModule): Map<string, Place> {
  const split = new Set(
    float.namedModules().flatMap(([, m]) => m instanceof SplitLinear ? [m.others, m.outliers] : []),
  );
  const modules = new Map(float.namedModules());
  return new Map(options.layers.flatMap((name) => {
    const layer = modules.get(name)!;
    const fits = ranges.has(name) && !floats.has(name) && isLinear(layer, name) &&
      !split.has(layer) && (layer as Linear).weight instanceof Tensor;
    return fits ? [[name, layer as Place] as const] : [];
  }));
}

/** What is worth splitting off, the most promising first. */
async function search(
  state: ImprovedModule,
  tools: ModuleTools,
): Promise<(Split & { readonly gain: number })[]> {
  const seen = await tools.inputs(state.float, [...placesIn(state).keys()]);
  return [...seen].flatMap(([layer, { maxima }]) => {
    const { channels, gain } = outliersToSplit(maxima.maxima);
    return gain >= LEAST_SPLIT ? [{ layer, channels, gain }] : [];
  }).sort((a, b) => b.gain - a.gain);
}

/** The state with channels split off; nothing if the model would compute something else. */
async function applied(
  state: ImprovedModule,
  tools: ModuleTools,
  splits: readonly Split[],
): Promise<ImprovedModule | undefined> {
  using rewriting = await Rewriting.of(state.float, tools.few[0]);
  const places = new Map<Module, Split>();
  for (const split of splits) places.set(rewriting.modules.get(split.layer)!, split);
  const found = findMatches(rewriting.float, (module) => places.has(module), "tune");
  const made = new Map<Module, SplitLinear>();
  for (const [module, { channels }] of places) {
    tools.check();
    made.set(module, await SplitLinear.of(module as Place, channels));
  }
  const edits = found.map(({ module, parent, field }) => (
    { module: parent, field, value: made.get(module)! }
  ));
  await rewriting.put(edits);
  nameModules(rewriting.float);
  const names = new Set(splits.map(({ layer }) => layer));
  const layers = state.options.layers.map((name) => names.has(name) ? `${name}.others` : name);
  return await rewriting.applied({ ...state, options: { ...state.options, layers } }, tools);
}

/** What a recipe has of such a step. */
function checked(found: unknown, state: ImprovedModule): readonly Split[] {
  const fits = Array.isArray(found) && found.length > 0 &&
    found.every((each) => typeof each?.layer === "string" && areChannels(each.channels));
  if (!fits) throw new Error("tune: the recipe has something else than layers and channels");
  const places = placesIn(state);
  for (const { layer, channels } of found as readonly Split[]) {
    const count = places.get(layer)?.inFeatures ?? 0;
    if (channels.every((c) => c < count)) continue;
    throw new Error(`tune: the recipe splits channels off that ${layer} does not read`);
  }
  return found;
}

/** Splits off what pays most, and less of it until the limits allow it. */
async function split(
  state: ImprovedModule,
  tools: ModuleTools,
  found: unknown,
): Promise<RemediedModule | undefined> {
  let splits: readonly (Split & { readonly gain?: number })[] = found === undefined
    ? await search(state, tools)
    : checked(found, state);
  while (splits.length > 0) {
    const after = await applied(state, tools, splits);
    if (!after) return undefined;
    if (found === undefined && splits.length > 1 && !await allows(after, tools)) {
      freeModule(after.float);
      splits = splits.slice(0, splits.length >> 1);
      continue;
    }
    const own = splits.map(({ layer, channels }): Split => ({ layer, channels }));
    const count = own.reduce((sum, { channels }) => sum + channels.length, 0);
    return {
      state: after,
      found: own,
      summary: `${count} ${count === 1 ? "channel" : "channels"} that ${own.length} ${
        own.length === 1 ? "layer reads" : "layers read"
      }${above(splits[0].gain)} are multiplied with floats, beside the others`,
    };
  }
}

/** How much greater channels are, for people. */
function above(gain: number | undefined): string {
  return gain === undefined ? "" : `, up to ${gain.toFixed(1)} dB above the others,`;
}

/** Whether a state's quantized model is within the limits. */
async function allows(state: ImprovedModule, tools: ModuleTools): Promise<boolean> {
  const model = await quantizedModule(state);
  try {
    return await tools.allows(model);
  } finally {
    freeQuantized(model);
  }
}

/**
 * Outlier channels apart, as in LLM.int8() (Dettmers et al. 2022, arXiv:2208.07339), but chosen once: the few channels
 * of a `Linear`'s input that are far greater than all others are multiplied with floats beside it, so that the range of
 * bytes is left to the others.
 */
export const splitOutliers: ModuleRemedy = {
  name: "split",
  purpose: "multiplies outlier channels with floats, beside the others",
  rewrites: true,
  apply: split,
};
