/**
 * Ranges that suit the layers that read them.
 *
 * @module
 */
import type { Ends } from "./descend_ranges.ts";
import { areEnds } from "./found_values.ts";
import { activationParams, type ImprovedModule } from "./improved_module.ts";
import { layerRanges } from "./layer_ranges.ts";
import type { ModuleRemedy, ModuleTools } from "./module_tools.ts";

/** Ranges of layers from a recipe. */
export function checkedRanges(found: unknown, { ranges }: ImprovedModule): [string, Ends][] {
  const entries = typeof found === "object" && found !== null ? Object.entries(found) : [];
  const fits = entries.length > 0 &&
    entries.every(([name, each]) => ranges.has(name) && areEnds(each) && each.max > each.min);
  if (!fits) throw new Error("tune: the recipe has something else than ranges of layers");
  return entries;
}

/** The ranges that are others than those of a state. */
async function search(state: ImprovedModule, tools: ModuleTools): Promise<[string, Ends][]> {
  const keyOf = (range: Ends) => {
    const { scale, zeroPoint } = activationParams(range, state.options);
    return `${scale} ${zeroPoint}`;
  };
  return [...await layerRanges(state, tools)]
    .filter(([name, range]) => keyOf(range) !== keyOf(state.ranges.get(name)!));
}

/**
 * The range of each layer's input is that which changes the layer's output least, as
 * {@linkcode layerRanges} finds it.
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
      summary: count === 1
        ? "1 range was chosen by what it costs the layer that reads it"
        : `${count} ranges were chosen by what they cost the layers that read them`,
    };
  },
};
