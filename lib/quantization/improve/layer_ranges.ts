/**
 * Which range changes least in the output of the layer that reads it, of batches that it was not chosen on.
 *
 * @module
 */
import { quantizeActivation } from "../tensors/activation_quantizer.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { spread } from "../statistics/channels.ts";
import type { Batch } from "../analysis/inputs.ts";
import { tidy } from "../../tensor/tensor.ts";
import {
  activationParams,
  type ImprovedModule,
  quantizedNames,
  weightRows,
} from "./improved_module.ts";
import type { ModuleTools } from "./module_tools.ts";
import type { Ends } from "./descend_ranges.ts";
import { RANGE_METHODS } from "./range_methods.ts";
import { readChannels } from "./read_rows.ts";
import { columnChannels, inputChannels } from "./weight_channels.ts";
import { fitRange, WeightedHistogram } from "./weighted_histogram.ts";

/** Ranges of all that was seen are tried so many times as wide too: what is to come may lie beyond. */
const WIDER = [1.1, 1.25, 1.5] as const;

/** The squares that each channel of a layer's input is multiplied with, added up. */
async function channelSquares(layer: FloatLayer): Promise<Float64Array> {
  const { data, rows, columns } = await weightRows(layer);
  const squares = new Float64Array(inputChannels(layer));
  const channelOf = columnChannels(layer, rows, columns);
  for (let i = 0; i < data.length; i++) {
    squares[channelOf(Math.floor(i / columns), i % columns)] += data[i] ** 2;
  }
  return squares;
}

/** For each layer the range that suits how much each channel counts. */
async function fittedRanges(
  { float, options }: ImprovedModule,
  names: readonly string[],
  batches: readonly Batch[],
  tools: ModuleTools,
): Promise<Map<string, Ends>> {
  const modules = new Map(float.namedModules());
  const squares = new Map<string, Float64Array>();
  for (const name of names) {
    squares.set(name, await channelSquares(modules.get(name) as FloatLayer));
  }
  const seen = new Map(names.map((name) => [name, new WeightedHistogram()]));
  await tools.forCalls(float, names, batches, async (name, input) => {
    const channels = readChannels(modules.get(name) as FloatLayer);
    const { outer, inner } = spread(channels, input.shape);
    const data = Float32Array.from(await input.data());
    const weights = squares.get(name)!;
    for (let o = 0, at = 0; o < outer; o++) {
      for (let c = 0; c < channels.count; c++, at += inner) {
        if (weights[c] > 0) seen.get(name)!.add(data.subarray(at, at + inner), weights[c]);
      }
    }
  });
  const { activationSymmetric } = options;
  return new Map([...seen].map(([name, own]) => [name, fitRange(own, activationSymmetric)]));
}

/** What each of some ranges changes in the output of the layer that reads it, on a few of some batches. */
async function costs(
  { float, options }: ImprovedModule,
  candidates: ReadonlyMap<string, readonly Ends[]>,
  batches: readonly Batch[],
  tools: ModuleTools,
): Promise<Map<string, number[]>> {
  const modules = new Map(float.namedModules());
  const found = new Map([...candidates].map(([name, own]) => [name, own.map(() => 0)]));
  await tools.forCalls(float, [...candidates.keys()], batches, async (name, input, output) => {
    const sums = found.get(name)!;
    const y = await output.data();
    for (const [i, range] of candidates.get(name)!.entries()) {
      const to = activationParams(range, options);
      using other = tidy(() => {
        using bytes = quantizeActivation(input, { ...to, scale: Math.fround(to.scale) });
        return modules.get(name)!.forward(bytes);
      });
      const z = await other.data();
      for (let k = 0; k < y.length; k++) sums[i] += (Number(y[k]) - Number(z[k])) ** 2;
    }
  });
  return found;
}

/** What is tried for each layer, in the same order whatever the batches; the options' own method first. */
async function candidatesFrom(
  state: ImprovedModule,
  names: readonly string[],
  batches: readonly Batch[],
  tools: ModuleTools,
): Promise<Map<string, Ends[]>> {
  const { float, options } = state;
  const byMethod = await tools.ranges(float, options, RANGE_METHODS, batches);
  const run = names.filter((name) => byMethod.has(name));
  const fitted = await fittedRanges(state, run, batches, tools);
  return new Map(run.map((name) => {
    const own = byMethod.get(name)!;
    const { minmax: { min, max } } = own;
    const wider = WIDER.map((factor) => ({ min: min * factor, max: max * factor }));
    const first = own[options.calibrationMethod];
    return [name, [first, ...Object.values(own), fitted.get(name)!, ...wider]];
  }));
}

/**
 * For each layer the range that changes its output least: of those that all methods choose, one that goes by how much
 * each channel counts, and some that are wider than what was seen. What ranges of one half of the batches cost is
 * measured on the other half, so that none is chosen for cutting off what will come again.
 */
export async function layerRanges(
  state: ImprovedModule,
  tools: ModuleTools,
): Promise<Map<string, Ends>> {
  const names = quantizedNames(state);
  const sums = new Map<string, number[]>();
  for (const [from, judged] of tools.halves) {
    const candidates = await candidatesFrom(state, names, from, tools);
    for (const [name, own] of await costs(state, candidates, judged, tools)) {
      const before = sums.get(name);
      sums.set(name, own.map((cost, i) => cost + (before?.[i] ?? 0)));
    }
  }
  const candidates = await candidatesFrom(state, names, tools.all, tools);
  return new Map([...candidates].map(([name, own]) => {
    const found = sums.get(name) ?? [0];
    return [name, own[found.reduce((least, cost, i) => cost < found[least] ? i : least, 0)]];
  }));
}
