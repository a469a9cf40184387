/**
 * Ranges that suit the model's output.
 *
 * @module
 */
import { checkedRanges } from "./choose_ranges.ts";
import { descendRanges, type Ends } from "./descend_ranges.ts";
import { type ImprovedModule, LayerSwitches } from "./improved_module.ts";
import type { ModuleRemedy, ModuleTools, RemediedModule } from "./module_tools.ts";

async function search(
  state: ImprovedModule,
  tools: ModuleTools,
): Promise<RemediedModule | undefined> {
  using switches = await LayerSwitches.of(state);
  const on = new Set(switches.names);
  if (on.size === 0) return undefined;
  const ranges = new Map(switches.names.map((name) => [name, state.ranges.get(name)!]));
  const changed = new Set<string>();
  const set = (name: string, range: Ends) => {
    ranges.set(name, range);
    changed.add(name);
  };
  const movable = switches.names.map((name) => ({
    ends: () => ranges.get(name)!,
    move: (range: Ends) => {
      const kept = ranges.get(name)!;
      set(name, range);
      return () => set(name, kept);
    },
  }));
  const noise = async () => {
    tools.check();
    for (const name of changed) await switches.setRange(name, ranges.get(name)!);
    changed.clear();
    return 10 ** (-await tools.sqnr(switches.use(on)) / 10);
  };
  const { before, after } = await descendRanges(movable, noise, state.options.activationSymmetric);
  const found = Object.fromEntries(
    [...ranges].filter(([name, range]) => range !== state.ranges.get(name)),
  );
  const count = Object.keys(found).length;
  if (count === 0) return undefined;
  return {
    state: { ...state, ranges: new Map([...state.ranges, ...ranges]) },
    found,
    summary: `${count} of ${on.size} ranges were moved, by which the output of the samples gained ${
      (10 * Math.log10(before / after)).toFixed(1)
    } dB`,
  };
}

/**
 * Ranges by what they cost at the model's output: each end of each is moved in and out as long as that pays on a few of
 * the calibration samples, from the first layer to the last, so that those behind make up for those before.
 */
export const moveRanges: ModuleRemedy = {
  name: "ranges",
  purpose: "moves the ends of ranges where the output gains by it",
  rewrites: false,
  async apply(state, tools, found) {
    if (found === undefined) return await search(state, tools);
    const own = checkedRanges(found, state);
    return {
      state: { ...state, ranges: new Map([...state.ranges, ...own]) },
      found,
      summary: `${own.length} ranges are those of the recipe`,
    };
  },
};
