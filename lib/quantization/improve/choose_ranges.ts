/**
 * Ranges by what they change in the outputs of the layers that read them.
 *
 * @module
 */
import { quantizeActivation } from "../tensors/activation_quantizer.ts";
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { spread } from "../statistics/channels.ts";
import { tidy } from "../../tensor/tensor.ts";
import {
  activationParams,
  type ImprovedModule,
  quantizedNames,
  weightRows,
} from "./improved_module.ts";
import type { ModuleRemedy, ModuleTools } from "./module_tools.ts";
import type { Ends } from "./descend_ranges.ts";
import { RANGE_METHODS } from "./range_methods.ts";
import { readChannels } from "./read_rows.ts";
import { columnChannels, inputChannels } from "./weight_channels.ts";
import { fitRange, WeightedHistogram } from "./weighted_histogram.ts";

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
  tools: ModuleTools,
): Promise<Map<string, Ends>> {
  const modules = new Map(float.namedModules());
  const squares = new Map<string, Float64Array>();
  for (const name of names) {
    squares.set(name, await channelSquares(modules.get(name) as FloatLayer));
  }
  const seen = new Map(names.map((name) => [name, new WeightedHistogram()]));
  await tools.forCalls(float, names, async (name, input) => {
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

/** What each of some ranges changes in the output of the layer that reads it, on the few batches. */
async function costs(
  { float, options }: ImprovedModule,
  candidates: ReadonlyMap<string, readonly Ends[]>,
  tools: ModuleTools,
): Promise<Map<string, number[]>> {
  const modules = new Map(float.namedModules());
  const found = new Map([...candidates].map(([name, own]) => [name, own.map(() => 0)]));
  await tools.forCalls(float, [...candidates.keys()], async (name, input, output) => {
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

/** Ranges of layers from a recipe. */
export function checkedRanges(found: unknown, { ranges }: ImprovedModule): [string, Ends][] {
  const entries = typeof found === "object" && found !== null ? Object.entries(found) : [];
  const fits = entries.length > 0 &&
    entries.every(([name, each]) =>
      ranges.has(name) && each?.min <= 0 && each.max >= 0 && each.max > each.min
    );
  if (!fits) throw new Error("tune: the recipe has something else than ranges of layers");
  return entries;
}

/** For each layer the range, among those of all methods and the one that suits its channels, that costs least. */
async function search(
  state: ImprovedModule,
  tools: ModuleTools,
): Promise<[string, Ends][]> {
  const names = quantizedNames(state);
  const byMethod = await tools.ranges(state.float, state.options, RANGE_METHODS);
  const fitted = await fittedRanges(state, names, tools);
  const candidates = new Map(names.map((name) => {
    const others = [...Object.values(byMethod.get(name)!), fitted.get(name)!];
    const known = new Map([state.ranges.get(name)!, ...others].map((range) => {
      const { scale, zeroPoint } = activationParams(range, state.options);
      return [`${scale} ${zeroPoint}`, range];
    }));
    return [name, [...known.values()]] as const;
  }));
  const found = await costs(state, candidates, tools);
  return names.flatMap((name): [string, Ends][] => {
    const own = found.get(name)!;
    const best = own.reduce((least, cost, i) => cost < own[least] ? i : least, 0);
    return best > 0 ? [[name, candidates.get(name)![best]]] : [];
  });
}

/**
 * The range of each layer's input is that which changes the layer's output least, of those that all methods choose and
 * one that goes by how much each channel counts.
 */
export const chooseRanges: ModuleRemedy = {
  name: "fit",
  purpose: "chooses each range by what it costs the layer that reads it",
  rewrites: false,
  async apply(state, tools, found) {
    const own = found === undefined ? await search(state, tools) : checkedRanges(found, state);
    const count = own.length;
    if (count === 0) return undefined;
    return {
      state: { ...state, ranges: new Map([...state.ranges, ...own]) },
      found: Object.fromEntries(own),
      summary: `${count} ${
        count === 1 ? "range was" : "ranges were"
      } chosen by what they cost the layers that read them`,
    };
  },
};
