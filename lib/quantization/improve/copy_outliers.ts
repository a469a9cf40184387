/**
 * Outlier channels twice, at half their size.
 *
 * @module
 */
import { BatchNorm } from "../../nn/batch_norm.ts";
import type { Module } from "../../nn/module.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import type { Batch } from "../analysis/inputs.ts";
import { sizesWith } from "../layers/copied_channels.ts";
import { groupsOf } from "../layers/output_first.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { channelsTwice, LEAST_COPY, outliersToCopy } from "./channel_copies.ts";
import { areChannels } from "./found_values.ts";
import type { ImprovedModule } from "./improved_module.ts";
import type { ModuleRemedy, ModuleTools, RemediedModule } from "./module_tools.ts";
import { passesCopies } from "./passing_modules.ts";
import { readRows } from "./read_rows.ts";
import { type FieldEdit, groupsIn, normsBehind, Rewriting } from "./rewriting.ts";
import { inputChannels } from "./weight_channels.ts";

/** Whose output has some channels twice. */
interface Copied {
  /** The full name of the module that makes it. */
  readonly module: string;
  readonly channels: readonly number[];
}

/** A module whose channels can be made twice. */
interface Place {
  readonly module: string;
  /** The layer before it, where it is a normalization. */
  readonly before: string | undefined;
  /** The layers that read it. */
  readonly readers: readonly string[];
  /** How many channels there are. */
  readonly count: number;
}

/** Whether all outputs of a layer are made of all inputs. */
function isWhole(module: Module): boolean {
  const layer = module as FloatLayer;
  return readRows(layer) !== undefined && groupsOf(layer) === 1;
}

/** Where channels can be made twice, by the names of the modules that make them. */
function placesIn(state: ImprovedModule, batch: Batch): Map<string, Place> {
  const modules = new Map(state.float.namedModules());
  const norms = normsBehind(state.float, batch);
  const layers = new Map([...norms].map(([layer, norm]) => [norm, layer]));
  const found = new Map<string, Place>();
  const groups = groupsIn(state, batch, passesCopies);
  for (const { absorber: module, layers: readers } of groups) {
    const before = layers.get(module);
    const maker = modules.get(before ?? module)!;
    if (!before && modules.get(module) instanceof BatchNorm) continue;
    if (![maker, ...readers.map((name) => modules.get(name)!)].every(isWhole)) continue;
    const count = inputChannels(modules.get(readers[0]) as FloatLayer);
    found.set(module, { module, before, readers, count });
  }
  return found;
}

/** What is worth it, the most promising first. */
async function search(
  { float }: ImprovedModule,
  places: ReadonlyMap<string, Place>,
  tools: ModuleTools,
): Promise<(Copied & { readonly gain: number })[]> {
  const names = [...places.values()].flatMap(({ readers }) => readers);
  const seen = await tools.inputs(float, names);
  return [...places.values()].flatMap(({ module, readers }) => {
    const all = readers.map((name) => seen.get(name)!.maxima.maxima);
    const maxima = all[0].map((_, c) => Math.max(...all.map((own) => own[c])));
    const { channels, gain } = outliersToCopy(maxima);
    return gain >= LEAST_COPY ? [{ module, channels, gain }] : [];
  }).sort((a, b) => b.gain - a.gain);
}

/** A tensor of a module with some channels twice. */
async function twice(
  module: Module,
  field: string,
  axis: number,
  channels: readonly number[],
  factor: number,
): Promise<FieldEdit> {
  const old = (module as unknown as Record<string, Tensor>)[field];
  const { dtype, device } = old;
  const { data, dims } = channelsTwice(await old.data(), old.shape, { axis, channels, factor });
  return { module, field, value: tensor(data, { shape: dims, dtype, device }).keep() };
}

/** The fields that change where a module makes channels twice. */
async function copied(
  modules: ReadonlyMap<string, Module>,
  { module, before, readers }: Place,
  channels: readonly number[],
): Promise<FieldEdit[]> {
  const edits: FieldEdit[] = [];
  const sizes = (module: Module, more: { inputs: number; outputs: number }) =>
    edits.push(...sizesWith(module, more).map(([field, value]) => ({ module, field, value })));
  const more = channels.length;
  const makes = async (module: Module, fields: readonly string[], factor: number) => {
    for (const field of fields) {
      const there = (module as unknown as Record<string, Tensor | null>)[field];
      if (there) edits.push(await twice(module, field, 0, channels, factor));
    }
    sizes(module, { inputs: 0, outputs: more });
  };
  const maker = modules.get(module)!;
  await makes(maker, ["weight", "bias"], 0.5);
  if (before !== undefined) {
    // What is normalized is the same twice; the factor of the normalization halves it.
    for (const field of ["running_mean", "running_var"]) {
      edits.push(await twice(maker, field, 0, channels, 1));
    }
    await makes(modules.get(before)!, ["weight", "bias"], 1);
  }
  for (const name of readers) {
    const layer = modules.get(name)!;
    edits.push(await twice(layer, "weight", 1, channels, 1));
    sizes(layer, { inputs: more, outputs: 0 });
  }
  return edits;
}

/** What a recipe has of such a step. */
function checked(found: unknown): readonly Copied[] | undefined {
  if (found === undefined) return undefined;
  const fits = Array.isArray(found) &&
    found.every((each) => typeof each?.module === "string" && areChannels(each.channels));
  if (!fits) throw new Error("tune: the recipe has something else than modules and channels");
  return found;
}

async function copy(
  state: ImprovedModule,
  tools: ModuleTools,
  found: unknown,
): Promise<RemediedModule | undefined> {
  const given = checked(found);
  const [batch] = tools.few;
  const places = placesIn(state, batch);
  const odd = given?.find(({ module, channels }) =>
    !channels.every((c) => c < (places.get(module)?.count ?? 0))
  );
  if (odd) {
    throw new Error(
      `tune: the recipe makes channels of ${odd.module} twice, which the model cannot do`,
    );
  }
  using rewriting = await Rewriting.of(state.float, batch);
  const done: Copied[] = [];
  for (const { module, channels } of given ?? await search(state, places, tools)) {
    tools.check();
    const edits = await copied(rewriting.modules, places.get(module)!, channels);
    if (await rewriting.put(edits)) done.push({ module, channels });
  }
  const after = await rewriting.applied(state, tools);
  if (!after) return undefined;
  const count = done.reduce((sum, { channels }) => sum + channels.length, 0);
  return {
    state: after,
    found: done,
    summary: `${count} ${count === 1 ? "channel" : "channels"} behind ${done.length} ${
      done.length === 1 ? "module" : "modules"
    } are made twice at half their size`,
  };
}

/**
 * Outlier channel splitting (Zhao et al. 2019, arXiv:1901.09504): a channel that is far greater than the others is made
 * twice, each half as large, and what reads it multiplies both with the same weights; so the range of all becomes up to
 * half as wide, for a few channels more. The layer before makes them, or the batch normalization behind that, through
 * ReLU and poolings too.
 */
export const copyOutliers: ModuleRemedy = {
  name: "copy",
  purpose: "makes outlier channels twice, at half their size",
  rewrites: true,
  apply: copy,
};
