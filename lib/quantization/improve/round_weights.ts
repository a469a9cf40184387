/**
 * Rounding weights so that what they are multiplied with changes least.
 *
 * @module
 */
import type { FloatLayer } from "../layers/weighted_layer.ts";
import { gptq } from "./gptq.ts";
import {
  type ImprovedModule,
  type LayerWeight,
  MOST_WEIGHT,
  quantizedNames,
  weightRows,
} from "./improved_module.ts";
import type { ModuleRemedy, ModuleTools } from "./module_tools.ts";
import { trusted } from "./trusted_covariance.ts";

/** Rounds every weight whose inputs are rows by {@linkcode gptq}. */
async function round(
  state: ImprovedModule,
  tools: ModuleTools,
): Promise<Map<string, LayerWeight>> {
  const modules = new Map(state.float.namedModules());
  const covariances = await tools.covariances(state.float, quantizedNames(state));
  const weights = new Map<string, LayerWeight>();
  for (const [name, covariance] of covariances) {
    tools.check();
    const { data, rows, columns } = await weightRows(modules.get(name) as FloatLayer);
    const { rows: { groups }, count } = covariance;
    const perGroup = rows / groups;
    const integers = new Int8Array(rows * columns);
    const scales = new Float32Array(rows);
    for (let g = 0; g < groups; g++) {
      const from = g * perGroup * columns;
      const own = Float64Array.from(
        { length: perGroup * columns },
        (_, i) => Number(data[from + i]),
      );
      const matrix = trusted(covariance.matrix(g), own, count);
      const limits = { quantMin: -MOST_WEIGHT, quantMax: MOST_WEIGHT };
      const rounded = gptq(own, matrix, perGroup, limits);
      integers.set(rounded.integers, from);
      scales.set(rounded.scales, g * perGroup);
    }
    weights.set(name, { integers, scales });
  }
  return weights;
}

/** GPTQ (Frantar et al. 2022, arXiv:2210.17323) of every weight of a `Linear` or a convolution. */
export const roundLayers: ModuleRemedy = {
  name: "round",
  purpose: "rounds weights by what they are multiplied with",
  rewrites: false,
  async apply(state, tools) {
    const weights = await round(state, tools);
    if (weights.size === 0) return undefined;
    // What biases made up for was other weights.
    const biases = new Map([...state.biases].filter(([name]) => !weights.has(name)));
    return {
      state: { ...state, biases, weights: new Map([...state.weights, ...weights]) },
      found: undefined,
      summary: `${weights.size} weights were rounded by the covariance of their inputs`,
    };
  },
};
