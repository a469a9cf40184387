/**
 * Leaving in float what costs most in integers.
 *
 * @module
 */
import { type ImprovedModule, LayerSwitches } from "./improved_module.ts";
import type { ModuleRemedy, ModuleTools, RemediedModule } from "./module_tools.ts";

/** Layers that are tried at most, and the share of them that stays float where no target asks for more. */
const MOST = { tried: 12, share: 1 / 8 } as const;
/** A layer stays float if the output gains so much by it, in dB. */
const LEAST_GAIN = 0.25;

/** The layers of a state, and the SQNR of the output with each alone in integers; the worst first. */
export async function rankLayers(
  switches: LayerSwitches,
  tools: ModuleTools,
): Promise<{ name: string; sqnr: number }[]> {
  const found: { name: string; sqnr: number }[] = [];
  for (const name of switches.names) {
    tools.check();
    found.push({ name, sqnr: await tools.sqnr(switches.use(new Set([name]))) });
  }
  return found.sort((a, b) => a.sqnr === b.sqnr ? 0 : a.sqnr - b.sqnr);
}

/** A state in which these layers are float too. */
function withoutLayers(state: ImprovedModule, names: readonly string[]): ImprovedModule {
  return { ...state, floats: new Set([...state.floats, ...names]) };
}

async function search(
  state: ImprovedModule,
  tools: ModuleTools,
): Promise<RemediedModule | undefined> {
  using switches = await LayerSwitches.of(state);
  const layers = await rankLayers(switches, tools);
  const on = new Set(switches.names);
  const before = on.size === 0 ? Infinity : await tools.sqnr(switches.use(on));
  let best = before;
  const left: string[] = [];
  const share = tools.hasTarget ? layers.length : Math.ceil(layers.length * MOST.share);
  const most = Math.min(share, layers.length - 1);
  for (const { name } of layers.slice(0, MOST.tried)) {
    if (left.length >= most) break;
    tools.check();
    on.delete(name);
    const model = switches.use(on);
    const reached = await tools.sqnr(model);
    if (reached < best + LEAST_GAIN || !await tools.allows(model)) {
      on.add(name);
      continue;
    }
    best = reached;
    left.push(name);
    if (tools.enough(reached)) break;
  }
  if (left.length === 0) return undefined;
  return {
    state: withoutLayers(state, left),
    found: left,
    summary:
      `${left.length} of the ${layers.length} layers stay float, by which the output of the samples ` +
      `gains ${(best - before).toFixed(1)} dB: ${left.join(", ")}`,
  };
}

/** The noisiest layers stay float, one after the other, as long as the output gains and the limits allow. */
export const leaveLayersFloat: ModuleRemedy = {
  name: "float",
  purpose: "leaves in float what costs most in integers",
  rewrites: false,
  async apply(state, tools, found) {
    if (found === undefined) return await search(state, tools);
    const known = state.options.layers;
    if (!Array.isArray(found) || !found.every((name) => known.includes(name))) {
      throw new Error("tune: the recipe has something else than names of layers to leave in float");
    }
    return {
      state: withoutLayers(state, found),
      found,
      summary: `${found.length} layers stay float, as the recipe has it`,
    };
  },
};
