/**
 * Batch normalizations that make up for what quantizing before them changes.
 *
 * @module
 */
import { BatchNorm } from "../../nn/batch_norm.ts";
import { type Module, nameModules } from "../../nn/module.ts";
import { tensor } from "../../tensor/tensor.ts";
import {
  freeQuantized,
  type ImprovedModule,
  type NormStatistics,
  quantizedModule,
} from "./improved_module.ts";
import type { ModuleRemedy, ModuleTools } from "./module_tools.ts";

/** The mean and the variance of each channel of what a normalization reads. */
async function seenBy(model: Module, names: readonly string[], tools: ModuleTools) {
  const sums = await tools.channelSums(model, names);
  return new Map([...sums].map(([name, own]) => {
    const mean = own.means();
    const variance = own.meanSquares().map((x, c) => Math.max(x - mean[c] ** 2, 0));
    return [name, { mean, variance }];
  }));
}

/** The statistics of one after the other, each with those before it re-estimated. */
async function search(
  state: ImprovedModule,
  names: readonly string[],
  tools: ModuleTools,
): Promise<Map<string, NormStatistics>> {
  const floats = await seenBy(state.float, names, tools);
  const model = await quantizedModule(state);
  try {
    nameModules(model);
    const modules = new Map(model.namedModules());
    const found = new Map<string, NormStatistics>();
    for (const [name, float] of floats) {
      const own = (await seenBy(model, [name], tools)).get(name)!;
      const norm = modules.get(name) as BatchNorm;
      const { dtype, device } = norm.running_mean!;
      const [mean, variance] = [await norm.running_mean!.data(), await norm.running_var!.data()];
      const statistics = {
        mean: Array.from(own.mean, (x, c) => Math.fround(Number(mean[c]) + x - float.mean[c])),
        variance: Array.from(own.variance, (x, c) => {
          const share = float.variance[c] > 0 ? x / float.variance[c] : 1;
          return Math.fround(Number(variance[c]) * (share > 0 ? share : 1));
        }),
      };
      [norm.running_mean, norm.running_var].forEach((t) => t!.dispose());
      norm.running_mean = tensor(statistics.mean, { dtype, device }).keep();
      norm.running_var = tensor(statistics.variance, { dtype, device }).keep();
      found.set(name, statistics);
    }
    return found;
  } finally {
    freeQuantized(model);
  }
}

/**
 * Re-estimation of batch normalizations (Sun et al. 2019): the mean of each channel moves by as much as quantizing what
 * comes before moved that of the samples, and the variance grows by the same factor. So what was learnt from more data
 * than these samples stays.
 */
export const shiftNorms: ModuleRemedy = {
  name: "norms",
  purpose: "re-estimates batch normalizations behind quantized layers",
  rewrites: false,
  async apply(state, tools) {
    const names = state.float.namedModules()
      .filter(([, module]) => module instanceof BatchNorm && module.running_mean)
      .map(([name]) => name);
    const norms = await search(state, names, tools);
    if (norms.size === 0) return undefined;
    return {
      state: { ...state, norms: new Map([...state.norms, ...norms]) },
      found: undefined,
      summary: `${norms.size} batch normalizations were re-estimated`,
    };
  },
};
