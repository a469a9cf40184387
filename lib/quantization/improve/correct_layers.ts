/**
 * Biases that make up for what rounding adds on average.
 *
 * @module
 */
import { correctBias_ } from "./bias_correction.ts";
import { freeQuantized, quantizedModule, quantizedNames } from "./improved_module.ts";
import type { ModuleRemedy } from "./module_tools.ts";

/** {@linkcode correctBias_}, layer after layer. */
export const correctLayers: ModuleRemedy = {
  name: "bias",
  purpose: "corrects biases by the errors that were observed",
  rewrites: false,
  async apply(state, tools) {
    if (quantizedNames(state).length === 0) return undefined;
    const quantized = await quantizedModule(state);
    try {
      const onProgress = tools.check;
      const { layers } = await correctBias_(quantized, state.float, tools.learnt, { onProgress });
      const biases = new Map(state.biases);
      for (const { layer, change } of layers) {
        const before = biases.get(layer);
        biases.set(layer, change.map((x, c) => x + (before?.[c] ?? 0)));
      }
      const most = Math.max(...layers.map(({ maxChange }) => maxChange));
      return {
        state: { ...state, biases },
        found: undefined,
        summary: `the biases of ${layers.length} layers were corrected, by up to ${
          most.toPrecision(2)
        }`,
      };
    } finally {
      freeQuantized(quantized);
    }
  },
};
