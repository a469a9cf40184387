/**
 * What a channel always holds goes into the biases of the layers that read it.
 *
 * @module
 */
import type { Module } from "../../nn/module.ts";
import { ReLU } from "../../nn/relu.ts";
import type { Batch } from "../analysis/inputs.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { type ChannelEnds, isUnpadded, LEAST_SHIFT, shiftsOf } from "./channel_shifts.ts";
import { type ImprovedModule, weightRows } from "./improved_module.ts";
import type { ModuleRemedy, ModuleTools, RemediedModule } from "./module_tools.ts";
import { passesShifts } from "./passing_modules.ts";
import { readRows } from "./read_rows.ts";
import { type FieldEdit, groupsIn, normsBehind, Rewriting } from "./rewriting.ts";
import { Edits } from "./tensor_edits.ts";
import { columnChannels, inputChannels, type Norm } from "./weight_channels.ts";

/** Whose output is lowered, and by what. */
interface Absorbed {
  /** The full name of the module that makes it. */
  readonly module: string;
  /** A number for each channel. */
  readonly shifts: readonly number[];
}

/** What takes up the sum that a layer lacks: its bias, or the means of the normalization behind it, which are taken away. */
interface Summand {
  readonly module: string;
  readonly field: "bias" | "running_mean";
}

/** A module whose output can be lowered. */
interface Place {
  readonly module: string;
  /** The layers that read it, and what makes up for it in each. */
  readonly readers: ReadonlyMap<string, Summand>;
  readonly channels: number;
  /** Whether a ReLU is between. */
  readonly cut: boolean;
}

/** What makes up for what a layer reads being lowered; nothing where nothing can. */
function summandOf(
  name: string,
  layer: FloatLayer,
  norms: ReadonlyMap<string, string>,
): Summand | undefined {
  const rows = readRows(layer);
  // Zeros around a picture would not be lowered.
  if (!rows || !isUnpadded(rows)) return undefined;
  if (layer.bias) return { module: name, field: "bias" };
  const module = norms.get(name);
  return module === undefined ? undefined : { module, field: "running_mean" };
}

/** Where outputs can be lowered, by the names of the modules that make them. */
function placesIn(state: ImprovedModule, batch: Batch): Map<string, Place> {
  const modules = new Map(state.float.namedModules());
  const uncut = new Set(groupsIn(state, batch, passesShifts).map(({ absorber }) => absorber));
  const groups = groupsIn(state, batch, (m) => m.constructor === ReLU || passesShifts(m));
  const norms = normsBehind(state.float, batch);
  const found = new Map<string, Place>();
  for (const { absorber: module, layers } of groups) {
    const readers = new Map(layers.flatMap((name) => {
      const summand = summandOf(name, modules.get(name) as FloatLayer, norms);
      return summand ? [[name, summand] as const] : [];
    }));
    if (!(modules.get(module) as FloatLayer | Norm).bias || readers.size < layers.length) continue;
    const channels = inputChannels(modules.get(layers[0]) as FloatLayer);
    found.set(module, { module, readers, channels, cut: !uncut.has(module) });
  }
  return found;
}

/** The least and the greatest number of each channel that any of the layers reads. */
function together(all: readonly ChannelEnds[]): Pick<ChannelEnds, "min" | "max"> {
  const [{ min, max }] = all;
  return {
    min: min.map((_, c) => Math.min(...all.map((own) => own.min[c]))),
    max: max.map((_, c) => Math.max(...all.map((own) => own.max[c]))),
  };
}

/** What is worth lowering, and what is gained by it. */
async function search(
  { float }: ImprovedModule,
  places: ReadonlyMap<string, Place>,
  tools: ModuleTools,
): Promise<(Absorbed & { readonly gain: number })[]> {
  const names = [...places.values()].flatMap(({ readers }) => [...readers.keys()]);
  const ends = await tools.channelEnds(float, names);
  return [...places.values()].map(({ module, readers, cut }) => ({
    module,
    ...shiftsOf(together([...readers.keys()].map((name) => ends.get(name)!)), cut),
  })).filter(({ gain }) => gain >= LEAST_SHIFT);
}

/** The fields that change where a module makes less, and those that read it make up for that. */
async function lowered(
  modules: ReadonlyMap<string, Module>,
  { module, readers }: Place,
  shifts: readonly number[],
): Promise<FieldEdit[]> {
  const edits = new Edits();
  const bias = await edits.values(modules.get(module)!, "bias");
  shifts.forEach((shift, c) => bias[c] -= shift);
  for (const [name, summand] of readers) {
    const layer = modules.get(name) as FloatLayer;
    const { data, rows, columns } = await weightRows(layer);
    const channelOf = columnChannels(layer, rows, columns);
    const values = await edits.values(modules.get(summand.module)!, summand.field);
    const sign = summand.field === "bias" ? 1 : -1;
    for (let r = 0; r < rows; r++) {
      let sum = 0;
      for (let k = 0; k < columns; k++) sum += data[r * columns + k] * shifts[channelOf(r, k)];
      values[r] += sign * sum;
    }
  }
  return [...edits.tensors()];
}

/** What a recipe has of such a step. */
function checked(found: unknown): readonly Absorbed[] | undefined {
  if (found === undefined) return undefined;
  const fits = Array.isArray(found) &&
    found.every((each) =>
      typeof each?.module === "string" && Array.isArray(each.shifts) &&
      each.shifts.every(Number.isFinite)
    );
  if (!fits) throw new Error("tune: the recipe has something else than modules and shifts");
  return found;
}

async function absorb(
  state: ImprovedModule,
  tools: ModuleTools,
  found: unknown,
): Promise<RemediedModule | undefined> {
  const given = checked(found);
  const [batch] = tools.few;
  const places = placesIn(state, batch);
  const odd = given?.find(({ module, shifts }) => places.get(module)?.channels !== shifts.length);
  if (odd) {
    throw new Error(
      `tune: the recipe lowers the output of ${odd.module}, which the model cannot do`,
    );
  }
  const absorbed: readonly (Absorbed & { readonly gain?: number })[] = given ??
    await search(state, places, tools);
  using rewriting = await Rewriting.of(state.float, batch);
  const done: Absorbed[] = [];
  let most = 0;
  for (const { module, shifts, gain = 0 } of absorbed) {
    tools.check();
    const edits = await lowered(rewriting.modules, places.get(module)!, shifts);
    if (!await rewriting.put(edits)) continue;
    done.push({ module, shifts });
    most = Math.max(most, gain);
  }
  const after = await rewriting.applied(state, tools);
  if (!after) return undefined;
  return {
    state: after,
    found: done,
    summary:
      `the channels behind ${done.length} ${
        done.length === 1 ? "module" : "modules"
      } were lowered by what they always hold` +
      (given ? "" : `, by which ranges become up to ${most.toFixed(1)} dB narrower`),
  };
}

/**
 * Absorption of high biases (Nagel et al. 2019, arXiv:1906.04721): what a channel holds at least on all samples is taken
 * from the bias of the module that makes it and added, times their weights, to the biases of the layers that read it, or
 * to the means of the batch normalizations behind them. After a ReLU that is exact as long as the channel goes no lower;
 * without one, where the middle of the channel is taken, always. Nothing is done before a layer that reads zeros around
 * a picture.
 */
export const absorbShifts: ModuleRemedy = {
  name: "absorb",
  purpose: "moves what a channel always holds into the biases behind it",
  rewrites: true,
  apply: absorb,
};
